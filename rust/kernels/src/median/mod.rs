//! Running medians that skip NaN, over lines along either axis and over rectangles.
//!
//! [`Median`] has the window and the border. NaNs in a window are skipped. The median of a window with NaNs
//! only is NaN. The median of an even number of samples is the mean of the two middle ones, in the
//! precision of the image.
//!
//! Two kernels compute the same medians. The double heap (`heap`, and `by_heap` over it) serves any
//! window. Selection networks (`network`) are faster where they fit: `lines` runs them with one line
//! in each lane of a vector, `blocks` with one block of windows in each lane. `adjacent` runs
//! those of small squares with one window in each lane. `short` selects from seven or eight samples along
//! rows.
//! `choice` picks the kernel. `filter` computes some rows of medians at a time where the kernel can.
//! `reach` says where a window lies, `edge` which samples stand beyond the border, `counts` which
//! windows have too few. `strip` reads samples, `surplus` has the rule for NaNs.
//! `infinite` finds medians that must be computed again.

mod adjacent;
mod blocks;
mod by_heap;
mod choice;
mod counts;
mod edge;
mod filter;
mod heap;
mod infinite;
mod lines;
mod network;
mod reach;
mod running;
mod strip;
mod surplus;

pub use choice::Kernel;
pub use edge::Edge;
pub(crate) use filter::Filter;
pub use heap::RunningMedian;
pub(crate) use network::lanes::{Lanes, Vectorized};
#[cfg(test)]
pub(crate) use network::lanes::{special_samples, with_each};
pub use reach::Reach;
pub use running::Median;

use crate::{Error, Image, Sample};
use network::builder::Shape;

impl Shape {
    /// The shape of an image.
    fn of<T: Copy>(image: Image<'_, T>) -> Self {
        Self { rows: image.rows(), cols: image.cols() }
    }
}

/// The direction of a window of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Down the columns (axis 0 of a row-major image).
    Y,
    /// Along the rows (axis 1 of a row-major image).
    X,
}

impl Axis {
    /// The direction across this one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Y => Self::X,
            Self::X => Self::Y,
        }
    }
}

/// A choice among the kernels, which all compute the same medians.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// The fastest for the window and the image; see [`Median::kernel`].
    #[default]
    Auto,
    /// The double heap.
    Heap,
    /// A selection network. Windows too large for one use the double heap: windows of one line with
    /// more than 1501 samples, and large rectangles.
    Network,
}

/// The length of a window: an odd number of samples, so that it has a middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(usize);

impl Window {
    /// A window of `length` samples.
    ///
    /// # Errors
    /// [`Error::EvenWindow`] if `length` is even. Zero is even.
    pub fn new(length: usize) -> Result<Self, Error> {
        if length % 2 == 1 { Ok(Self(length)) } else { Err(Error::EvenWindow(length)) }
    }

    /// Samples in the window.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(self) -> usize {
        self.0
    }

    /// Samples on either side of the middle.
    #[must_use]
    pub fn half(self) -> usize {
        self.0 / 2
    }
}

/// The median of the samples that are not NaN; NaN if there are none.
pub(crate) fn of_samples<T: Sample>(mut samples: Vec<T>) -> T {
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
