//! The least noise of a pixel besides the scatter: its scaled error, or the noise of pixels of like
//! brightness where there are no errors. Both are measured at a part of the pixels.

use super::{LEFT, NORMAL, WITHOUT_ERROR};
use crate::mean::is_valid;
use crate::median::of_samples;
use crate::{Error, Image, Sample, memory, percentile};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::ops::Range;

/// The least noise, besides the scatter.
pub(super) enum Base<'a, T> {
    /// Errors, and their factor.
    Error(Image<'a, T>, T),
    /// Noise that depends on the brightness.
    Level(NoiseByLevel<T>),
}

/// The factor for the errors; `None` if no error with a contrast is valid.
pub(super) fn error_scale<T: Sample>(
    contrasts: Image<'_, T>,
    error: Image<'_, T>,
    spread: f64,
) -> Result<Option<f64>, Error> {
    let mut ratios = Vec::new();
    for run in runs(contrasts.rows(), contrasts.cols()) {
        let pixels = contrasts.samples()[run.clone()].iter().zip(&error.samples()[run]);
        let valid = pixels.filter(|&(_, &error)| is_valid(error));
        memory::extend(&mut ratios, valid.map(|(&contrast, &error)| contrast.magnitude() / error))?;
    }
    let median = percentile::percentiles(&ratios, &[50.0])?[0];
    Ok((!median.is_nan()).then(|| NORMAL * median / (LEFT * spread)))
}

/// The median contrast as a function of brightness, which never falls.
///
/// The level of a pixel is its sample without its contrast. Pixels are divided by their levels into
/// bins, finer at the bright end, where the noise grows. Between the middles of two bins, the
/// function is a straight line.
#[derive(Debug)]
pub(super) struct NoiseByLevel<T> {
    /// The median contrast at and below the middle of the first bin; NaN without any.
    least: T,
    slopes: Vec<Slope<T>>,
}

/// The function between the middles of two bins.
#[derive(Debug)]
struct Slope<T> {
    /// The lower middle.
    from: T,
    /// The difference of the middles, above 0.
    width: T,
    /// The growth per level.
    rise: T,
}

/// The parts of the pixels below the upper ends of the bins, in thousandths.
const BINS: [usize; 26] = [
    50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 550, 600, 650, 700, 750, 800, 850, 900, 930,
    960, 980, 990, 995, 998, 999, 1000,
];

impl<T: Sample> NoiseByLevel<T> {
    /// Measures the noise of an image with these contrasts.
    pub(super) fn new(image: Image<'_, T>, contrasts: Image<'_, T>) -> Result<Self, Error> {
        let mut pixels: Vec<(T, T)> = Vec::new();
        for run in runs(image.rows(), image.cols()) {
            let samples = image.samples()[run.clone()].iter().zip(&contrasts.samples()[run]);
            let found =
                samples.map(|(&sample, &contrast)| (sample - contrast, contrast.magnitude()));
            let finite = found.filter(|pixel| pixel.0.is_finite() & pixel.1.is_finite());
            memory::extend(&mut pixels, finite)?;
        }
        pixels.par_sort_unstable_by(in_order);
        let mut found = Self { least: T::NAN, slopes: memory::with_capacity(BINS.len())? };
        let (mut first, mut greatest) = (0, T::ZERO);
        let mut before: Option<(T, T)> = None;
        for part in BINS {
            let end = pixels.len() * part / 1000;
            let Some(bin) = pixels.get(first..end).filter(|bin| !bin.is_empty()) else { continue };
            first = end;
            let magnitudes = memory::collected(bin.iter().map(|pixel| pixel.1))?;
            greatest = greatest.greater(of_samples(magnitudes));
            let middle = bin[bin.len() / 2].0;
            match before {
                None => found.least = greatest,
                Some((from, _)) if middle == from => continue, // a slope has a width
                Some((from, below)) => {
                    let (width, rise) = (middle - from, greatest - below);
                    if rise != T::ZERO {
                        found.slopes.push(Slope { from, width, rise: rise / width });
                    }
                }
            }
            before = Some((middle, greatest));
        }
        Ok(found)
    }

    /// Replaces the scatter of a row by the base of the noise: the greater of it and of the scatter
    /// at the level of the pixel, in units of one exposure.
    #[inline(always)]
    pub(super) fn add(
        &self,
        noise: &mut [T],
        samples: &[T],
        contrast: &[T],
        [values, levels]: &mut [Vec<T>; 2],
    ) {
        values.fill(self.least);
        for ((level, &sample), &contrast) in levels.iter_mut().zip(samples).zip(contrast) {
            *level = sample - contrast;
        }
        for Slope { from, width, rise } in &self.slopes {
            for (value, &level) in values.iter_mut().zip(&*levels) {
                let beyond = level - *from;
                *value = *value + beyond.greater(T::ZERO).lesser(*width) * *rise;
            }
        }
        let (normal, factor) = (T::nearest(NORMAL), T::nearest(WITHOUT_ERROR));
        for (noise, &value) in noise.iter_mut().zip(&*values) {
            *noise = noise.greater(value * normal) * factor;
        }
    }
}

