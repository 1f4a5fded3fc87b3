//! The sample types of a detector image.

use bytemuck::TransparentWrapper;
use std::cmp::Ordering;
use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Sub};

mod sealed {
    use crate::lanes::Vectorized;
    use bytemuck::Pod;

    /// What the kernels need of a sample besides. It may change in any version.
    pub trait Sealed: Pod + Vectorized {}

    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A floating-point sample, in which NaN means "no measurement": `f32` or `f64`. No other type can
/// implement this trait.
pub trait Sample:
    Copy
    + Debug
    + PartialOrd
    + Send
    + Sync
    + Into<f64>
    + From<i16>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + sealed::Sealed
    + 'static
{
    /// Zero.
    const ZERO: Self;
    /// One half.
    const HALF: Self;
    /// Infinity.
    const INFINITY: Self;
    /// No measurement.
    const NAN: Self;

    /// The unsigned integer as wide as the sample, which holds its bits.
    type Bits: Copy + Debug + Send + Sync + 'static;

    /// The sample whose bits, with their bytes in reverse order, are given.
    #[must_use]
    fn from_swapped(bits: Self::Bits) -> Self;

    /// The sample nearest to a number.
    #[must_use]
    fn nearest(number: f64) -> Self;

    /// The greatest sample that is not above a limit; NaN if the limit is NaN.
    #[must_use]
    fn at_most(limit: f64) -> Self;

    /// The least sample that is not below a limit; NaN if the limit is NaN.
    #[must_use]
    fn at_least(limit: f64) -> Self;

    /// Whether this is NaN.
    #[inline]
    #[allow(clippy::eq_op)]
    fn is_nan(self) -> bool {
        self != self
    }

    /// Whether this is neither NaN nor an infinity.
    #[inline]
    #[allow(clippy::eq_op)]
    fn is_finite(self) -> bool {
        self - self == Self::ZERO
    }

    /// The order of two samples that are not NaN.
    #[inline]
    fn order(&self, other: &Self) -> Ordering {
        self.partial_cmp(other).unwrap_or(Ordering::Equal)
    }

    /// The lesser of two samples; if one is NaN, the other.
    #[must_use]
    fn lesser(self, other: Self) -> Self;

    /// The greater of two samples; if one is NaN, the other.
    #[must_use]
    fn greater(self, other: Self) -> Self;

    /// The magnitude.
    #[must_use]
    fn magnitude(self) -> Self;

    /// The mean of two samples, rounded once as `(a + b) / 2` is, but without overflow.
    #[inline]
    #[must_use]
    fn midpoint(self, other: Self) -> Self {
        let mean = (self + other) * Self::HALF;
        if mean.is_finite() { mean } else { self * Self::HALF + other * Self::HALF }
    }
}

impl Sample for f32 {
    const ZERO: Self = 0.0;
    const HALF: Self = 0.5;
    const INFINITY: Self = Self::INFINITY;
    const NAN: Self = Self::NAN;

    type Bits = u32;

    #[inline(always)]
    fn from_swapped(bits: u32) -> Self {
        Self::from_bits(bits.swap_bytes())
    }

    #[inline(always)]
    fn lesser(self, other: Self) -> Self {
        self.min(other)
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        self.max(other)
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }

    #[allow(clippy::cast_possible_truncation)] // rounds to the nearest
    fn nearest(number: f64) -> Self {
        number as Self
    }

    #[allow(clippy::cast_possible_truncation)] // corrected below if rounded up
    fn at_most(limit: f64) -> Self {
        let nearest = limit as Self;
        if f64::from(nearest) > limit { nearest.next_down() } else { nearest }
    }

    #[allow(clippy::cast_possible_truncation)] // corrected below if rounded down
    fn at_least(limit: f64) -> Self {
        let nearest = limit as Self;
        if f64::from(nearest) < limit { nearest.next_up() } else { nearest }
    }
}

impl Sample for f64 {
    const ZERO: Self = 0.0;
    const HALF: Self = 0.5;
    const INFINITY: Self = Self::INFINITY;
    const NAN: Self = Self::NAN;

    type Bits = u64;

    #[inline(always)]
    fn from_swapped(bits: u64) -> Self {
        Self::from_bits(bits.swap_bytes())
    }

    #[inline(always)]
    fn lesser(self, other: Self) -> Self {
        self.min(other)
    }

    #[inline(always)]
    fn greater(self, other: Self) -> Self {
        self.max(other)
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }

    fn nearest(number: f64) -> Self {
        number
    }

    fn at_most(limit: f64) -> Self {
        limit
    }

    fn at_least(limit: f64) -> Self {
        limit
    }
}

/// A sample as it lies in memory, in either byte order.
///
/// `f32` and `f64` are in this machine's order, [`Swapped`] samples in the other one.
pub trait Stored: Copy + Send + Sync {
    /// The sample in this machine's order.
    type Sample: Sample;

    /// Converts to this machine's order.
    fn load(self) -> Self::Sample;
}

impl Stored for f32 {
    type Sample = Self;

    #[inline]
    fn load(self) -> Self {
        self
    }
}

impl Stored for f64 {
    type Sample = Self;

