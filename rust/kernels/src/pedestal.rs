//! The residual dark pedestal: the NaN-median of the samples in an unlit gap.
//!
//! Of the image, which may be stored in either byte order, only the gap is read.

use crate::{Image, Region, Sample, Stored};

/// The pedestal in a rectangle, clipped to the image; NaN if that holds no valid sample.
#[must_use]
pub fn in_region<S: Stored>(image: Image<'_, S>, gap: Region) -> S::Sample {
    median(image.rows_of(gap).flatten().map(|sample| sample.load()).collect())
}

/// The pedestal where `gap` is true; NaN if no valid sample is there.
///
/// `gap` is read in the image's row-major order; what it lacks counts as false.
#[must_use]
pub fn in_mask<S: Stored>(image: Image<'_, S>, gap: &[bool]) -> S::Sample {
    let unlit = image.samples().iter().zip(gap).filter(|&(_, &unlit)| unlit);
    median(unlit.map(|(sample, _)| sample.load()).collect())
}

/// The median of the samples that are not NaN; NaN if there are none.
fn median<T: Sample>(mut samples: Vec<T>) -> T {
    samples.retain(|sample| !sample.is_nan());
    if samples.is_empty() {
        return T::NAN;
    }
    let (middle, even) = (samples.len() / 2, samples.len().is_multiple_of(2));
    let (below, &mut above, _) = samples.select_nth_unstable_by(middle, T::order);
    match below.iter().copied().max_by(T::order) {
        Some(below) if even => below.midpoint(above),
        _ => above,
    }
}

#[cfg(test)]
mod tests {
    use super::{in_mask, in_region};
    use crate::{Image, Region, Sample};

    #[test]
    fn nan_is_skipped_and_two_middles_are_averaged() {
        let samples = [9.0f32, 1.0, f32::NAN, 4.0, 2.0, 100.0];
        let image = Image::new(&samples, 2, 3).unwrap();
        assert_eq!(in_region(image, Region { y0: 0, y1: 2, x0: 0, x1: 2 }), 3.0);
        assert_eq!(in_region(image, Region { y0: 0, y1: 1, x0: 0, x1: 3 }), 5.0);
        assert_eq!(in_mask(image, &[true, false, true, true, false, true]), 9.0);
    }

    #[test]
    fn the_byte_order_makes_no_difference() {
        let samples = [9.0f32, 1.0, f32::NAN, 4.0, 2.0, 100.0].map(|s| s.to_bits().swap_bytes());
        let image = Image::new(&samples, 2, 3).unwrap();
        assert_eq!(in_region(image, Region { y0: 0, y1: 2, x0: 0, x1: 2 }), 3.0);
        assert_eq!(in_mask(image, &[true, false, true, true, false, true]), 9.0);
    }

    #[test]
    fn nothing_valid_gives_nan() {
        let samples = [f64::NAN, 1.0];
        let image = Image::new(&samples, 1, 2).unwrap();
        assert!(Sample::is_nan(in_region(image, Region { y0: 0, y1: 1, x0: 0, x1: 1 })));
        assert!(Sample::is_nan(in_region(image, Region { y0: 4, y1: 9, x0: 0, x1: 2 })));
        assert!(Sample::is_nan(in_mask(image, &[])));
    }
}
