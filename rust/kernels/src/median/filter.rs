//! A running median that is computed some rows at a time, while they are still needed in cache.

use super::choice::Choice;
use super::lines::{self, Lines};
use super::network::builder::Shape;
use super::seven::{self, Seven};
use super::{Axis, Edge, Method, Window, blocks, filter_along, lines_by_heap, rectangle};
use crate::{Error, Image, Sample, memory};
use pulp::Arch;
use rayon::prelude::*;

/// The running median of an image.
pub(crate) struct Filter<'a, T: Sample> {
    image: Image<'a, T>,
    medians: Medians<'a, T>,
}

/// Where the medians come from.
enum Medians<'a, T: Sample> {
    /// They are computed when they are asked for.
    Lines(Lines<'a, T>),
    /// The same for seven samples along rows, whose magnitudes may take their place.
    Seven(Edge, bool),
    /// They are computed, because their kernel computes all of them at once.
    All(Vec<T>),
}

impl<'a, T: Sample> Filter<'a, T> {
    /// The running median along an axis, or over a square window if there is none.
    ///
    /// # Errors
    /// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more. [`Error::Memory`] if there is
    /// too little.
    pub(crate) fn new(
        image: Image<'a, T>,
        axis: Option<Axis>,
        window: Window,
        edge: Edge,
    ) -> Result<Self, Error> {
        if let Some(axis) = axis {
            return Self::along(image, axis, window, edge, Method::Auto);
        }
        let medians = rectangle(image, window, window, edge, Method::Auto)?;
        Ok(Self { image, medians: Medians::All(medians) })
    }

    /// As [`Filter::new`], for the running median of the magnitudes.
    pub(crate) fn of_magnitudes(
        image: Image<'a, T>,
        axis: Option<Axis>,
        window: Window,
        edge: Edge,
    ) -> Result<Self, Error> {
        if axis.is_some_and(|axis| is_seven(image, axis, window, Method::Auto)) {
            return Ok(Self { image, medians: Medians::Seven(edge, true) });
        }
        if let Some(axis) = axis
            && let Some(lines) = lines_of(image, axis, window, edge, Method::Auto, true)
        {
            return Ok(Self { image, medians: Medians::Lines(lines) });
        }
        let magnitudes = image.samples().iter().map(|sample| sample.magnitude());
        let magnitudes = memory::collected(magnitudes)?;
        let magnitudes = Image::new(&magnitudes, image.rows(), image.cols())?;
        let medians = Filter::new(magnitudes, axis, window, edge)?.all()?;
        Ok(Self { image, medians: Medians::All(medians) })
    }

    /// The running median along an axis, by one of the kernels.
    pub(super) fn along(
        image: Image<'a, T>,
        axis: Axis,
        window: Window,
        edge: Edge,
        method: Method,
    ) -> Result<Self, Error> {
        if is_seven(image, axis, window, method) {
            return Ok(Self { image, medians: Medians::Seven(edge, false) });
        }
        if let Some(lines) = lines_of(image, axis, window, edge, method, false) {
            return Ok(Self { image, medians: Medians::Lines(lines) });
        }
        let window = fitted(window, image, axis);
        let medians = match choice(image, axis, window, method) {
            Choice::Network(program) => {
                filter_along(image, axis, |rows| blocks::filter(rows, &program, edge))?
            }
            Choice::Heap => filter_along(image, axis, |rows| lines_by_heap(rows, window, edge))?,
            Choice::Copy => memory::copied(image.samples())?,
        };
        Ok(Self { image, medians: Medians::All(medians) })
    }

    /// Rows for each task: whole tiles, and enough samples to be worth the memory of a tile.
    pub(crate) fn rows_of_a_task(&self) -> usize {
        const SAMPLES: usize = 1 << 17;
        let rows = (SAMPLES / self.image.cols().max(1)).max(1);
        match &self.medians {
            Medians::Lines(lines) => rows.next_multiple_of(lines.step()),
            Medians::Seven(..) | Medians::All(_) => rows,
        }
    }

    /// Writes some rows of medians to `out`, from row `first` on.
    pub(crate) fn rows(&self, first: usize, out: &mut [T]) -> Result<(), Error> {
        let image = self.image;
        match &self.medians {
            Medians::Lines(lines) => lines.rows(first, out),
            &Medians::Seven(edge, of_magnitudes) => {
                Arch::new().dispatch(Seven { image, edge, of_magnitudes, first, out })
            }
            Medians::All(all) => {
                out.copy_from_slice(&all[first * image.cols()..][..out.len()]);
                Ok(())
            }
        }
    }

    /// All medians, row-major.
    pub(super) fn all(self) -> Result<Vec<T>, Error> {
        if let Medians::All(medians) = self.medians {
            return Ok(medians);
        }
        let rows = self.rows_of_a_task();
        let mut out = memory::zeros(self.image.samples().len())?;
        let tasks = out.par_chunks_mut(rows * self.image.cols()).enumerate();
        tasks.try_for_each(|(number, out)| self.rows(number * rows, out))?;
        Ok(out)
    }
}

/// The window, no longer than the lines need.
fn fitted<T: Copy>(window: Window, image: Image<'_, T>, axis: Axis) -> Window {
    window.fitted_to(match axis {
        Axis::X => image.cols(),
        Axis::Y => image.rows(),
    })
}

/// Whether the kernel is that of seven samples along rows.
fn is_seven<T: Sample>(image: Image<'_, T>, axis: Axis, window: Window, method: Method) -> bool {
    let is_line = axis == Axis::X && fitted(window, image, axis).len() == seven::SEVEN;
    is_line && matches!(choice(image, axis, window, method), Choice::Network(_))
}

/// The kernel for a window along an axis, which is fitted to the image.
fn choice<T: Copy>(image: Image<'_, T>, axis: Axis, window: Window, method: Method) -> Choice {
    let shape = match axis {
        Axis::X => Shape { rows: 1, cols: window.len() },
        Axis::Y => Shape { rows: window.len(), cols: 1 },
    };
    Choice::of(shape, Shape::of(image), method)
}

/// The network of a line for each lane, if it is the fastest kernel.
fn lines_of<T: Sample>(
    image: Image<'_, T>,
    axis: Axis,
    window: Window,
    edge: Edge,
    method: Method,
    of_magnitudes: bool,
) -> Option<Lines<'_, T>> {
    let lines = match axis {
        Axis::X => image.rows(),
        Axis::Y => image.cols(),
    };
    match choice(image, axis, fitted(window, image, axis), method) {
        Choice::Network(program) if lines::are_many(&program, lines) => {
            Some(Lines::new(image, axis, program, edge, of_magnitudes))
        }
        _ => None,
    }
}
