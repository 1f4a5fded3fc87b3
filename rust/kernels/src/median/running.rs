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
    extent: Extent,
    edge: Edge,
    min_count: usize,
    method: Method,
    /// Why the window is none.
    problem: Option<Error>,
}

impl Median {
    /// A window of one sample along the lines of an axis. See [`Median::window`].
    pub fn along(axis: Axis) -> Self {
        Self::over(Some(axis), Extent::default())
    }

    /// A window of some rows and columns.
    pub fn rectangle(rows: usize, cols: usize) -> Self {
        let mut median = Self::over(None, Extent::default());
        median.extent.height = median.reach_of(rows);
        median.extent.width = median.reach_of(cols);
        median
    }

    /// A window that extends as far as it says before and after each pixel, down and along the rows.
    pub fn reaching(height: Reach, width: Reach) -> Self {
        Self::over(None, Extent { height, width })
    }

    fn over(axis: Option<Axis>, extent: Extent) -> Self {
        let (edge, method) = (Edge::default(), Method::default());
        Self { axis, extent, edge, min_count: 1, method, problem: None }
    }

    /// The number of samples in the window along its axis, or along both sides of a square. They are
    /// centred: of an even number, one more lies before the pixel.
    pub fn window(mut self, length: usize) -> Self {
        self.extent = Extent::of(self.axis, self.reach_of(length));
        self
    }

    /// Shifts the window, towards the start of the lines if positive. A window of `k` samples can be
    /// shifted from `-(k / 2)`, where it begins at the pixel, to `(k - 1) / 2`, where it ends there.
    pub fn origin(mut self, origin: isize) -> Self {
        let mut shifted = |reach: Reach| {
            let before = reach.before.checked_add_signed(origin);
            let after = reach.after.checked_add_signed(origin.saturating_neg());
            if let (Some(before), Some(after)) = (before, after) {
                return Reach { before, after };
            }
            self.problem = self.problem.or(Some(Error::Origin { origin, window: reach.len() }));
            reach
        };
        let Extent { height, width } = self.extent;
        self.extent = match self.axis {
            Some(Axis::X) => Extent { height, width: shifted(width) },
            Some(Axis::Y) => Extent { height: shifted(height), width },
            None => Extent { height: shifted(height), width: shifted(width) },
        };
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

    fn reach_of(&mut self, length: usize) -> Reach {
        if length == 0 {
            self.problem = Some(Error::EmptyWindow);
            return Reach::default();
        }
        Reach { before: length / 2, after: (length - 1) / 2 }
    }

    /// Writes the medians of an image to `out`, row-major.
    ///
    /// # Errors
    /// [`Error::EmptyWindow`] and [`Error::Origin`] if there is no such window. [`Error::Shape`]
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
        self.problem.map_or(Ok(()), Err)?;
        let image = Shape { rows, cols };
        let window = self.extent.fitted_to(image, self.edge).shape();
        Ok(Choice::of(window, image, self.method).kernel())
    }

    /// Writes the medians, and calls a function on some rows of samples and medians at a time.
    fn run_then<T: Sample>(
        &self,
        image: Image<'_, T>,
        out: &mut [T],
        then: impl Fn(&[T], &mut [T]) + Sync,
    ) -> Result<(), Error> {
        self.problem.map_or(Ok(()), Err)?;
        if out.len() != image.samples().len() {
            return Err(Error::Shape { len: out.len(), rows: image.rows(), cols: image.cols() });
        }
        if out.is_empty() {
            return Ok(());
        }
        filter::write(image, self.extent, self.edge, self.method, out, |first, samples, medians| {
            if self.min_count > 1 {
                counts::blank(image, self.extent, self.edge, self.min_count, first, medians)?;
            }
            then(samples, medians);
            Ok(())
        })
    }
}
