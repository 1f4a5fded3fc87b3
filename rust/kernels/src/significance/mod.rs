//! Outliers in units of the noise: pixels that stand out along the dispersion and across it.
//!
//! A spectral line or a fringe continues across the dispersion, and an unresolved source is as wide
//! as the point-spread function. A bad pixel stands out in both directions. So contrasts are taken
//! in both, and light that is wider than a pixel counts as noise. With the minimum image m, running
//! medians `med(image, samples, direction)`, D along the dispersion and X across it:
//!
//! 1. Residual `r = m - med(m, window, D)`; contrast `c = r - med(r, 7, X)`.
//! 2. Scatter: `1.4826 med(|c|, 31, D)`.
//! 3. Error: the ERR of one exposure times a factor that makes its scale that of the contrasts,
//!    `q = 1.4826 median(|c| / ERR) / (0.79 spread)`. The base of the noise is the greater of
//!    scatter and error. Without errors, it follows from the scatter and from the contrasts at like
//!    brightness ([`level`]).
//! 4. [Fine structure](fine) F: light that fills more than half of a square of 3 x 3 pixels, less
//!    its running median over 31.
//! 5. [Neighbours](neighbours): the third brightest contrast L of the square, where it stands out
//!    from the base and no neighbour is so bright that the pixel may be its halo; and the slope G of
//!    the smooth light `med(m, window, D)` along D. On the flank of a line, a missing sample shifts the running
//!    median by a step of the flank.
//! 6. Noise: the greatest of base, 2/3 F, L and 1/4 G. Significance: c / noise; at the low end the
//!    weakest of c, r and 3 (m - n) takes the place of c, where n is the fainter neighbour along D. A
//!    dark gap between two lines is below its running median, but not below its neighbours.
//!
//! Without a dispersion axis all windows are squares.

mod fine;
mod level;
mod neighbours;
mod places;

use crate::mean::is_valid;
use crate::median::{self, Axis, Edge, Finished, Window};
use crate::{Error, Image, Sample, outliers, percentile};
use level::NoiseByLevel;
use neighbours::{Squares, darkness, slopes};
use pulp::{Arch, Simd, WithSimd};

/// The criteria for significant pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Criteria {
    /// Length of the window of the first running median.
    pub window: Window,
    /// The axis of dispersion; `None` for square windows.
    pub dispersion: Option<Axis>,
    /// What that window contains beyond the border. All others end at the border.
    pub edge: Edge,
    /// Pixels below minus this significance are flagged.
    pub lower: f64,
    /// Pixels above this significance are flagged.
    pub upper: f64,
    /// The standard deviation of the least of as many unit normal numbers as there are exposures:
    /// 1, 0.826, 0.701, 0.611 for 1, 2, 4, 8 exposures.
    pub spread: f64,
}

/// The significant pixels of a minimum image. All images are row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Significant<T> {
    /// Minimum image minus its running median.
    pub residual: Vec<T>,
    /// Contrast divided by noise; NaN where there is none.
    pub significance: Vec<T>,
    /// The noise of one exposure.
    pub noise: Vec<T>,
    /// Whether a pixel is flagged.
    pub mask: Vec<bool>,
    /// The factor that ERR is multiplied by; `None` without a valid ERR.
    pub error_scale: Option<f64>,
    /// Pixels flagged at the low end.
    pub n_low: usize,
    /// Pixels flagged at the high end.
    pub n_high: usize,
}

/// Samples in the window across the dispersion.
const ACROSS: usize = 7;
/// Samples in the window of the scatter.
const SCATTER: usize = 31;
/// The standard deviation of normal numbers whose median magnitude is 1.
const NORMAL: f64 = 1.4826;
/// The part of the standard deviation that the two subtracted medians leave.
const LEFT: f64 = 0.79;
/// The noise of one exposure in units of the scatter, where there is no error.
const WITHOUT_ERROR: f64 = 2.0;
/// The part of the fine structure that counts as noise.
const STRUCTURE: f64 = 2.0 / 3.0;
/// The part of the slope that counts as noise.
const SLOPE: f64 = 0.25;
/// The difference from the fainter neighbour counts this many times.
const DARK: f64 = 3.0;
/// The third brightest pixel stands out if it is above the base times this.
const STANDS_OUT: f64 = 2.0;

