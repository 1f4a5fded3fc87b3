//! Running medians that skip NaN, over lines along either axis and over rectangles.
//!
//! [`Median`] has the window and the border. NaNs in a window are skipped. The median of a window
//! with NaNs only is NaN. The median of an even number of samples is the mean of the two middle
//! ones, in the precision of the image.
//!
//! Two kernels compute the same medians. The double heap (`heap`) serves any window. Selection
//! networks (`network`) are faster where they fit: `lines` runs them with one line in each lane of
//! a vector, `blocks` with one block of windows in each lane, and `adjacent` runs those of small
//! squares with one window in each lane. `filter` picks the kernel.
//!
//! `window` says where a window lies and which samples stand beyond the border; `counts` finds
//! windows with too few. Of what the networks share, `strip` reads samples, and `infinities` has
//! the rule for NaNs.

mod adjacent;
mod blocks;
mod counts;
mod filter;
mod heap;
mod infinities;
mod lines;
mod network;
mod strip;
mod window;

pub(crate) use filter::Filter;
pub use filter::Kernel;
pub use heap::RunningMedian;
pub use window::{Edge, Reach};

use crate::{Error, Image, Sample, memory};
use filter::Choice;
use network::builder::Shape;
use window::{Extent, centred};

/// A running median that skips NaN: its window, and what lies beyond the border.
///
/// ```
/// use badpix_selfcal_kernels::{Axis, Edge, Image, Median};
///
/// let samples = [1.0, f32::NAN, 4.0, 9.0];
/// let image = Image::new(&samples, 1, 4)?;
/// let mut medians = [0.0; 4];
/// Median::along(Axis::X, 3).edge(Edge::Reflect).run(image, &mut medians)?;
/// assert_eq!(medians, [1.0, 2.5, 6.5, 9.0]);
/// # Ok::<(), badpix_selfcal_kernels::Error>(())
/// ```
///
/// The window of an even number of samples has one sample more before the pixel that it belongs to
/// than after it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Median {
    size: Size,
    origin: isize,
    edge: Edge,
    min_count: usize,
    method: Method,
}

/// The rows and columns of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Size {
    Line(Axis, usize),
    Rectangle(usize, usize),
    Reaching(Reach, Reach),
}

impl Median {
    /// A window of `length` samples along the lines of an axis. They are centred: of an even
    /// number, one more lies before the pixel.
    pub fn along(axis: Axis, length: usize) -> Self {
        Self::over(Size::Line(axis, length))
    }

    /// A window of some rows and columns, centred in the same way.
    pub fn rectangle(rows: usize, cols: usize) -> Self {
        Self::over(Size::Rectangle(rows, cols))
    }

    /// A window that extends as far as it says before and after each pixel, down and along the
    /// rows.
    pub fn reaching(height: Reach, width: Reach) -> Self {
        Self::over(Size::Reaching(height, width))
    }

    fn over(size: Size) -> Self {
        let (edge, method) = (Edge::default(), Method::default());
        Self { size, origin: 0, edge, min_count: 1, method }
    }

    /// Shifts the window, towards the start of the lines if positive. A window of `k` samples can
    /// be shifted from `-(k / 2)`, where it begins at the pixel, to `(k - 1) / 2`, where it ends
    /// there.
    pub fn origin(mut self, origin: isize) -> Self {
        self.origin = origin;
        self
    }

    /// What the window contains beyond the border.
    pub fn edge(mut self, edge: Edge) -> Self {
        self.edge = edge;
        self
    }

    /// The least number of valid samples in a window: with fewer, the median is NaN. It is 1 unless
    /// set; 0 is as 1. Values beyond the border count if they are not NaN.
    pub fn min_count(mut self, count: usize) -> Self {
        self.min_count = count;
        self
    }

