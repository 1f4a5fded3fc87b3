//! The minimum image: the pixel-by-pixel minimum of exposures minus their pedestals.

use crate::instructions::arch;
use crate::{CHUNK, Error, Sample, Stored};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Replaces `minimum` by the minimum image of one exposure, `exposure - pedestal`.
///
/// The exposure may be in either byte order.
///
/// # Errors
/// [`Error::Shape`] if the two differ in length.
pub fn begin<S: Stored>(
    minimum: &mut [S::Sample],
    exposure: &[S],
    pedestal: S::Sample,
) -> Result<(), Error> {
    each(minimum, exposure, |minimum, exposure| Begin { minimum, exposure, pedestal })
}

/// Replaces each sample of `minimum` by the lesser of it and `exposure - pedestal`, skipping NaN.
///
/// The exposure may be in either byte order.
///
/// # Errors
/// [`Error::Shape`] if the two differ in length.
pub fn fold<S: Stored>(
    minimum: &mut [S::Sample],
    exposure: &[S],
    pedestal: S::Sample,
) -> Result<(), Error> {
    each(minimum, exposure, |minimum, exposure| Fold { minimum, exposure, pedestal })
}

/// Runs `task` on each chunk of two images, with the instruction set of this machine.
fn each<'a, S: Stored, D: WithSimd>(
    minimum: &'a mut [S::Sample],
    exposure: &'a [S],
    task: impl Fn(&'a mut [S::Sample], &'a [S]) -> D + Sync,
) -> Result<(), Error> {
    if minimum.len() != exposure.len() {
        return Err(Error::Shape { len: exposure.len(), rows: 1, cols: minimum.len() });
    }
    let chunks = minimum.par_chunks_mut(CHUNK).zip(exposure.par_chunks(CHUNK));
    chunks.for_each(|(minimum, exposure)| {
        arch().dispatch(task(minimum, exposure));
    });
    Ok(())
}

/// A chunk of the first exposure.
struct Begin<'a, S: Stored> {
    minimum: &'a mut [S::Sample],
    exposure: &'a [S],
    pedestal: S::Sample,
}

impl<S: Stored> WithSimd for Begin<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for (least, sample) in self.minimum.iter_mut().zip(self.exposure) {
            *least = sample.load() - self.pedestal;
        }
    }
}

/// A chunk of a further exposure.
struct Fold<'a, S: Stored> {
    minimum: &'a mut [S::Sample],
    exposure: &'a [S],
    pedestal: S::Sample,
}

impl<S: Stored> WithSimd for Fold<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for (least, sample) in self.minimum.iter_mut().zip(self.exposure) {
            *least = least.lesser(sample.load() - self.pedestal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{begin, fold};
    use crate::{Error, Swapped};

    #[test]
    fn the_least_valid_sample_stays() {
        let mut minimum = [-9.0f32; 4];
        begin(&mut minimum, &[3.0, f32::NAN, 5.0, f32::NAN], 1.0).unwrap();
        fold(&mut minimum, &[2.0, 7.0, f32::NAN, f32::NAN], 0.5).unwrap();
        assert_eq!(minimum[..3], [1.5, 6.5, 4.0]);
        assert!(minimum[3].is_nan());
    }

    #[test]
    fn the_byte_order_makes_no_difference() {
        let (exposure, before) = ([3.0f64, f64::NAN, -5.0, f64::INFINITY], [4.0, 1.0, -9.0, 2.0]);
        let swapped = exposure.map(|sample| sample.to_bits().swap_bytes());
        let (mut one, mut other) = (before, before);
        fold(&mut one, &exposure, 0.5).unwrap();
        fold(&mut other, Swapped::<f64>::view(&swapped), 0.5).unwrap();
        assert_eq!(one, [2.5, 1.0, -9.0, 2.0]);
        assert_eq!(one, other);
    }

    #[test]
    fn lengths_must_agree() {
        let wrong = fold(&mut [0.0f64; 3], &[0.0; 2], 0.0);
        assert_eq!(wrong, Err(Error::Shape { len: 2, rows: 1, cols: 3 }));
    }
}
