//! A running median that is computed some rows at a time, while they are still needed in cache.

use super::choice::Choice;
use super::lines::{self, Lines};
use super::network::builder::Shape;
use super::seven::{self, Seven};
use super::{Axis, Edge, Method, Window, blocks, filter_along, lines_by_heap, rectangle};
use crate::{Error, Image, Sample, memory};
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
    /// The same, by the kernel of seven samples.
    Seven(Seven<'a, T>),
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
        if let Some(axis) = axis {
            let choice = choice(image, axis, fitted(window, image, axis), Method::Auto);
            if let Some(medians) = by_rows(image, axis, &choice, edge, true) {
                return Ok(Self { image, medians });
            }
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
        let window = fitted(window, image, axis);
        let choice = choice(image, axis, window, method);
        if let Some(medians) = by_rows(image, axis, &choice, edge, false) {
            return Ok(Self { image, medians });
        }
        let medians = match choice {
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
            Medians::Seven(_) | Medians::All(_) => rows,
        }
    }

    /// Writes some rows of medians to `out`, from row `first` on.
    pub(crate) fn rows(&self, first: usize, out: &mut [T]) -> Result<(), Error> {
        match &self.medians {
            Medians::Lines(lines) => lines.rows(first, out),
            Medians::Seven(seven) => seven.rows(first, out),
            Medians::All(all) => {
                out.copy_from_slice(&all[first * self.image.cols()..][..out.len()]);
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

/// The kernel for a window along an axis, which is fitted to the image.
fn choice<T: Copy>(image: Image<'_, T>, axis: Axis, window: Window, method: Method) -> Choice {
    let shape = match axis {
        Axis::X => Shape { rows: 1, cols: window.len() },
        Axis::Y => Shape { rows: window.len(), cols: 1 },
    };
    Choice::of(shape, Shape::of(image), method)
}

/// The medians of a network that computes some rows at a time; None if another kernel is faster.
fn by_rows<'a, T: Sample>(
    image: Image<'a, T>,
    axis: Axis,
    choice: &Choice,
    edge: Edge,
    of_magnitudes: bool,
) -> Option<Medians<'a, T>> {
    let Choice::Network(program) = choice else { return None };
    if axis == Axis::X && program.window().cols == seven::SEVEN {
        return Some(Medians::Seven(Seven { image, edge, of_magnitudes }));
    }
    let lines = match axis {
        Axis::X => image.rows(),
        Axis::Y => image.cols(),
    };
    let lines = lines::are_many(program, lines)
        .then(|| Lines::new(image, axis, program.clone(), edge, of_magnitudes));
    lines.map(Medians::Lines)
}

#[cfg(test)]
mod tests {
    use super::Filter;
    use crate::median::network::lanes::special_samples;
    use crate::{Axis, Edge, Image, Sample, Window};

    fn assert_same(ours: &[f32], all: &[f32]) {
        let same = |(a, b): (&f32, &f32)| a == b || a.is_nan() && b.is_nan();
        assert!(ours.len() == all.len() && ours.iter().zip(all).all(same));
    }

    #[test]
    fn some_rows_are_those_of_all_medians() {
        let (rows, cols) = (150, 41);
        let samples = special_samples(f32::MAX, rows * cols, 1);
        let image = Image::new(&samples, rows, cols).unwrap();
        for axis in [Some(Axis::X), Some(Axis::Y), None] {
            for length in [1, 5, 7, 33, 501] {
                let window = Window::new(length).unwrap();
                let all = Filter::new(image, axis, window, Edge::Shrink).unwrap().all().unwrap();
                let filter = Filter::new(image, axis, window, Edge::Shrink).unwrap();
                for (first, end) in [(0, 150), (0, 1), (7, 150), (9, 9), (131, 149)] {
                    let mut some = vec![0.0; (end - first) * cols];
                    filter.rows(first, &mut some).unwrap();
                    assert_same(&some, &all[first * cols..end * cols]);
                }
            }
        }
    }

    #[test]
    fn medians_of_magnitudes_are_those_of_an_image_of_magnitudes() {
        for (rows, cols) in [(150, 41), (3, 41), (41, 3), (1, 1), (0, 4), (4, 0)] {
            let samples = special_samples(f32::MAX, rows * cols, 2);
            let magnitudes: Vec<_> = samples.iter().map(|sample| sample.magnitude()).collect();
            let image = Image::new(&samples, rows, cols).unwrap();
            let positive = Image::new(&magnitudes, rows, cols).unwrap();
            for axis in [Some(Axis::X), Some(Axis::Y), None] {
                for length in [1, 7, 31] {
                    let window = Window::new(length).unwrap();
                    let ours = Filter::of_magnitudes(image, axis, window, Edge::Zero).unwrap();
                    let all = Filter::new(positive, axis, window, Edge::Zero).unwrap();
                    assert_same(&ours.all().unwrap(), &all.all().unwrap());
                }
            }
        }
    }
}
