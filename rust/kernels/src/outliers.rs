//! Bad pixels: what stands out of the minimum image's running median.

use crate::median::{self, Axis, Edge, Method, Window};
use crate::{Error, Image, Sample, percentile};
use rayon::prelude::*;

/// How bad pixels are told from good ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Criteria {
    /// Length of the running median's window.
    pub window: Window,
    /// The axis along which light is dispersed and the window runs; `None`: a square window.
    pub dispersion: Option<Axis>,
    /// Fraction of the residuals, 0 to 1, below the lower cut.
    pub flagfrac_lower: f64,
    /// Fraction of the residuals, 0 to 1, above the upper cut.
    pub flagfrac_upper: f64,
    /// What the window sees beyond the border.
    pub edge: Edge,
}

/// The bad pixels of a minimum image.
#[derive(Debug, Clone, PartialEq)]
pub struct Outliers<T> {
    /// Minimum image less its running median, row-major.
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
/// The cuts are percentiles of the finite residuals; what lies strictly beyond them is flagged,
/// and so is every infinite residual: it can never pull a cut out to itself and hide there.
///
/// # Errors
/// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more.
pub fn find<T: Sample>(minimum: Image<'_, T>, by: &Criteria) -> Result<Outliers<T>, Error> {
    let mut residual = match by.dispersion {
        Some(axis) => median::along(minimum, axis, by.window, by.edge, Method::Auto)?,
        None => median::plane(minimum, by.window, by.window, by.edge)?,
    };
    let rows = residual.par_chunks_mut(CHUNK).zip(minimum.samples().par_chunks(CHUNK));
    rows.for_each(|(residual, samples)| {
        residual
            .iter_mut()
            .zip(samples)
            .for_each(|(residual, &sample)| *residual = sample - *residual);
    });
    let cuts = cuts(&residual, by);
    Ok(cut(residual, cuts[0], cuts[1]))
}

/// Samples that one task works on.
const CHUNK: usize = 1 << 15;

/// The percentiles of the finite residuals beyond which they are flagged.
fn cuts<T: Sample>(residual: &[T], by: &Criteria) -> Vec<f64> {
    // In the reference's own arithmetic, whose rounding decides which sample is cut.
    let q = [by.flagfrac_lower * 100.0, (1.0 - by.flagfrac_upper) * 100.0];
    let infinite = |sample: T| !sample.is_finite() && !sample.is_nan();
    let any = |samples: &[T]| samples.iter().fold(false, |any, &sample| any | infinite(sample));
    if residual.par_chunks(CHUNK).any(any) {
        percentile::of_valid(residual.iter().copied().filter(|r| r.is_finite()).collect(), &q)
    } else {
        percentile::percentiles(residual, &q)
    }
}

fn cut<T: Sample>(residual: Vec<T>, cut_low: f64, cut_high: f64) -> Outliers<T> {
    let mut mask = vec![false; residual.len()];
    let chunks = mask.par_chunks_mut(CHUNK).zip(residual.par_chunks(CHUNK));
    let counts = chunks.map(|(mask, residual)| {
        let (mut n_low, mut n_high) = (0, 0);
        for (flag, &sample) in mask.iter_mut().zip(residual) {
            let value: f64 = sample.into();
            let low = (value < cut_low) | (value == f64::NEG_INFINITY);
            let high = (value > cut_high) | (value == f64::INFINITY);
            n_low += usize::from(low);
            n_high += usize::from(high);
            *flag = low | high;
        }
        (n_low, n_high)
    });
    let (n_low, n_high) = counts.reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    Outliers { residual, mask, cut_low, cut_high, n_low, n_high }
}

#[cfg(test)]
mod tests {
    use super::{Criteria, find};
    use crate::{Axis, Edge, Image, Window};

    fn criteria() -> Criteria {
        Criteria {
            window: Window::new(3).unwrap(),
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
    fn no_finite_residual() {
        let samples = [f32::NAN, f32::NAN];
        let found = find(Image::new(&samples, 1, 2).unwrap(), &criteria()).unwrap();
        assert!(found.cut_low.is_nan() && found.cut_high.is_nan());
        assert_eq!(found.mask, [false, false]);
    }
}
