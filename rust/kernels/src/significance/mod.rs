//! Outliers in units of the noise: pixels that stand out along the dispersion and across it, and
//! groups of pixels with sharp edges.
//!
//! A spectral line or a fringe continues across the dispersion, and an unresolved source is as wide
//! as the point-spread function. A bad pixel stands out in both directions. So contrasts are taken
//! in both, and light that is wider than a pixel counts as noise. A group of bad pixels is as wide,
//! but ends within a pixel, and no light does. With the minimum image m, running medians
//! `med(image, samples, direction)`, D along the dispersion and X across it:
//!
//! 1. Residual `r = m - med(m, window, D)`; contrast `c = r - med(r, 7, X)`.
//! 2. Scatter: `1.4826 med(|c|, 31, D)`.
//! 3. Error (`base`): the ERR of one exposure times a factor that makes its scale that of the
//!    contrasts, `q = 1.4826 median(|c| / ERR) / (0.79 spread)`. Without errors, the scatter and
//!    the contrasts at like brightness take its place.
//! 4. Fine structure (`fine`) F: light that fills more than half of a square of 3 x 3 pixels, less
//!    its running median over 31.
//! 5. Neighbours (`neighbours`): the third brightest contrast L of the square, where it stands out
//!    from the base and no neighbour is so bright that the pixel may be its halo; and the
//!    slope G of the smooth light `med(m, window, D)` along D. On the flank of a line, a missing
//!    sample shifts the running median by a step of the flank.
//! 6. Noise: the greatest of its base, 2/3 F, L and 1/4 G. The base is the greater of scatter and
//!    error. Significance: c / noise; at the low end the weakest of c, r and 3 (m - n) takes the
//!    place of c, where n is the fainter neighbour along D, or the brighter one along X if that is
//!    fainter still. A dark gap between two lines, or beside a line and a hot pixel, is below its
//!    running median, but not below its neighbours. Where r is not above 0, c counts as 0 at the
//!    high end: beside dark pixels, a pixel may stand out across the dispersion only.
//! 7. The significance of bright pixels is divided by `blunt`: the noise of a minimum falls with
//!    the number of exposures, and so does the cut; light that looks like a bad pixel does not.
//! 8. Groups with sharp edges (`edges`), of pixels with r / base above the upper cut, are flagged
//!    too, and so are those with c / base above it (and r above 0) that end sharply above the light
//!    beside them.
//!    These ratios are then their significance, and the base is their noise.
//!
//! Without a dispersion axis all windows are squares, and nothing lies beside a group; nor does it
//! where light across the dispersion is undersampled.

mod base;
mod edges;
mod fine;
mod neighbours;
mod weigh;

use crate::instructions::arch;
use crate::median::{Axis, Edge, Filter};
use crate::memory::Scratch;
use crate::outliers::{Flag, subtract};
use crate::{Error, Image, Sample, memory};
use base::{Base, NoiseByLevel, error_scale};
pub use edges::{Blur, sharp_groups};
use edges::{Candidate, Level, Sharp};
use fine::Structure;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use weigh::{Light, Weigh};

/// The criteria for significant pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Criteria {
    /// Samples in the window of the first running median: an odd number.
    pub window: usize,
    /// The axis of dispersion; `None` for square windows.
    pub dispersion: Option<Axis>,
    /// What that window contains beyond the border. All others end at the border.
    pub edge: Edge,
    /// Pixels below minus this significance are flagged.
    pub lower: f64,
    /// Pixels above this significance are flagged.
    pub upper: f64,
    /// A pixel that stands out must do so by this times the upper cut, if its edges are not sharp.
    pub blunt: f64,
    /// How far light and charge spread on the detector.
    pub blur: Blur,
    /// The standard deviation of the least of as many unit normal numbers as there are exposures:
    /// 1, 0.826, 0.701, 0.611 for 1, 2, 4, 8 exposures.
    pub spread: f64,
}

impl Criteria {
    /// Whether the pixels beside a group show the light that it lies on: not without a dispersion
    /// axis, and not where light is so narrow that it does not reach them.
    fn shows_light_beside(&self) -> bool {
        self.dispersion.is_some() && self.blur.across >= SAMPLED
    }
}

/// The significant pixels of a minimum image. All images are row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Significant<T> {
    /// Minimum image minus its running median.
    pub residual: Vec<T>,
    /// Contrast divided by noise (and by `blunt`), or brightness divided by the base of the noise
    /// in a group with sharp edges; NaN where there is none.
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
/// The difference from the faint neighbour counts this many times.
const DARK: f64 = 3.0;
/// The least standard deviation of light, in pixels, that is not undersampled.
const SAMPLED: f64 = 0.5;
/// The third brightest pixel stands out if it is above the base times this.
const STANDS_OUT: f64 = 2.0;