/// Finds the pixels of a minimum image that are significant.
///
/// `error` is the standard error of one exposure. Where it is not a positive number, the noise
/// follows from the scatter. An infinite contrast is always flagged and has infinite significance.
///
/// # Errors
/// [`Error::Shape`] if the error has another shape. [`Error::WindowTooLarge`] if the window holds
/// 2^31 samples or more.
pub fn find<T: Sample>(
    minimum: Image<'_, T>,
    error: Option<Image<'_, T>>,
    criteria: &Criteria,
) -> Result<Significant<T>, Error> {
    let (rows, cols) = (minimum.rows(), minimum.cols());
    if let Some(error) = error
        && (error.rows(), error.cols()) != (rows, cols)
    {
        return Err(Error::Shape { len: error.samples().len(), rows, cols });
    }
    let samples = minimum.samples().len();
    let mut residual = vec![T::ZERO; samples];
    let mut noise = vec![T::ZERO; samples];
    let mut significance = vec![T::ZERO; samples];
    // One piece of memory: with several, the allocator returns them to the system after each call,
    // and the next call may take twice as long.
    let mut memory = vec![T::ZERO; 4 * samples];
    let (smooth, rest) = memory.split_at_mut(samples);
    let (contrast, rest) = rest.split_at_mut(samples);
    let (magnitude, structure) = rest.split_at_mut(samples);
    fill_residual(minimum, criteria, &mut residual, smooth)?;
    let residuals = Image::new(&residual, rows, cols)?;
    fill_contrast(residuals, criteria.dispersion, contrast, magnitude)?;
    let magnitudes = Image::new(magnitude, rows, cols)?;
    fill_scatter(magnitudes, criteria.dispersion, &mut noise)?;
    let error_scale = error.and_then(|error| error_scale(magnitudes, error, criteria.spread));
    let base = match (error, error_scale) {
        (Some(error), Some(scale)) => Base::Error(error, T::nearest(scale)),
        _ => Base::Level(NoiseByLevel::new(minimum, contrast, magnitude)),
    };
    fine::structure(residuals, criteria.dispersion, magnitude, structure)?;
    let light = Light {
        minimum,
        smooth: Image::new(smooth, rows, cols)?,
        residuals,
        contrasts: Image::new(contrast, rows, cols)?,
        base,
        dispersion: criteria.dispersion,
    };
    let structures = Image::new(structure, rows, cols)?;
    fill_significance(structures, &light, &mut significance, &mut noise)?;
    let (low, high) = (T::at_least(-criteria.lower), T::at_most(criteria.upper));
    let (mask, n_low, n_high) = outliers::flag(&significance, low, high);
    Ok(Significant { residual, significance, noise, mask, error_scale, n_low, n_high })
}

/// Fills in the minimum image minus its running median, and that median.
fn fill_residual<T: Sample>(
    minimum: Image<'_, T>,
    by: &Criteria,
    residual: &mut [T],
    smooth: &mut [T],
) -> Result<(), Error> {
    median::filter_then(minimum, by.dispersion, by.window, by.edge, residual, smooth, |group| {
        Arch::new().dispatch(Subtract(group));
    })
}

/// Fills in residuals minus their running median across the dispersion, and the magnitudes.
fn fill_contrast<T: Sample>(
    residuals: Image<'_, T>,
    dispersion: Option<Axis>,
    contrast: &mut [T],
    magnitude: &mut [T],
) -> Result<(), Error> {
    let (window, across) = (Window::new(ACROSS)?, dispersion.map(Axis::other));
    median::filter_then(residuals, across, window, Edge::Shrink, contrast, magnitude, |group| {
        Arch::new().dispatch(Contrast(group));
    })
}

/// Fills in the scatter.
fn fill_scatter<T: Sample>(
    magnitudes: Image<'_, T>,
    dispersion: Option<Axis>,
    scatter: &mut [T],
) -> Result<(), Error> {
    let mut nothing = vec![(); scatter.len()]; // takes no memory
    let (window, edge) = (Window::new(SCATTER)?, Edge::Shrink);
    median::filter_then(magnitudes, dispersion, window, edge, scatter, &mut nothing, |group| {
        Arch::new().dispatch(Scale(group.medians));
    })
}

/// Fills in the significance. Replaces the scatter by the noise.
fn fill_significance<T: Sample>(
    structures: Image<'_, T>,
    light: &Light<'_, T>,
    significance: &mut [T],
    noise: &mut [T],
) -> Result<(), Error> {
    let (window, edge) = (Window::new(SCATTER)?, Edge::Shrink);
    median::filter_then(structures, light.dispersion, window, edge, significance, noise, |group| {
        Arch::new().dispatch(Weigh { group, light });
    })
}

/// The factor for the errors; `None` if no error with a contrast is valid.
fn error_scale<T: Sample>(
    magnitudes: Image<'_, T>,
    error: Image<'_, T>,
    spread: f64,
) -> Option<f64> {
    let mut ratios = Vec::new();
    for run in places::runs(magnitudes.rows(), magnitudes.cols()) {
        let pixels = magnitudes.samples()[run.clone()].iter().zip(&error.samples()[run]);
        let valid = pixels.filter(|&(_, &error)| is_valid(error));
        ratios.extend(valid.map(|(&magnitude, &error)| magnitude / error));
    }
    let median = percentile::percentiles(&ratios, &[50.0]).first().copied()?;
    (!median.is_nan()).then(|| NORMAL * median / (LEFT * spread))
}

