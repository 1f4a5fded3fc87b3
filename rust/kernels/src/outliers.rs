//! Bad pixels: those that differ most from the running median of the minimum image.

use crate::instructions::arch;
use crate::median::{Axis, Edge, Filter};
use crate::{CHUNK, Error, Image, Sample, memory, percentile};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// The criteria for bad pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Criteria {
    /// Samples in the window of the running median: an odd number.
    pub window: usize,
    /// The axis of dispersion, along which the window runs; `None` for a square window.
    pub dispersion: Option<Axis>,
    /// Fraction of the residuals, 0 to 1, below the lower cut.
    pub flagfrac_lower: f64,
    /// Fraction of the residuals, 0 to 1, above the upper cut.
    pub flagfrac_upper: f64,
    /// What the window contains beyond the border.
    pub edge: Edge,
}

/// The bad pixels of a minimum image.
#[derive(Debug, Clone, PartialEq)]
pub struct Outliers<T> {
    /// Minimum image minus its running median, row-major.
    pub residual: Vec<T>,
    /// Whether a pixel is bad, row-major.
    pub mask: Vec<bool>,
    /// Residuals below this are flagged; NaN if no residual is finite.
    pub cut_low: f64,
    /// Residuals above this are flagged; NaN if no residual is finite.
    pub cut_high: f64,
    /// Pixels flagged at the low end.
    pub n_low: usize,
    /// Pixels flagged at the high end.
    pub n_high: usize,
}

/// Finds the bad pixels of a minimum image.
///
/// The cuts are percentiles of the finite residuals. Residuals strictly beyond a cut are flagged.
/// Infinite residuals do not move the cuts and are all flagged.
///
/// # Errors
/// [`Error::EvenWindow`] if the window has no middle. [`Error::WindowTooLarge`] if it holds 2^31
/// samples or more. [`Error::Memory`] if there is too little.
pub fn find<T: Sample>(minimum: Image<'_, T>, criteria: &Criteria) -> Result<Outliers<T>, Error> {
    let mut residual = memory::zeros(minimum.samples().len())?;
    let filter = Filter::new(minimum, criteria.dispersion, criteria.window, criteria.edge)?;
    let any_infinite = subtract(&filter, minimum, &mut residual, None)?;
    let cuts = cuts(&residual, criteria, any_infinite)?;
    let (cut_low, cut_high) = (cuts[0], cuts[1]);
    let (mask, n_low, n_high) = flag(&residual, T::at_least(cut_low), T::at_most(cut_high))?;
    Ok(Outliers { residual, mask, cut_low, cut_high, n_low, n_high })
}

/// Writes an image minus its running median to `out`. Leaves the median in `kept`, if there is one.
///
/// Returns whether a difference is infinite.
pub(crate) fn subtract<T: Sample>(
    filter: &Filter<'_, T>,
    image: Image<'_, T>,
    out: &mut [T],
    kept: Option<&mut [T]>,
) -> Result<bool, Error> {
    let rows = filter.rows_of_a_task();
    let length = rows * image.cols().max(1);
    let tasks = out.par_chunks_mut(length).zip(image.samples().par_chunks(length)).enumerate();
    if let Some(kept) = kept {
        let tasks = tasks.zip(kept.par_chunks_mut(length));
        let infinite = tasks.map(|((number, (out, samples)), kept)| {
            filter.rows(number * rows, kept)?;
            out.copy_from_slice(kept);
            Ok(arch().dispatch(Subtract { samples, medians: out }))
        });
        infinite.try_reduce(|| false, |a, b| Ok(a | b))
    } else {
        let infinite = tasks.map(|(number, (medians, samples))| {
            filter.rows(number * rows, medians)?;
            Ok(arch().dispatch(Subtract { samples, medians }))
        });
        infinite.try_reduce(|| false, |a, b| Ok(a | b))
    }
}

/// Replaces medians by their samples minus the medians; true if a difference is infinite.
struct Subtract<'a, T> {
    samples: &'a [T],
    medians: &'a mut [T],
}

impl<T: Sample> WithSimd for Subtract<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let mut any_infinite = false;
        for (median, &sample) in self.medians.iter_mut().zip(self.samples) {
            *median = sample - *median;
            any_infinite |= is_infinite(*median);
        }
        any_infinite
    }
}

#[inline(always)]
fn is_infinite<T: Sample>(sample: T) -> bool {
    (sample == T::INFINITY) | (sample == T::ZERO - T::INFINITY)
}

/// The two cuts: percentiles of the finite residuals.
fn cuts<T: Sample>(
    residual: &[T],
    criteria: &Criteria,
    any_infinite: bool,
) -> Result<Vec<f64>, Error> {
    // In the same order as the reference: rounding decides which samples are flagged.
    let q = [criteria.flagfrac_lower * 100.0, (1.0 - criteria.flagfrac_upper) * 100.0];
    if any_infinite {
        let finite = residual.iter().copied().filter(|r| r.is_finite());
        percentile::of_valid(memory::collected(finite)?, &q)
    } else {
        percentile::percentiles(residual, &q)
    }
}