fn in_order<T: Sample>(a: &(T, T), b: &(T, T)) -> Ordering {
    if a.0 < b.0 {
        Ordering::Less
    } else if a.0 > b.0 {
        Ordering::Greater
    } else {
        a.1.order(&b.1)
    }
}

/// Pixels that are enough: a median of so many is known to 1 %.
const ENOUGH: usize = 1 << 14;

/// Adjacent pixels of a run: many, because the first ones take longest to read.
const RUN: usize = 64;

/// Runs of adjacent pixels, evenly spread over an image, with about `ENOUGH` pixels; all pixels if
/// these are few.
///
/// They hold the same pixels if the image is turned upside down or mirrored. A pixel is used if
/// 3 times its distance from the upper or lower border, plus the number of its run from the left or
/// right border, is a multiple of a step.
fn runs(rows: usize, cols: usize) -> impl Iterator<Item = Range<usize>> {
    let step = rows.saturating_mul(cols).div_ceil(ENOUGH).max(1);
    let half = cols.div_ceil(2);
    let rows = if cols == 0 { 0 } else { rows }; // a view may have any number of empty rows
    (0..rows).flat_map(move |y| {
        let from_border = 3 * y.min(rows - 1 - y);
        let first = (step - from_border % step) % step;
        let left = (first..half.div_ceil(RUN)).step_by(step).map(move |run| {
            let start = run * RUN;
            start..half.min(start + RUN)
        });
        left.flat_map(move |left| {
            let middle = cols - half; // the middle column of an odd number is on the left only
            let right = cols - left.end.min(middle)..cols - left.start.min(middle);
            [left, right].map(|run| y * cols + run.start..y * cols + run.end)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{ENOUGH, NORMAL, NoiseByLevel, WITHOUT_ERROR, runs};
    use crate::Image;
    use std::collections::BTreeSet;

    /// The level of pixel i is i, and its contrast a tenth of that.
    fn tenths() -> NoiseByLevel<f64> {
        let signs = [1.0, -1.0].into_iter().cycle();
        let contrasts: Vec<_> =
            (0u32..1000).zip(signs).map(|(i, sign)| sign * f64::from(i) / 10.0).collect();
        let samples: Vec<_> = (0u32..1000).zip(&contrasts).map(|(i, c)| f64::from(i) + c).collect();
        let [samples, contrasts] =
            [&samples, &contrasts].map(|all| Image::new(all, 20, 50).unwrap());
        NoiseByLevel::new(samples, contrasts).unwrap()
    }

    #[test]
    fn the_noise_grows_with_the_level() {
        let levels = [-1e9, 0.0, 25.0, 26.0, 300.5, 899.0, 1e9];
        // The median of each bin is half a level below the level of its middle.
        let expected = [2.45, 2.45, 2.45, 2.55, 30.0, 89.85, 99.9];
        let contrast = [5.0; 7];
        let samples = levels.map(|level| level + 5.0);
        let mut noise = [0.0; 7];
        let mut memory = [vec![0.0; 7], vec![0.0; 7]];
        tenths().add(&mut noise, &samples, &contrast, &mut memory);
        for (noise, expected) in noise.iter().zip(expected) {
            let expected = WITHOUT_ERROR * NORMAL * expected;
            assert!((noise / expected - 1.0).abs() < 1e-9, "{noise} {expected}");
        }
        let mut noise = [1e3; 7];
        tenths().add(&mut noise, &samples, &contrast, &mut memory);
        assert_eq!(noise, [WITHOUT_ERROR * 1e3; 7]);
    }

    fn places(rows: usize, cols: usize) -> BTreeSet<usize> {
        let all: Vec<_> = runs(rows, cols).flatten().collect();
        let different: BTreeSet<_> = all.iter().copied().collect();
        assert_eq!(different.len(), all.len());
        different
    }

    #[test]
    fn of_a_small_image_all_pixels() {
        for (rows, cols) in
            [(1, 1), (1, 7), (7, 1), (4, 5), (3, 64), (2, 33), (0, 3), (3, 0), (usize::MAX, 0)]
        {
            assert_eq!(places(rows, cols), (0..rows * cols).collect());
        }
    }

    #[test]
    fn of_no_columns_none() {
        assert_eq!(runs(usize::MAX, 0).count(), 0);
    }

    #[test]
    fn of_a_large_image_a_part_that_turning_does_not_change() {
        for (rows, cols) in [(1024, 1032), (401, 999), (2048, 2048), (3, 500_001)] {
            let places = places(rows, cols);
            assert!(places.len() > ENOUGH / 2 && places.len() < 2 * ENOUGH, "{}", places.len());
            let turned = places.iter().map(|&at| (rows - 1 - at / cols) * cols + at % cols);
            assert_eq!(turned.collect::<BTreeSet<_>>(), places);
            let mirrored = places.iter().map(|&at| at / cols * cols + cols - 1 - at % cols);
            assert_eq!(mirrored.collect::<BTreeSet<_>>(), places);
        }
    }
}
