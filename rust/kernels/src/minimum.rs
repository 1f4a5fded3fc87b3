//! The minimum image: exposures, less their pedestals, folded one at a time.

use crate::{Error, Sample};
use rayon::prelude::*;

/// Samples that one task folds: enough to be worth a task, few enough to share out evenly.
const CHUNK: usize = 1 << 15;

/// Folds `exposure - pedestal` into `minimum`: the lesser of each pair, or the one not NaN.
///
/// A minimum image starts as all NaN.
///
/// # Errors
/// [`Error::Shape`] if the two differ in length.
pub fn fold<T: Sample>(minimum: &mut [T], exposure: &[T], pedestal: T) -> Result<(), Error> {
    if minimum.len() != exposure.len() {
        return Err(Error::Shape { len: exposure.len(), rows: 1, cols: minimum.len() });
    }
    minimum.par_chunks_mut(CHUNK).zip(exposure.par_chunks(CHUNK)).for_each(
        |(minimum, exposure)| {
            for (least, &sample) in minimum.iter_mut().zip(exposure) {
                *least = least.lesser(sample - pedestal);
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
    fn lengths_must_agree() {
        let wrong = fold(&mut [0.0f64; 3], &[0.0; 2], 0.0);
        assert_eq!(wrong, Err(Error::Shape { len: 2, rows: 1, cols: 3 }));
    }
}