    /// The kernel. All kernels compute the same medians.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Writes the medians of an image to `out`, row-major.
    ///
    /// # Errors
    /// [`Error::EmptyWindow`] and [`Error::Origin`] if there is no such window. [`Error::Output`]
    /// unless `out` has as many samples as the image. [`Error::WindowTooLarge`] if the window holds
    /// 2^31 samples or more. [`Error::Memory`] if there is too little.
    pub fn run<T: Sample>(&self, image: Image<'_, T>, out: &mut [T]) -> Result<(), Error> {
        self.run_then(image, out, |_, _| ())
    }

    /// The medians of an image, row-major.
    ///
    /// # Errors
    /// As [`Median::run`].
    pub fn medians<T: Sample>(&self, image: Image<'_, T>) -> Result<Vec<T>, Error> {
        let mut out = memory::zeros(image.samples().len())?;
        self.run(image, &mut out)?;
        Ok(out)
    }

    /// Writes the running median of `|x - m|`, where `m` is the running median of `x`.
    ///
    /// This is not the median deviation from the median of each window: `m` varies within it.
    /// Beyond the border, the deviations have the values of [`Edge`], not those of samples beyond
    /// it.
    ///
    /// # Errors
    /// As [`Median::run`].
    pub fn run_deviation<T: Sample>(
        &self,
        image: Image<'_, T>,
        out: &mut [T],
    ) -> Result<(), Error> {
        let mut deviations = memory::zeros(image.samples().len())?;
        self.run_then(image, &mut deviations, |samples, medians| {
            for (median, &sample) in medians.iter_mut().zip(samples) {
                *median = (sample - *median).magnitude();
            }
        })?;
        self.run(Image::new(&deviations, image.rows(), image.cols())?, out)
    }

    /// The kernel that computes the medians of an image of that shape, on this machine.
    ///
    /// Kernels differ in speed. If a network table is needed and not kept from an earlier call, it
    /// is built here and kept for later calls.
    ///
    /// # Errors
    /// [`Error::EmptyWindow`] and [`Error::Origin`] if there is no such window. [`Error::Memory`] if
    /// there is too little to build the table.
    pub fn kernel(&self, rows: usize, cols: usize) -> Result<Kernel, Error> {
        let image = Shape { rows, cols };
        let window = self.extent()?.fitted_to(image, self.edge).shape();
        Ok(Choice::of(window, image, self.method)?.kernel())
    }

    /// Writes the medians, and calls a function on some rows of samples and medians at a time.
    fn run_then<T: Sample>(
        &self,
        image: Image<'_, T>,
        out: &mut [T],
        then: impl Fn(&[T], &mut [T]) + Sync,
    ) -> Result<(), Error> {
        let extent = self.extent()?;
        if out.len() != image.samples().len() {
            return Err(Error::Output { len: out.len(), rows: image.rows(), cols: image.cols() });
        }
        if out.is_empty() {
            return Ok(());
        }
        filter::write(image, extent, self.edge, self.method, out, |first, samples, medians| {
            if self.min_count > 1 {
                counts::blank(image, extent, self.edge, self.min_count, first, medians)?;
            }
            then(samples, medians);
            Ok(())
        })
    }

    /// The rows and columns of the window.
    fn extent(&self) -> Result<Extent, Error> {
        let extent = match self.size {
            Size::Line(_, 0) | Size::Rectangle(0, _) | Size::Rectangle(_, 0) => {
                return Err(Error::EmptyWindow);
            }
            Size::Line(axis, length) => Extent::of(Some(axis), centred(length)),
            Size::Rectangle(rows, cols) => Extent { height: centred(rows), width: centred(cols) },
            Size::Reaching(height, width) => Extent { height, width },
        };
        let (down, along) = match self.size {
            Size::Line(Axis::X, _) => (0, self.origin),
            Size::Line(Axis::Y, _) => (self.origin, 0),
            _ => (self.origin, self.origin),
        };
        Ok(Extent { height: extent.height.shifted(down)?, width: extent.width.shifted(along)? })
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
