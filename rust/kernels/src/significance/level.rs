//! The noise of pixels of like brightness, where there are no errors.

use super::places;
use crate::median::of_samples;
use crate::{Error, Image, Sample, memory};
use rayon::prelude::*;
use std::cmp::Ordering;

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
        for run in places::runs(image.rows(), image.cols()) {
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
        let (normal, factor) = (T::nearest(super::NORMAL), T::nearest(super::WITHOUT_ERROR));
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

#[cfg(test)]
mod tests {
    use super::NoiseByLevel;
    use crate::Image;
    use crate::significance::{NORMAL, WITHOUT_ERROR};

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
}
