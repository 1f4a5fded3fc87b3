//! Where a window lies: how far it extends before and after the sample that it belongs to.

use super::edge::Border;
use super::network::builder::Shape;
use super::{Axis, Edge, Window};

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

    /// A reach with the same medians on lines of `n` samples.
    ///
    /// A window that extends `n` to either side holds more equal values from beyond the border than
    /// samples, if any value counts there. Further ones change no median. If the sides differ, `2 n`
    /// to one side are enough. Where samples stand for the places beyond, each place counts.
    fn fitted_to(self, n: usize, edge: Edge) -> Self {
        if edge.repeats() {
            return self;
        }
        let most = if self.before == self.after { n } else { n.saturating_mul(2) };
        Self { before: self.before.min(most), after: self.after.min(most) }
    }
}

impl From<Window> for Reach {
    fn from(window: Window) -> Self {
        Self { before: window.half(), after: window.half() }
    }
}

/// The rows and columns that a window contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extent {
    /// Rows.
    pub(super) height: Reach,
    /// Columns.
    pub(super) width: Reach,
}

impl Extent {
    /// A window along an axis, or a square window if there is none.
    pub(super) fn of(axis: Option<Axis>, reach: Reach) -> Self {
        let one = Reach::default();
        match axis {
            Some(Axis::X) => Self { height: one, width: reach },
            Some(Axis::Y) => Self { height: reach, width: one },
            None => Self { height: reach, width: reach },
        }
    }

    /// Rows and columns.
    pub(super) fn shape(self) -> Shape {
        Shape { rows: self.height.len(), cols: self.width.len() }
    }

    /// The axis of a window of one line.
    pub(super) fn axis(self) -> Option<Axis> {
        match self.shape() {
            Shape { rows: 1, .. } => Some(Axis::X),
            Shape { cols: 1, .. } => Some(Axis::Y),
            _ => None,
        }
    }

    /// The same medians on an image of this shape; see [`Reach::fitted_to`].
    pub(super) fn fitted_to(self, image: Shape, edge: Edge) -> Self {
        Self {
            height: self.height.fitted_to(image.rows, edge),
            width: self.width.fitted_to(image.cols, edge),
        }
    }

    /// Rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        Self { height: self.width, width: self.height }
    }

    /// The places of the windows in the rows and in the columns of an image.
    pub(super) fn places(self, image: Shape, edge: Edge) -> (Border, Border) {
        let rows = Border { before: self.height.before, n: image.rows, edge };
        let cols = Border { before: self.width.before, n: image.cols, edge };
        (rows, cols)
    }
}
