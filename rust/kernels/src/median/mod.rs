//! NaN-skipping running medians: lines along either axis, rectangular windows.
//!
//! A window is centred on each sample. NaNs in it are skipped; a window of nothing but NaN gives
//! NaN. Of an even number of samples the two middle ones are averaged in the image's precision.

mod blocks;
mod heap;
mod lines;
mod network;
mod reach;
mod rectangle;

pub use heap::RunningMedian;
pub use network::lanes::Vectorized;
pub use reach::{Reach, reaching};
pub use rectangle::{plane, plane_by};

use crate::{Error, Image, Sample};
use network::builder::Shape;
use rayon::prelude::*;

/// What a window sees beyond the image's border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edge {
    /// Zeros that count as samples.
    #[default]
    Zero,
    /// Nothing: the window is cut at the border.
    Shrink,
}

impl Edge {
    /// The sample that stands for what lies beyond the border.
    fn fill<T: Sample>(self) -> T {
        match self {
            Self::Zero => T::ZERO,
            Self::Shrink => T::NAN,
        }
    }
}

/// The direction in which a window of one line runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Down the columns (axis 0 of a row-major image).
    Y,
    /// Along the rows (axis 1 of a row-major image).
    X,
}

/// The kernels that compute windows of one line; all give the same medians.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// The faster of the others.
    #[default]
    Auto,
    /// The double heap.
    Heap,
    /// The selection network; the double heap for windows that are too large for one, which lines
    /// of more than 1501 samples are.
    Network,
}

impl Method {
    /// Whether lines of `length` samples are for the network.
    fn is_network(self, window: Window, lines: usize, length: usize) -> bool {
        match self {
            Self::Auto => lines::pays(window, lines, length),
            Self::Heap => false,
            Self::Network => window.len() <= lines::LONGEST,
        }
    }
}

/// An odd number of samples, so that a window has a middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(usize);

impl Window {
    /// A window of `length` samples.
    ///
    /// # Errors
    /// [`Error::EvenWindow`] if `length` is even (which zero is).
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

    /// The shortest window that gives the same medians on lines of `n` samples.
    ///
    /// Beyond `2 n + 1` every window holds the whole line, and more zeros than samples (or
    /// nothing else, where the edge shrinks): making it longer changes no median.
    fn fitted_to(self, n: usize) -> Self {
        Self(self.0.min(2 * n + 1))
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
    along_then(image, axis, window, edge, method, |_, _| ())
}

/// As [`along`]; `then` is called with each run of medians, and the samples at their places, while
/// both are still in a near cache.
pub(crate) fn along_then<T: Sample>(
    image: Image<'_, T>,
    axis: Axis,
    window: Window,
    edge: Edge,
    method: Method,
    then: impl Fn(&mut [T], &[T]) + Sync,
) -> Result<Vec<T>, Error> {
    let (lines, length) = match axis {
        Axis::X => (image.rows(), image.cols()),
        Axis::Y => (image.cols(), image.rows()),
    };
    let window = window.fitted_to(length);
    let is_same = window.len() == 1 || image.samples().is_empty();
    let by_network = !is_same && method.is_network(window, lines, length);
    if by_network
        && lines::are_many(window, lines)
        && let Some(medians) = lines::along(image, axis, window, edge, &then)?
    {
        return Ok(medians);
    }
    let filter = |rows: Image<'_, T>| {
        let shape = Shape { rows: 1, cols: window.len() };
        if by_network && let Some(medians) = blocks::filter(rows, shape, edge)? {
            return Ok(medians);
        }
        along_rows(rows, window, edge)
    };
    let mut medians =
        if is_same { image.samples().to_vec() } else { turned_to(image, axis, filter)? };
    let chunks = medians.par_chunks_mut(CHUNK).zip(image.samples().par_chunks(CHUNK));
    chunks.for_each(|(medians, samples)| then(medians, samples));
    Ok(medians)
}

/// A filter of rows, on the lines of either axis.
fn turned_to<T: Sample>(
    image: Image<'_, T>,
    axis: Axis,
    filter: impl Fn(Image<'_, T>) -> Result<Vec<T>, Error>,
) -> Result<Vec<T>, Error> {
    if axis == Axis::X {
        return filter(image);
    }
    let turned = filter(Image::new(&image.transposed(), image.cols(), image.rows())?)?;
    Ok(Image::new(&turned, image.cols(), image.rows())?.transposed())
}

/// Samples that one task looks at.
const CHUNK: usize = 1 << 15;

/// The double heap on every row of an image that is not empty.
fn along_rows<T: Sample>(image: Image<'_, T>, window: Window, edge: Edge) -> Result<Vec<T>, Error> {
    let median = RunningMedian::new(window.len())?;
    let mut out = vec![T::NAN; image.samples().len()];
    let lines = out.par_chunks_mut(image.cols()).zip(image.samples().par_chunks(image.cols()));
    lines.for_each_with(median, |median, (out, line)| {
        median.filter(line, window.half(), edge.fill(), out);
    });
    Ok(out)
}
