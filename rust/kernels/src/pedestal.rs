//! The residual dark pedestal: the NaN-median of the samples in an unlit gap.
//!
//! The image may be in either byte order. Only the gap is read.

use crate::median::of_samples;
use crate::{Error, Image, Region, Stored, memory};

/// The pedestal in a rectangle, which is clipped to the image; NaN if no valid sample is there.
///
/// # Errors
/// [`Error::Memory`] if there is too little.
pub fn in_region<S: Stored>(image: Image<'_, S>, gap: Region) -> Result<S::Sample, Error> {
    let mut samples = Vec::new();
    for row in image.rows_of(gap) {
        memory::reserve(&mut samples, row.len())?;
        samples.extend(row.iter().map(|sample| sample.load()));
    }
    Ok(of_samples(samples))
}

/// The pedestal where `gap` is true; NaN if no valid sample is there.
///
/// `gap` is in row-major order, as the image is. If it is shorter, the rest counts as false.
///
/// # Errors
/// [`Error::Memory`] if there is too little.
pub fn in_mask<S: Stored>(image: Image<'_, S>, gap: &[bool]) -> Result<S::Sample, Error> {
    let unlit = image.samples().iter().zip(gap).filter(|&(_, &unlit)| unlit);
    Ok(of_samples(memory::collected(unlit.map(|(sample, _)| sample.load()))?))
}

#[cfg(test)]
mod tests {
    use super::{in_mask, in_region};
    use crate::{Image, Region, Sample, Swapped};

    #[test]
    fn nan_is_skipped_and_two_middles_are_averaged() {
        let samples = [9.0f32, 1.0, f32::NAN, 4.0, 2.0, 100.0];
        let image = Image::new(&samples, 2, 3).unwrap();
        assert_eq!(in_region(image, Region { y0: 0, y1: 2, x0: 0, x1: 2 }).unwrap(), 3.0);
        assert_eq!(in_region(image, Region { y0: 0, y1: 1, x0: 0, x1: 3 }).unwrap(), 5.0);
        assert_eq!(in_mask(image, &[true, false, true, true, false, true]).unwrap(), 9.0);
    }

    #[test]
    fn the_byte_order_makes_no_difference() {
        let bits = [9.0f32, 1.0, f32::NAN, 4.0, 2.0, 100.0].map(|s| s.to_bits().swap_bytes());
        let image = Image::new(Swapped::<f32>::view(&bits), 2, 3).unwrap();
        assert_eq!(in_region(image, Region { y0: 0, y1: 2, x0: 0, x1: 2 }).unwrap(), 3.0);
        assert_eq!(in_mask(image, &[true, false, true, true, false, true]).unwrap(), 9.0);
    }

    #[test]
    fn nothing_valid_gives_nan() {
        let samples = [f64::NAN, 1.0];
        let image = Image::new(&samples, 1, 2).unwrap();
        assert!(Sample::is_nan(in_region(image, Region { y0: 0, y1: 1, x0: 0, x1: 1 }).unwrap()));
        assert!(Sample::is_nan(in_region(image, Region { y0: 4, y1: 9, x0: 0, x1: 2 }).unwrap()));
        assert!(Sample::is_nan(in_mask(image, &[]).unwrap()));
    }
}
