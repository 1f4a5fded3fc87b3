//! Rectangular windows that reach farther to one side than to the other.

use super::rectangle::by_heap;
use super::{Edge, Window};
use crate::{Error, Image, Sample};

/// Samples of a window before and after the one that it belongs to.
///
/// A [`Window`] reaches equally far to both sides. Windows of an even length cannot, and causal
/// ones are not meant to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Samples before it.
    pub before: usize,
    /// Samples after it.
    pub after: usize,
}

impl Reach {
    /// Samples in the window.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(self) -> usize {
        self.before.saturating_add(self.after).saturating_add(1)
    }

    /// A reach that gives the same medians on lines of `n` samples, at most `4 n + 1` long.
    ///
    /// To reach beyond `2 n` to either side is to see more zeros than samples (or nothing else,
    /// where the edge shrinks): still more of them change no median.
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
/// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more.
pub fn reaching<T: Sample>(
    image: Image<'_, T>,
    height: Reach,
    width: Reach,
    edge: Edge,
) -> Result<Vec<T>, Error> {
    by_heap(image, height.fitted_to(image.rows()), width.fitted_to(image.cols()), edge)
}
