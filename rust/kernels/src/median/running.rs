//! The running median as users ask for it.

use super::choice::Choice;
use super::network::builder::Shape;
use super::reach::Extent;
use super::{Axis, Edge, Kernel, Method, Reach, counts, filter};
use crate::{Error, Image, Sample, memory};

/// A running median that skips NaN: its window, and what lies beyond the border.
///
/// ```
/// use badpix_selfcal_kernels::{Axis, Edge, Image, Median};
///
/// let samples = [1.0, f32::NAN, 4.0, 9.0];
/// let image = Image::new(&samples, 1, 4)?;
/// let mut medians = [0.0; 4];
/// Median::along(Axis::X).window(3).edge(Edge::Reflect).run(image, &mut medians)?;
/// assert_eq!(medians, [1.0, 2.5, 6.5, 9.0]);
/// # Ok::<(), badpix_selfcal_kernels::Error>(())
/// ```
///
/// The window of an even number of samples has one sample more before the pixel that it belongs to
/// than after it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Median {
    /// The axis of the window; None for a rectangle.
    axis: Option<Axis>,
    size: Size,
    origin: isize,
    edge: Edge,
    min_count: usize,
    method: Method,
}

/// Rows and columns of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Size {
    /// Centred.
    Lengths(usize, usize),
    Reaches(Reach, Reach),
}

impl Median {
    /// A window of one sample along the lines of an axis. See [`Median::window`].
    pub fn along(axis: Axis) -> Self {
        Self::over(Some(axis), Size::Lengths(1, 1))
    }

    /// A window of some rows and columns.
    pub fn rectangle(rows: usize, cols: usize) -> Self {
        Self::over(None, Size::Lengths(rows, cols))
    }

    /// A window that extends as far as it says before and after each pixel, down and along the rows.
    pub fn reaching(height: Reach, width: Reach) -> Self {
        Self::over(None, Size::Reaches(height, width))
    }

    fn over(axis: Option<Axis>, size: Size) -> Self {
        let (edge, method) = (Edge::default(), Method::default());
        Self { axis, size, origin: 0, edge, min_count: 1, method }
    }

    /// The number of samples in the window along its axis, or along both sides of a square. They are
    /// centred: of an even number, one more lies before the pixel.
    pub fn window(mut self, length: usize) -> Self {
        self.size = match self.axis {
            Some(Axis::X) => Size::Lengths(1, length),
            Some(Axis::Y) => Size::Lengths(length, 1),
            None => Size::Lengths(length, length),
        };
        self
    }

    /// Shifts the window, towards the start of the lines if positive. A window of `k` samples can be
    /// shifted from `-(k / 2)`, where it begins at the pixel, to `(k - 1) / 2`, where it ends there.
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
    /// This is not the median deviation from the median of each window: `m` varies within it. Beyond
    /// the border, the deviations have the values of [`Edge`], not those of samples beyond it.
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
    /// Kernels differ in speed. If a network table is needed and not kept from an earlier call, it is
    /// built here and kept for later calls.
    ///
    /// # Errors
    /// [`Error::EmptyWindow`] and [`Error::Origin`] if there is no such window.
    pub fn kernel(&self, rows: usize, cols: usize) -> Result<Kernel, Error> {
        let image = Shape { rows, cols };
        let window = self.extent()?.fitted_to(image, self.edge).shape();
        Ok(Choice::of(window, image, self.method).kernel())
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
        let (height, width) = match self.size {
            Size::Lengths(0, _) | Size::Lengths(_, 0) => return Err(Error::EmptyWindow),
            Size::Lengths(rows, cols) => (centred(rows), centred(cols)),
            Size::Reaches(height, width) => (height, width),
        };
        let (height_origin, width_origin) = match self.axis {
            Some(Axis::X) => (0, self.origin),
            Some(Axis::Y) => (self.origin, 0),
            None => (self.origin, self.origin),
        };
        Ok(Extent { height: shifted(height, height_origin)?, width: shifted(width, width_origin)? })
    }
}

/// The window of `length` samples. Of an even number, one more lies before the pixel.
fn centred(length: usize) -> Reach {
    Reach { before: length / 2, after: (length - 1) / 2 }
}

fn shifted(reach: Reach, origin: isize) -> Result<Reach, Error> {
    let before = reach.before.checked_add_signed(origin);
    let after = reach.after.checked_add_signed(origin.saturating_neg());
    match (before, after) {
        (Some(before), Some(after)) => Ok(Reach { before, after }),
        _ => Err(Error::Origin { origin, before: reach.before, after: reach.after }),
    }
}
