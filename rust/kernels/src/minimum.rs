//! The minimum image: exposures, less their pedestals, folded one at a time.

use crate::{Error, Sample, Stored};
use rayon::prelude::*;

/// Samples that one task folds: enough to be worth a task, few enough to share out evenly.
const CHUNK: usize = 1 << 15;

/// Folds `exposure - pedestal` into `minimum`: the lesser of each pair, or the one not NaN.
///
/// A minimum image starts as all NaN. The exposure may be stored in either byte order.
///
/// # Errors
/// [`Error::Shape`] if the two differ in length.
pub fn fold<S: Stored>(
    minimum: &mut [S::Sample],
    exposure: &[S],
    pedestal: S::Sample,
) -> Result<(), Error> {
    if minimum.len() != exposure.len() {
        return Err(Error::Shape { len: exposure.len(), rows: 1, cols: minimum.len() });
    }
    minimum.par_chunks_mut(CHUNK).zip(exposure.par_chunks(CHUNK)).for_each(
        |(minimum, exposure)| {
            for (least, sample) in minimum.iter_mut().zip(exposure) {
                *least = least.lesser(sample.load() - pedestal);
            }
        },
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::fold;
    use crate::Error;

    #[test]
    fn the_least_valid_sample_stays() {
        let mut minimum = [f32::NAN; 4];
        fold(&mut minimum, &[3.0, f32::NAN, 5.0, f32::NAN], 1.0).unwrap();
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
        fold(&mut other, &swapped, 0.5).unwrap();
        assert_eq!(one, [2.5, 1.0, -9.0, 2.0]);
        assert_eq!(one, other);
    }

    #[test]
    fn lengths_must_agree() {
        let wrong = fold(&mut [0.0f64; 3], &[0.0; 2], 0.0);
        assert_eq!(wrong, Err(Error::Shape { len: 2, rows: 1, cols: 3 }));
    }
}