/// A mask of the samples strictly below `low` or above `high` and of all infinities, and the
/// numbers of those at the low and the high end.
fn flag<T: Sample>(samples: &[T], low: T, high: T) -> Result<(Vec<bool>, usize, usize), Error> {
    let mut mask = memory::zeros(samples.len())?;
    let chunks = mask.par_chunks_mut(CHUNK).zip(samples.par_chunks(CHUNK));
    let counts = chunks.map(|(mask, samples)| arch().dispatch(Flag { samples, low, high, mask }));
    let (n_low, n_high) = counts.reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    Ok((mask, n_low, n_high))
}

/// Flags samples below `low` and above `high`, and counts both.
pub(crate) struct Flag<'a, T> {
    pub(crate) samples: &'a [T],
    pub(crate) low: T,
    pub(crate) high: T,
    pub(crate) mask: &'a mut [bool],
}

impl<T: Sample> WithSimd for Flag<'_, T> {
    type Output = (usize, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (usize, usize) {
        // Few enough that their number fits in 8 bits.
        const AT_ONCE: usize = 128;
        let Self { samples, low, high, mask } = self;
        let (mut n_low, mut n_high) = (0, 0);
        for (mask, samples) in mask.chunks_mut(AT_ONCE).zip(samples.chunks(AT_ONCE)) {
            let (mut lows, mut highs) = (0u8, 0u8);
            for (flag, &sample) in mask.iter_mut().zip(samples) {
                let is_low = (sample < low) | (sample == T::ZERO - T::INFINITY);
                let is_high = (sample > high) | (sample == T::INFINITY);
                lows += u8::from(is_low);
                highs += u8::from(is_high);
                *flag = is_low | is_high;
            }
            n_low += usize::from(lows);
            n_high += usize::from(highs);
        }
        (n_low, n_high)
    }
}

#[cfg(test)]
mod tests {
    use super::{Criteria, find};
    use crate::median::{Median, Method};
    use crate::testing::special_samples;
    use crate::{Axis, Edge, Error, Image};

    fn criteria() -> Criteria {
        Criteria {
            window: 3,
            dispersion: Some(Axis::X),
            flagfrac_lower: 0.1,
            flagfrac_upper: 0.1,
            edge: Edge::Shrink,
        }
    }

    #[test]
    fn outliers_at_both_ends_are_flagged() {
        let mut samples = vec![1.0f32; 20];
        samples[5] = 9.0;
        samples[11] = -9.0;
        let found = find(Image::new(&samples, 1, 20).unwrap(), &criteria()).unwrap();
        let flagged: Vec<_> = (0..20).filter(|&i| found.mask[i]).collect();
        assert_eq!(flagged, [5, 11]);
        assert_eq!((found.n_low, found.n_high), (1, 1));
        assert_eq!(found.residual[5], 8.0);
    }

    #[test]
    fn many_infinities_are_flagged_and_do_not_move_the_cut() {
        let mut samples = vec![1.0f64; 40];
        for i in (1..30).step_by(3) {
            samples[i] = f64::INFINITY;
        }
        let found = find(Image::new(&samples, 1, 40).unwrap(), &criteria()).unwrap();
        assert_eq!(found.n_high, 10);
        assert_eq!((found.cut_low, found.cut_high), (0.0, 0.0));
    }

    #[test]
    fn the_rows_of_a_task_change_no_pixel() {
        let (rows, cols) = (4, 40_000);
        let samples = special_samples(f32::MAX, rows * cols, 1);
        let image = Image::new(&samples, rows, cols).unwrap();
        let found = find(image, &criteria()).unwrap();
        let Criteria { window, edge, .. } = criteria();
        let median = Median::along(Axis::X, window).edge(edge);
        let medians = median.method(Method::Heap).medians(image).unwrap();
        let (mut n_low, mut n_high) = (0, 0);
        for (i, (&residual, flag)) in found.residual.iter().zip(found.mask).enumerate() {
            let expected = samples[i] - medians[i];
            assert!(residual == expected || residual.is_nan() && expected.is_nan(), "{i}");
            let is_low = f64::from(residual) < found.cut_low;
            let is_high = f64::from(residual) > found.cut_high;
            assert_eq!((i, flag), (i, is_low || is_high));
            n_low += usize::from(is_low);
            n_high += usize::from(is_high);
        }
        assert_eq!((found.n_low, found.n_high), (n_low, n_high));
        assert!(n_low > 0 && n_high > 0);
    }

    #[test]
    fn a_window_has_a_middle() {
        let image = Image::new(&[1.0f32], 1, 1).unwrap();
        for window in [0, 14] {
            let error = find(image, &Criteria { window, ..criteria() });
            assert_eq!(error, Err(Error::EvenWindow(window)));
        }
    }

    #[test]
    fn no_finite_residual() {
        let samples = [f32::NAN, f32::NAN];
        let found = find(Image::new(&samples, 1, 2).unwrap(), &criteria()).unwrap();
        assert!(found.cut_low.is_nan() && found.cut_high.is_nan());
        assert_eq!(found.mask, [false, false]);
    }
}
