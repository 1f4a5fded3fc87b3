//! A running median that is computed some rows at a time, while they are still needed in cache.

use super::adjacent::{self, Adjacent};
use super::choice::Choice;
use super::lines::{self, Lines};
use super::network::builder::Shape;
use super::reach::Extent;
use super::{Axis, Edge, Method, Window, blocks, by_heap};
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
    /// The same, by a network of adjacent windows.
    Adjacent(Adjacent<'a, T>),
    /// They are computed, because their kernel computes all of them at once.
    All(Vec<T>),
}

/// Writes the running median of an image that is not empty, and calls a function on some rows of
/// samples and medians at a time: with the number of the first row, while they are in cache.
pub(super) fn write<T: Sample>(
    image: Image<'_, T>,
    extent: Extent,
    edge: Edge,
    method: Method,
    out: &mut [T],
    then: impl Fn(usize, &[T], &mut [T]) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let (extent, choice) = chosen(image, extent, edge, method);
    let medians = by_rows(image, extent, edge, &choice, false);
    if medians.is_none() {
        all_at_once(image, extent, edge, &choice, out)?;
    }
    let rows = rows_of_a_task(image, medians.as_ref());
    let length = rows * image.cols();
    let tasks = out.par_chunks_mut(length).zip(image.samples().par_chunks(length)).enumerate();
    tasks.try_for_each(|(number, (out, samples))| {
        if let Some(medians) = &medians {
            medians.rows(image, number * rows, out)?;
        }
        then(number * rows, samples, out)
    })
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
        let extent = Extent::of(axis, window.into());
        let (extent, choice) = chosen(image, extent, edge, Method::Auto);
        if let Some(medians) = by_rows(image, extent, edge, &choice, false) {
            return Ok(Self { image, medians });
        }
        let mut out = memory::zeros(image.samples().len())?;
        all_at_once(image, extent, edge, &choice, &mut out)?;
        Ok(Self { image, medians: Medians::All(out) })
    }

    /// As [`Filter::new`], for the running median of the magnitudes.
    pub(crate) fn of_magnitudes(
        image: Image<'a, T>,
        axis: Option<Axis>,
        window: Window,
        edge: Edge,
    ) -> Result<Self, Error> {
        let extent = Extent::of(axis, window.into());
        let (extent, choice) = chosen(image, extent, edge, Method::Auto);
        if let Some(medians) = by_rows(image, extent, edge, &choice, true) {
            return Ok(Self { image, medians });
        }
        let magnitudes = image.samples().iter().map(|sample| sample.magnitude());
        let magnitudes = memory::collected(magnitudes)?;
        let magnitudes = Image::new(&magnitudes, image.rows(), image.cols())?;
        let mut out = memory::zeros(image.samples().len())?;
        all_at_once(magnitudes, extent, edge, &choice, &mut out)?;
        Ok(Self { image, medians: Medians::All(out) })
    }

    /// Rows for each task: whole tiles, and enough samples to be worth the memory of a tile.
    pub(crate) fn rows_of_a_task(&self) -> usize {
        rows_of_a_task(self.image, Some(&self.medians))
    }

    /// Writes some rows of medians to `out`, from row `first` on.
    pub(crate) fn rows(&self, first: usize, out: &mut [T]) -> Result<(), Error> {
        self.medians.rows(self.image, first, out)
    }
}

impl<T: Sample> Medians<'_, T> {
    fn rows(&self, image: Image<'_, T>, first: usize, out: &mut [T]) -> Result<(), Error> {
        match self {
            Self::Lines(lines) => lines.rows(first, out),
            Self::Adjacent(adjacent) => adjacent.rows(first, out),
            Self::All(all) => {
                out.copy_from_slice(&all[first * image.cols()..][..out.len()]);
                Ok(())
            }
        }
    }
}