/// Finds the pixels of a minimum image that are significant.
///
/// `error` is the standard error of one exposure. Where it is not a positive number, the noise
/// follows from the scatter. An infinite contrast is always flagged and has infinite significance.
///
/// # Errors
/// [`Error::Shape`] if the error has another shape. [`Error::EvenWindow`] if the window has no
/// middle. [`Error::WindowTooLarge`] if it holds 2^31 samples or more. [`Error::Memory`] if there
/// is too little.
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
    let mut residual = memory::zeros(samples)?;
    let mut noise = memory::zeros(samples)?;
    let mut significance = memory::zeros(samples)?;
    let mut scratch = Scratch::new::<T>(3 * samples)?;
    let (smooth, other) = scratch.samples(3 * samples).split_at_mut(samples);
    let (contrast, labels) = other.split_at_mut(samples);
    let dispersion = criteria.dispersion;
    let filter = Filter::new(minimum, dispersion, criteria.window, criteria.edge)?;
    subtract(&filter, minimum, &mut residual, Some(smooth))?;
    let residuals = Image::new(&residual, rows, cols)?;
    let across = dispersion.map(Axis::other);
    let filter = Filter::new(residuals, across, ACROSS, Edge::Shrink)?;
    subtract(&filter, residuals, contrast, None)?;
    let contrasts = Image::new(contrast, rows, cols)?;
    let error_scale = match error {
        Some(error) => error_scale(contrasts, error, criteria.spread)?,
        None => None,
    };
    let light = Light {
        minimum,
        smooth: Image::new(smooth, rows, cols)?,
        residuals,
        contrasts,
        base: match (error, error_scale) {
            (Some(error), Some(scale)) => Base::Error(error, T::nearest(scale)),
            _ => Base::Level(NoiseByLevel::new(minimum, contrasts)?),
        },
        dispersion,
    };
    let structure = Structure::new(residuals, dispersion)?;
    let mut mask = memory::zeros(samples)?;
    let out = (&mut significance[..], &mut noise[..], &mut mask[..]);
    let (n_low, mut n_high, candidates) = fill_significance(&light, &structure, criteria, out)?;
    let labels: &mut [u32] = bytemuck::cast_slice_mut(labels);
    let images = (residuals, light.smooth);
    for (level, brightness) in [(Level::Zero, &residual[..]), (Level::Beside, contrasts.samples())]
    {
        if level == Level::Beside && !criteria.shows_light_beside() {
            continue;
        }
        let state = (&mask[..], &mut labels[..samples]);
        let found = edges::sharp(images, level, brightness, &candidates, criteria, state)?;
        for Sharp { at, significance: sharp, base, .. } in found {
            if !mask[at] && residual[at] > T::ZERO {
                n_high += 1;
                (mask[at], significance[at], noise[at]) = (true, sharp, base);
            }
        }
    }
    Ok(Significant { residual, significance, noise, mask, error_scale, n_low, n_high })
}

