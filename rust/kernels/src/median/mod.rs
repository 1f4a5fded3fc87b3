//! Running medians that skip NaN, over lines along either axis and over rectangles.
//!
//! A window is centred on each sample. NaNs in it are skipped. The median of a window with NaNs
//! only is NaN. The median of an even number of samples is the mean of the two middle ones, in the
//! precision of the image.
//!
//! Two kernels compute the same medians. The double heap (`heap`, and `rectangle` over it) serves
//! any window. Selection networks (`network`) are faster where they fit: `lines` runs them with one
//! line in each lane of a vector, `blocks` with one block of windows in each lane, `seven` with one
//! window of seven samples in each lane. `choice` picks the kernel. `filter` computes some rows of
//! medians at a time where the kernel can.

mod blocks;
mod choice;
mod filter;
mod heap;
mod lines;
mod network;
mod reach;
mod rectangle;
mod seven;

pub use choice::{Kernel, kernel};
pub(crate) use filter::Filter;
pub use heap::RunningMedian;
pub(crate) use network::lanes::Lanes;
pub use network::lanes::Vectorized;
#[cfg(test)]
pub(crate) use network::lanes::{special_samples, with_each};
pub use reach::{Reach, reaching};
pub use rectangle::rectangle;

use crate::{Error, Image, Sample, memory};
use network::builder::Shape;
use rayon::prelude::*;

impl Shape {
    /// The shape of an image.
    fn of<T: Copy>(image: Image<'_, T>) -> Self {
        Self { rows: image.rows(), cols: image.cols() }
    }
}

/// What a window contains beyond the image's border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edge {
    /// Zeros that count as samples.
    #[default]
    Zero,
    /// Nothing: the window ends at the border.
    Shrink,
}

impl Edge {
    /// The sample that stands for each place beyond the border.
    fn beyond<T: Sample>(self) -> T {
        match self {
            Self::Zero => T::ZERO,
            Self::Shrink => T::NAN,
        }
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
    /// The fastest for the window and the image; see [`kernel`].
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

    /// A window of at most `2 n + 1` samples with the same medians on lines of `n` samples.
    ///
    /// A window of that length holds the whole line and more zeros than samples. Further zeros
    /// change no median. With [`Edge::Shrink`] nothing is added beyond the border.
    fn fitted_to(self, n: usize) -> Self {
        Self(self.0.min(n.saturating_mul(2).saturating_add(1)))
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

/// Running median of one line.
///
/// # Errors
/// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more. [`Error::Memory`] if there is
/// too little.
pub fn line<T: Sample>(samples: &[T], window: Window, edge: Edge) -> Result<Vec<T>, Error> {
    let image = Image::new(samples, 1, samples.len())?;
    along(image, Axis::X, window, edge, Method::Auto)
}

/// Running median of every line of an image along `axis`, row-major.
///
/// # Errors
/// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more. [`Error::Memory`] if there is
/// too little.
pub fn along<T: Sample>(
    image: Image<'_, T>,
    axis: Axis,
    window: Window,
    edge: Edge,
    method: Method,
) -> Result<Vec<T>, Error> {
    Filter::along(image, axis, window, edge, method)?.all()
}

/// Applies a filter of rows to the lines along either axis.
fn filter_along<T: Sample>(
    image: Image<'_, T>,
    axis: Axis,
    filter: impl Fn(Image<'_, T>) -> Result<Vec<T>, Error>,
) -> Result<Vec<T>, Error> {
    if axis == Axis::X {
        return filter(image);
    }
    let medians = filter(Image::new(&image.transposed()?, image.cols(), image.rows())?)?;
    Image::new(&medians, image.cols(), image.rows())?.transposed()
}

/// The double heap of a task, for which there may have been too little memory.
fn of_task<T>(heap: &mut Result<RunningMedian<T>, Error>) -> Result<&mut RunningMedian<T>, Error> {
    heap.as_mut().map_err(|error| *error)
}

/// The running median of each row of an image that is not empty, by the double heap.
fn lines_by_heap<T: Sample>(
    image: Image<'_, T>,
    window: Window,
    edge: Edge,
) -> Result<Vec<T>, Error> {
    let mut out = memory::filled(T::NAN, image.samples().len())?;
    let lines = out.par_chunks_mut(image.cols()).zip(image.samples().par_chunks(image.cols()));
    let median = || RunningMedian::new(window.len());
    lines.try_for_each_init(median, |median, (out, line)| {
        of_task(median)?.filter(line, window.half(), edge.beyond(), out);
        Ok(())
    })?;
    Ok(out)
}