fn rows_of_a_task<T: Sample>(image: Image<'_, T>, medians: Option<&Medians<'_, T>>) -> usize {
    const SAMPLES: usize = 1 << 17;
    let rows = (SAMPLES / image.cols().max(1)).max(1);
    match medians {
        Some(Medians::Lines(lines)) => rows.next_multiple_of(lines.step()),
        Some(Medians::Adjacent(_)) => rows.next_multiple_of(adjacent::ROWS),
        _ => rows,
    }
}

/// The window, no larger than the image needs, and its kernel.
fn chosen<T: Copy>(
    image: Image<'_, T>,
    extent: Extent,
    edge: Edge,
    method: Method,
) -> (Extent, Choice) {
    let shape = Shape::of(image);
    let extent = extent.fitted_to(shape, edge);
    (extent, Choice::of(extent.shape(), shape, method))
}

/// The medians of a network that computes some rows at a time; None if another kernel is faster.
fn by_rows<'a, T: Sample>(
    image: Image<'a, T>,
    extent: Extent,
    edge: Edge,
    choice: &Choice,
    of_magnitudes: bool,
) -> Option<Medians<'a, T>> {
    let places @ (rows, cols) = extent.places(Shape::of(image), edge);
    let program = match choice {
        Choice::Network(program) => program,
        Choice::Adjacent => {
            return Some(Medians::Adjacent(Adjacent {
                image,
                window: extent.shape(),
                places,
                of_magnitudes,
            }));
        }
        Choice::Copy | Choice::Heap => return None,
    };
    let axis = extent.axis()?;
    let (border, lines) = match axis {
        Axis::X => (cols, image.rows()),
        Axis::Y => (rows, image.cols()),
    };
    lines::are_many(program, lines)
        .then(|| Lines::new(image, axis, program.clone(), border, of_magnitudes))
        .map(Medians::Lines)
}

/// Writes the medians of a kernel that computes all of them at once.
fn all_at_once<T: Sample>(
    image: Image<'_, T>,
    extent: Extent,
    edge: Edge,
    choice: &Choice,
    out: &mut [T],
) -> Result<(), Error> {
    match choice {
        Choice::Network(program) if extent.axis() == Some(Axis::Y) => image
            .transposed_by(out, |columns, out| {
                blocks::filter(columns, extent.transposed(), edge, program, out)
            }),
        Choice::Network(program) => blocks::filter(image, extent, edge, program, out),
        Choice::Heap => by_heap::filter(image, extent, edge, out),
        Choice::Adjacent => unreachable!("it computes some rows at a time"),
        Choice::Copy => {
            out.copy_from_slice(image.samples());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;
    use crate::median::network::lanes::{are_same, special_samples};
    use crate::{Axis, Edge, Image, Median, Sample, Window};

    fn median(axis: Option<Axis>, length: usize) -> Median {
        axis.map_or(Median::rectangle(1, 1), Median::along).window(length)
    }

    #[test]
    fn some_rows_are_those_of_all_medians() {
        let (rows, cols) = (150, 41);
        let samples = special_samples(f32::MAX, rows * cols, 1);
        let image = Image::new(&samples, rows, cols).unwrap();
        for axis in [Some(Axis::X), Some(Axis::Y), None] {
            for length in [1, 3, 5, 7, 33, 501] {
                let window = Window::new(length).unwrap();
                let all = median(axis, length).edge(Edge::Shrink).medians(image).unwrap();
                let filter = Filter::new(image, axis, window, Edge::Shrink).unwrap();
                for (first, end) in [(0, 150), (0, 1), (7, 150), (9, 9), (131, 149)] {
                    let mut some = vec![0.0; (end - first) * cols];
                    filter.rows(first, &mut some).unwrap();
                    assert!(are_same(&some, &all[first * cols..end * cols]));
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
                for length in [1, 5, 7, 31] {
                    let window = Window::new(length).unwrap();
                    let ours = Filter::of_magnitudes(image, axis, window, Edge::Zero).unwrap();
                    let all = median(axis, length).medians(positive).unwrap();
                    let mut found = vec![0.0; rows * cols];
                    ours.rows(0, &mut found).unwrap();
                    assert!(are_same(&found, &all));
                }
            }
        }
    }
}