    #[inline]
    fn load(self) -> Self {
        self
    }
}

/// A sample in the other byte order than this machine's, as big-endian files hold them.
///
/// Its bits are kept as an unsigned integer. An image of plain integers is never taken for samples:
///
/// ```compile_fail,E0277
/// use badpix_selfcal_kernels::{Image, pedestal};
///
/// let counts = [1u32, 2, 3, 4];
/// pedestal::in_mask(Image::new(&counts, 2, 2).unwrap(), &[true; 4]).unwrap();
/// ```
///
/// [`Swapped::view`] says that integers are the bits of samples:
///
/// ```
/// use badpix_selfcal_kernels::{Image, Swapped, pedestal};
///
/// let bits = [1.0f32, 2.0, 3.0, 4.0].map(|sample| sample.to_bits().swap_bytes());
/// let image = Image::new(Swapped::<f32>::view(&bits), 2, 2)?;
/// assert_eq!(pedestal::in_mask(image, &[true; 4])?, 2.5);
/// # Ok::<(), badpix_selfcal_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy, TransparentWrapper)]
#[repr(transparent)]
pub struct Swapped<T: Sample>(Bits<T>);

/// The bits. The type is private, so that only this crate can view them as samples by `bytemuck`.
#[derive(Debug, Clone, Copy, TransparentWrapper)]
#[repr(transparent)]
struct Bits<T: Sample>(T::Bits);

impl<T: Sample> Swapped<T> {
    /// Views bits as samples, without a copy.
    #[must_use]
    pub fn view(bits: &[T::Bits]) -> &[Self] {
        Self::wrap_slice(Bits::wrap_slice(bits))
    }
}

impl<T: Sample> Stored for Swapped<T> {
    type Sample = T;

    #[inline]
    fn load(self) -> T {
        T::from_swapped(self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Sample, Stored, Swapped};

    #[test]
    fn midpoint_of_the_largest_values_stays_finite() {
        assert_eq!(Sample::midpoint(f32::MAX, f32::MAX), f32::MAX);
        assert_eq!(Sample::midpoint(f64::MAX, f64::MAX), f64::MAX);
        assert_eq!(Sample::midpoint(-f32::MAX, f32::MAX), 0.0);
    }

    #[test]
    fn midpoint_keeps_the_smallest_values() {
        let tiny = f32::from_bits(1);
        assert_eq!(Sample::midpoint(tiny, tiny), tiny);
        assert_eq!(Sample::midpoint(f64::from_bits(3), f64::from_bits(3)), f64::from_bits(3));
    }

    #[test]
    fn midpoint_of_infinities() {
        assert_eq!(Sample::midpoint(f32::INFINITY, 1.0), f32::INFINITY);
        assert!(Sample::is_nan(Sample::midpoint(f32::INFINITY, f32::NEG_INFINITY)));
    }

    #[test]
    fn lesser_skips_nan() {
        assert_eq!(f32::NAN.lesser(1.0), 1.0);
        assert_eq!(1.0f32.lesser(f32::NAN), 1.0);
        assert_eq!(2.0f64.lesser(1.0), 1.0);
        assert!(Sample::is_nan(f64::NAN.lesser(f64::NAN)));
    }

    #[test]
    fn greater_skips_nan() {
        assert_eq!(f32::NAN.greater(-1.0), -1.0);
        assert_eq!(2.0f64.greater(1.0), 2.0);
        assert_eq!(Sample::magnitude(-2.5f32), 2.5);
    }

    #[test]
    fn swapped_samples_load_as_they_are_meant() {
        for sample in [1.5f32, -0.0, f32::MIN_POSITIVE, f32::INFINITY] {
            let swapped = Swapped::<f32>::view(&[sample.to_bits().swap_bytes()])[0];
            assert_eq!(swapped.load().to_bits(), sample.to_bits());
            let double = f64::from(sample);
            let swapped = Swapped::<f64>::view(&[double.to_bits().swap_bytes()])[0];
            assert_eq!(swapped.load().to_bits(), double.to_bits());
        }
    }

    #[test]
    fn a_limit_between_two_samples_is_rounded_to_either() {
        for limit in [0.1, -0.1, 1e-46, 3.0, f64::from(f32::MAX) * 1.000_000_01] {
            let (below, above) = (f32::at_most(limit), f32::at_least(limit));
            assert!(f64::from(below) <= limit && f64::from(below.next_up()) > limit);
            assert!(f64::from(above) >= limit && f64::from(above.next_down()) < limit);
        }
        assert!(f32::at_most(f64::NAN).is_nan() && f32::at_least(f64::NAN).is_nan());
        assert_eq!((f64::at_most(0.1), f64::at_least(0.1)), (0.1, 0.1));
    }

    #[test]
    fn only_numbers_are_finite() {
        assert!(Sample::is_finite(f32::MAX));
        assert!(!Sample::is_finite(f32::INFINITY));
        assert!(!Sample::is_finite(f64::NEG_INFINITY));
        assert!(!Sample::is_finite(f64::NAN));
    }
}
