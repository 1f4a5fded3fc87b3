//! Running medians that skip NaN, over lines along either axis and over rectangles.
//!
//! A window is centred on each sample. NaNs in it are skipped. The median of a window with NaNs
//! only is NaN. The median of an even number of samples is the mean of the two middle ones, in the
//! precision of the image.
//!
//! Two kernels compute the same medians. The double heap (`heap`, and `rectangle` over it) serves
//! any window. Selection networks (`network`) are faster where they fit: `lines` runs them with one
//! line in each lane of a vector, `blocks` with one block of windows in each lane. `choice` picks
//! the kernel.

mod blocks;
mod choice;
mod heap;
mod lines;
mod network;
mod reach;
mod rectangle;

pub use choice::{Kernel, kernel};
pub use heap::RunningMedian;
pub use network::lanes::Vectorized;
pub use reach::{Reach, reaching};
pub use rectangle::rectangle;

use crate::{Error, Image, Sample};
use choice::Choice;
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
/// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more.
pub fn line<T: Sample>(samples: &[T], window: Window, edge: Edge) -> Result<Vec<T>, Error> {
    let image = Image::new(samples, 1, samples.len())?;
    along(image, Axis::X, window, edge, Method::Auto)
}

/// Running median of every line of an image along `axis`, row-major.
///
/// # Errors
/// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more.
pub fn along<T: Sample>(
    image: Image<'_, T>,
    axis: Axis,
    window: Window,
    edge: Edge,
    method: Method,
) -> Result<Vec<T>, Error> {
    let mut out = vec![T::ZERO; image.samples().len()];
    let mut nothing = vec![(); out.len()]; // takes no memory
    along_then(image, axis, window, edge, method, &mut out, &mut nothing, |_| ())?;
    Ok(out)
}

/// Some rows of finished medians, with the samples at their places.
pub(crate) struct Finished<'a, T, C> {
    /// The first of its rows.
    pub(crate) first: usize,
    /// The medians, which may be replaced.
    pub(crate) medians: &'a mut [T],
    /// The samples at their places.
    pub(crate) samples: &'a [T],
    /// The companions of the samples, which may be replaced.
    pub(crate) companions: &'a mut [C],
}

/// Writes the running median along an axis, or over a square window if there is none, to `out`.
///
/// Calls `then` with each group of rows while it is still in a near cache. Each sample has a
/// companion. `out` and the companions are as many as the samples.
///
/// # Errors
/// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more.
pub(crate) fn filter_then<T: Sample, C: Send>(
    image: Image<'_, T>,
    axis: Option<Axis>,
    window: Window,
    edge: Edge,
    out: &mut [T],
    companions: &mut [C],
    then: impl Fn(Finished<'_, T, C>) + Sync,
) -> Result<(), Error> {
    if let Some(axis) = axis {
        return along_then(image, axis, window, edge, Method::Auto, out, companions, then);
    }
    out.copy_from_slice(&rectangle(image, window, window, edge, Method::Auto)?);
    in_groups(out, image, companions, &then);
    Ok(())
}

/// As [`along`]. Writes the medians to `out`, and calls `then` as [`filter_then`] does.
#[allow(clippy::too_many_arguments)] // those of `along` and of `filter_then`
fn along_then<T: Sample, C: Send>(
    image: Image<'_, T>,
    axis: Axis,
    window: Window,
    edge: Edge,
    method: Method,
    out: &mut [T],
    companions: &mut [C],
    then: impl Fn(Finished<'_, T, C>) + Sync,
) -> Result<(), Error> {
    let (lines, length) = match axis {
        Axis::X => (image.rows(), image.cols()),
        Axis::Y => (image.cols(), image.rows()),
    };
    let window = window.fitted_to(length);
    let shape = match axis {
        Axis::X => Shape { rows: 1, cols: window.len() },
        Axis::Y => Shape { rows: window.len(), cols: 1 },
    };
    match Choice::of(shape, Shape::of(image), method) {
        Choice::Network(program) if lines::are_many(&program, lines) => {
            return lines::along(image, axis, &program, edge, out, companions, &then);
        }
        Choice::Network(program) => {
            let medians = filter_along(image, axis, |rows| blocks::filter(rows, &program, edge))?;
            out.copy_from_slice(&medians);
        }
        Choice::Heap => {
            let medians = filter_along(image, axis, |rows| lines_by_heap(rows, window, edge))?;
            out.copy_from_slice(&medians);
        }
        Choice::Copy => out.copy_from_slice(image.samples()),
    }
    in_groups(out, image, companions, &then);
    Ok(())
}

/// Calls `then` with all medians, some rows at a time.
fn in_groups<T: Sample, C: Send>(
    medians: &mut [T],
    image: Image<'_, T>,
    companions: &mut [C],
    then: &(impl Fn(Finished<'_, T, C>) + Sync),
) {
    let rows = image.rows_of_a_task();
    let length = rows * image.cols().max(1);
    let groups = medians.par_chunks_mut(length).zip(image.samples().par_chunks(length));
    let groups = groups.zip(companions.par_chunks_mut(length)).enumerate();
    groups.for_each(|(number, ((medians, samples), companions))| {
        then(Finished { first: number * rows, medians, samples, companions });
    });
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
    let medians = filter(Image::new(&image.transposed(), image.cols(), image.rows())?)?;
    Ok(Image::new(&medians, image.cols(), image.rows())?.transposed())
}

/// The running median of each row of an image that is not empty, by the double heap.
fn lines_by_heap<T: Sample>(
    image: Image<'_, T>,
    window: Window,
    edge: Edge,
) -> Result<Vec<T>, Error> {
    let median = RunningMedian::new(window.len())?;
    let mut out = vec![T::NAN; image.samples().len()];
    let lines = out.par_chunks_mut(image.cols()).zip(image.samples().par_chunks(image.cols()));
    lines.for_each_with(median, |median, (out, line)| {
        median.filter(line, window.half(), edge.beyond(), out);
    });
    Ok(out)
}
