//! Rectangular windows that extend farther to one side than to the other.

use super::rectangle::rectangle_by_heap;
use super::{Edge, Window};
use crate::{Error, Image, Sample};

/// The number of samples in a window before and after the sample that it belongs to.
///
/// The two numbers are equal in a [`Window`]. They differ in windows of even length, and in causal
/// windows, which contain no later samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Samples before.
    pub before: usize,
    /// Samples after.
    pub after: usize,
}

impl Reach {
    /// Samples in the window.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(self) -> usize {
        self.before.saturating_add(self.after).saturating_add(1)
    }

    /// A reach with the same medians on lines of `n` samples, at most `4 n + 1` long.
    ///
    /// A window that extends more than `2 n` to one side holds more zeros than samples. Further
    /// zeros change no median. With [`Edge::Shrink`] nothing is added beyond the border.
    fn fitted_to(self, n: usize) -> Self {
        let most = n.saturating_mul(2);
        Self { before: self.before.min(most), after: self.after.min(most) }
    }
}

impl From<Window> for Reach {
    fn from(window: Window) -> Self {
        Self { before: window.half(), after: window.half() }
    }
}

/// Running median over a window of `height.len()` rows and `width.len()` columns, row-major, by
/// the double heap.
///
/// # Errors
/// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more. [`Error::Memory`] if there is
/// too little.
pub fn reaching<T: Sample>(
    image: Image<'_, T>,
    height: Reach,
    width: Reach,
    edge: Edge,
) -> Result<Vec<T>, Error> {
    rectangle_by_heap(image, height.fitted_to(image.rows()), width.fitted_to(image.cols()), edge)
}
