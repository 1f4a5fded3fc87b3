//! The mean error of exposures, summed one exposure after the other.

use crate::instructions::arch;
use crate::{CHUNK, Error, Sample, Stored};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Adds the errors of exposures, which may be in either byte order, to their sum, and counts them.
///
/// Only positive, finite errors are added. Sums in double precision of up to 500 errors in single
/// precision, of which the greatest is less than a million times the least, are exact. They do not
/// depend on the order. Several exposures at a time are faster: the sum is read and written once.
///
/// # Errors
/// [`Error::Shape`] if the sum, the count and the exposures differ in length.
pub fn add<S: Stored>(sum: &mut [f64], count: &mut [u32], exposures: &[&[S]]) -> Result<(), Error> {
    let cols = sum.len();
    let lengths = exposures.iter().map(|errors| errors.len()).chain([count.len()]);
    for len in lengths {
        if len != cols {
            return Err(Error::Shape { len, rows: 1, cols });
        }
    }
    let parts = sum.par_chunks_mut(CHUNK).zip(count.par_chunks_mut(CHUNK)).enumerate();
    parts.for_each(|(number, (sum, count))| {
        for errors in exposures {
            let errors = &errors[number * CHUNK..][..sum.len()];
            arch().dispatch(Add { sum: &mut *sum, count: &mut *count, errors });
        }
    });
    Ok(())
}

/// A part of an exposure.
struct Add<'a, S> {
    sum: &'a mut [f64],
    count: &'a mut [u32],
    errors: &'a [S],
}

impl<S: Stored> WithSimd for Add<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let pixels = self.sum.iter_mut().zip(self.count).zip(self.errors);
        for ((sum, count), error) in pixels {
            let error = error.load();
            let is_valid = is_valid(error);
            let error: f64 = error.into();
            *sum += if is_valid { error } else { 0.0 };
            *count += u32::from(is_valid);
        }
    }
}

/// Whether an error is positive and finite.
#[inline(always)]
pub(crate) fn is_valid<T: Sample>(error: T) -> bool {
    (error > T::ZERO) & (error < T::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::add;
    use crate::{Error, Swapped};

    #[test]
    fn only_valid_errors_count() {
        let (mut sum, mut count) = ([0.0; 5], [0; 5]);
        add(&mut sum, &mut count, &[&[1.5f32, f32::NAN, 0.0, -1.0, f32::INFINITY][..]]).unwrap();
        add(&mut sum, &mut count, &[&[2.0f64, 3.0, f64::NAN, 1.0, 4.0][..], &[1.0; 5]]).unwrap();
        assert_eq!((sum, count), ([4.5, 4.0, 1.0, 2.0, 5.0], [3, 2, 1, 2, 2]));
    }

    #[test]
    fn the_byte_order_makes_no_difference() {
        let swapped = [1.5f32, f32::NAN].map(|error| error.to_bits().swap_bytes());
        let (mut sum, mut count) = ([1.0; 2], [1; 2]);
        add(&mut sum, &mut count, &[Swapped::<f32>::view(&swapped)]).unwrap();
        assert_eq!((sum, count), ([2.5, 1.0], [2, 1]));
    }

    #[test]
    fn lengths_must_agree() {
        let wrong = add(&mut [0.0; 3], &mut [0; 2], &[&[1.0f32; 3][..]]);
        assert_eq!(wrong, Err(Error::Shape { len: 2, rows: 1, cols: 3 }));
        let wrong = add(&mut [0.0; 3], &mut [0; 3], &[&[1.0f32; 3][..], &[1.0; 4]]);
        assert_eq!(wrong, Err(Error::Shape { len: 4, rows: 1, cols: 3 }));
    }
}