/// What the noise is made of besides scatter and light.
enum Base<'a, T> {
    /// Errors, and their factor.
    Error(Image<'a, T>, T),
    /// Noise that depends on the brightness.
    Level(NoiseByLevel<T>),
}

/// Replaces medians by the differences from them, and companions by the medians.
struct Subtract<'a, T>(Finished<'a, T, T>);

impl<T: Sample> WithSimd for Subtract<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Finished { medians, samples, companions, .. } = self.0;
        for ((median, &sample), companion) in medians.iter_mut().zip(samples).zip(companions) {
            *companion = *median;
            *median = sample - *median;
        }
    }
}

/// Replaces medians by contrasts, and companions by their magnitudes.
struct Contrast<'a, T>(Finished<'a, T, T>);

impl<T: Sample> WithSimd for Contrast<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Finished { medians, samples, companions, .. } = self.0;
        for ((median, &sample), magnitude) in medians.iter_mut().zip(samples).zip(companions) {
            *median = sample - *median;
            *magnitude = median.magnitude();
        }
    }
}

/// Replaces median magnitudes by the scatter.
struct Scale<'a, T>(&'a mut [T]);

impl<T: Sample> WithSimd for Scale<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let normal = T::nearest(NORMAL);
        for median in self.0 {
            *median = *median * normal;
        }
    }
}

/// What the noise is made of, besides scatter and fine structure.
struct Light<'a, T> {
    minimum: Image<'a, T>,
    /// The running median of the minimum image.
    smooth: Image<'a, T>,
    residuals: Image<'a, T>,
    contrasts: Image<'a, T>,
    base: Base<'a, T>,
    dispersion: Option<Axis>,
}

/// Replaces the usual levels of fine structure by the significance, and companions, which are the
/// scatter, by the noise.
struct Weigh<'a, T> {
    group: Finished<'a, T, T>,
    light: &'a Light<'a, T>,
}

impl<T: Sample> WithSimd for Weigh<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Finished { first, medians, samples, companions } = self.group;
        let Light { minimum, smooth, residuals, contrasts, base, dispersion } = self.light;
        let cols = residuals.cols();
        let mut squares = Squares::new(cols);
        let (mut slope, mut levels) = (vec![T::NAN; cols], vec![T::NAN; cols]);
        let rows = medians.chunks_exact_mut(cols).zip(samples.chunks_exact(cols));
        let rows = rows.zip(companions.chunks_exact_mut(cols)).enumerate();
        for (row, ((significance, structure), noise)) in rows {
            let y = first + row;
            let contrast = contrasts.row(y);
            let stands_out = match base {
                Base::Error(error, scale) => {
                    add_error(noise, error.row(y), *scale);
                    T::nearest(STANDS_OUT)
                }
                Base::Level(level) => {
                    level.add(noise, minimum.row(y), contrast, [&mut slope, &mut levels]);
                    T::nearest(1.0)
                }
            };
            squares.read(*contrasts, *residuals, y);
            squares.add(noise, contrast, stands_out);
            slopes(*smooth, *dispersion, y, &mut slope);
            add_light(noise, structure, significance, &slope);
            darkness(*minimum, *dispersion, y, &mut slope);
            weigh(significance, noise, residuals.row(y), contrast, &slope);
        }
    }
}

/// Replaces scatter by the base: the greater of it and the scaled error.
#[inline(always)]
fn add_error<T: Sample>(noise: &mut [T], error: &[T], scale: T) {
    let without = T::nearest(WITHOUT_ERROR);
    for (noise, &error) in noise.iter_mut().zip(error) {
        let other = if is_valid(error) { error * scale } else { *noise * without };
        *noise = noise.greater(other);
    }
}

/// Replaces noise by the greatest of it, the fine structure above its usual level and the slope, of
/// which only parts count as noise.
#[inline(always)]
fn add_light<T: Sample>(noise: &mut [T], structure: &[T], usual: &[T], slope: &[T]) {
    let [part, step] = [STRUCTURE, SLOPE].map(T::nearest);
    let pixels = noise.iter_mut().zip(structure).zip(usual).zip(slope);
    for (((noise, &structure), &usual), &slope) in pixels {
        *noise = noise.greater((structure - usual) * part).greater(slope * step);
    }
}

/// The significance of a row. `dark` is the difference of each sample from its fainter neighbour.
#[inline(always)]
fn weigh<T: Sample>(
    significance: &mut [T],
    noise: &[T],
    residual: &[T],
    contrast: &[T],
    dark: &[T],
) {
    let part = T::nearest(DARK);
    let pixels = significance.iter_mut().zip(noise).zip(residual).zip(contrast).zip(dark);
    for ((((significance, &noise), &residual), &contrast), &dark) in pixels {
        let least = residual.greater(dark * part).lesser(T::ZERO);
        let weakest = if contrast < least { least } else { contrast };
        let is_infinite = weakest.magnitude() == T::INFINITY;
        *significance = if is_infinite { weakest } else { weakest / noise.magnitude() };
    }
}