/// Fills in the significance, the noise and the mask, counts the pixels flagged at each end, and
/// returns the pixels that may belong to groups with sharp edges.
fn fill_significance<T: Sample>(
    light: &Light<'_, T>,
    structure: &Structure<'_, T>,
    criteria: &Criteria,
    (significance, noise, mask): (&mut [T], &mut [T], &mut [bool]),
) -> Result<(usize, usize, Vec<Candidate<T>>), Error> {
    let Light { contrasts, dispersion, .. } = light;
    let (low, high) = (T::at_least(-criteria.lower), T::at_most(criteria.upper));
    let (rows, cols) = (contrasts.rows(), contrasts.cols().max(1));
    let scatter = Filter::of_magnitudes(*contrasts, *dispersion, SCATTER, Edge::Shrink)?;
    // Without an axis, the medians of all rows are computed at once anyway.
    let each = dispersion.map_or(rows.max(1), |_| scatter.rows_of_a_task());
    let length = each * cols;
    let tasks = noise.par_chunks_mut(length).zip(mask.par_chunks_mut(length));
    let tasks = tasks.zip(significance.par_chunks_mut(length)).enumerate();
    let counts = tasks.map(|(number, ((noise, mask), significance))| {
        let first = number * each;
        // Windows reach beyond the rows of the task.
        let reach = if *dispersion == Some(Axis::X) { 0 } else { SCATTER / 2 };
        let (from, to) = (first.saturating_sub(reach), rows.min(first + each + reach));
        let fine = structure.rows((from, to), cols)?;
        let fine = Image::new(&fine, to - from, cols)?;
        let usual = Filter::new(fine, *dispersion, SCATTER, Edge::Shrink)?;
        scatter.rows(first, noise)?;
        usual.rows(first - from, significance)?;
        arch().dispatch(Scale(noise));
        let structure = &fine.samples()[(first - from) * cols..];
        let samples = &mut *significance;
        let blunt = T::nearest(criteria.blunt);
        let weigh =
            Weigh { light, first, structure, noise, significance: samples, cut: high, blunt };
        let candidates = arch().dispatch(weigh)?;
        let (low, high) = arch().dispatch(Flag { samples: significance, low, high, mask });
        Ok((low, high, candidates))
    });
    counts.try_reduce(
        || (0, 0, Vec::new()),
        |mut all, next| {
            memory::extend(&mut all.2, next.2)?;
            Ok((all.0 + next.0, all.1 + next.1, all.2))
        },
    )
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

#[cfg(test)]
mod tests {
    use super::{Blur, Criteria, find};
    use crate::{Axis, Edge, Image};

    fn criteria(dispersion: Option<Axis>) -> Criteria {
        let blur = Blur { coupling: 0.03, along: 0.65, across: 0.65 };
        let (edge, lower, upper) = (Edge::Shrink, 9.0, 9.0);
        Criteria { window: 15, dispersion, edge, lower, upper, spread: 1.0, blunt: 1.0, blur }
    }

    /// Random integers from 0 to 32767.
    fn noise(count: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(i16::try_from(state >> 17).unwrap())
        };
        (0..count).map(|_| random()).collect()
    }

    #[test]
    fn a_bright_and_a_dark_pixel_are_flagged() {
        let (rows, cols) = (40, 50);
        let (bright, dark) = (13 * cols + 20, 31 * cols + 8);
        let mut samples = noise(rows * cols);
        samples[bright] = 1e6;
        samples[dark] = -1e6;
        let image = Image::new(&samples, rows, cols).unwrap();
        let errors = vec![1e4; rows * cols];
        for error in [None, Some(Image::new(&errors, rows, cols).unwrap())] {
            for dispersion in [Some(Axis::X), Some(Axis::Y), None] {
                let found = find(image, error, &criteria(dispersion)).unwrap();
                let flagged: Vec<_> = (0..rows * cols).filter(|&i| found.mask[i]).collect();
                assert_eq!(flagged, [bright, dark]);
                assert_eq!((found.n_low, found.n_high), (1, 1));
                assert!(found.significance[bright] > 9.0 && found.significance[dark] < -9.0);
            }
        }
    }

    #[test]
    fn a_very_bright_pixel_is_flagged_with_its_halo() {
        let (rows, cols) = (40, 50);
        let at = 13 * cols + 20;
        let halo = [at - cols, at - 1, at, at + 1, at + cols];
        let mut samples = noise(rows * cols);
        for i in halo {
            samples[i] = if i == at { 1e8 } else { 1e6 };
        }
        let image = Image::new(&samples, rows, cols).unwrap();
        let errors = vec![1e4; rows * cols];
        let error = Image::new(&errors, rows, cols).ok();
        for dispersion in [Some(Axis::X), Some(Axis::Y)] {
            let found = find(image, error, &criteria(dispersion)).unwrap();
            let flagged: Vec<_> = (0..rows * cols).filter(|&i| found.mask[i]).collect();
            assert_eq!(flagged, halo);
        }
    }

    #[test]
    fn the_scale_of_the_errors_makes_no_difference() {
        let (rows, cols) = (40, 50);
        let samples = noise(rows * cols);
        let image = Image::new(&samples, rows, cols).unwrap();
        let with = |error, spread| {
            let errors = vec![error; rows * cols];
            let errors = Image::new(&errors, rows, cols).unwrap();
            let criteria = Criteria { spread, ..criteria(Some(Axis::X)) };
            find(image, Some(errors), &criteria).unwrap()
        };
        let (found, doubled) = (with(1.0, 1.0), with(2.0, 1.0));
        let scales = [&found, &doubled, &with(1.0, 0.5)].map(|each| each.error_scale.unwrap());
        assert_eq!(scales, [scales[0], scales[0] / 2.0, scales[0] * 2.0]);
        assert_eq!((found.noise, found.significance), (doubled.noise, doubled.significance));
    }

    /// In the turned image, other rows are in one task.
    #[test]
    fn a_turned_image_has_the_same_significance() {
        let (rows, cols) = (140, 1100);
        let samples = noise(rows * cols);
        let turned: Vec<_> = samples.iter().rev().copied().collect();
        let [image, turned] = [&samples, &turned].map(|all| Image::new(all, rows, cols).unwrap());
        for dispersion in [Some(Axis::X), Some(Axis::Y)] {
            let [found, mut turned] =
                [image, turned].map(|image| find(image, None, &criteria(dispersion)).unwrap());
            turned.noise.reverse();
            turned.significance.reverse();
            assert!(found.noise == turned.noise && found.significance == turned.significance);
        }
    }
}
