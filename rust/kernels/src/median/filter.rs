//! Which kernel computes the medians of a window. It computes some rows at a time where it can, so
//! that the caller uses them while they are in cache.

use super::adjacent::{self, Adjacent};
use super::lines::{self, Lines};
use super::network::Program;
use super::network::builder::Shape;
use super::window::{Extent, centred};
use super::{Axis, Edge, Method, blocks, heap};
use crate::instructions::arch;
use crate::{Error, Image, Sample, memory};
use pulp::Arch;
use rayon::prelude::*;
use std::fmt;

/// A kernel of the running median.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kernel {
    /// A selection network that is compiled for the window.
    CompiledNetwork,
    /// A selection network in a table, which is built when its window is first used.
    NetworkTable,
    /// The double heap.
    DoubleHeap,
    /// None is needed: the window has one sample, or the image has none.
    Copy,
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CompiledNetwork => "compiled network",
            Self::NetworkTable => "network table",
            Self::DoubleHeap => "double heap",
            Self::Copy => "copy",
        })
    }
}

/// A kernel, with what it needs to run.
pub(super) enum Choice {
    /// Every median is the sample at its place.
    Copy,
    /// The double heap.
    Heap,
    /// The selection network of a small square.
    Adjacent,
    /// A selection network. Windows along a column use the network of windows along a row.
    Network(Program),
}

impl Choice {
    /// The kernel for a window, which is fitted to the image.
    ///
    /// # Errors
    /// [`Error::Memory`] if there is too little to build the table of a network.
    pub(super) fn of(window: Shape, image: Shape, method: Method) -> Result<Self, Error> {
        if window.len() == 1 || image.len() == 0 {
            return Ok(Self::Copy);
        }
        let window = if window.cols == 1 { Shape::line(window.rows) } else { window };
        let is_wanted = match method {
            Method::Auto => vectors_are_wide() && pays(window, image.len()),
            Method::Heap => false,
            Method::Network => window.rows > 1 || window.cols <= LONGEST_LINE,
        };
        if !is_wanted {
            return Ok(Self::Heap);
        }
        if adjacent::has_code(window) {
            return Ok(Self::Adjacent);
        }
        Ok(Program::of(window)?.map_or(Self::Heap, Self::Network))
    }

    /// The name of the kernel.
    pub(super) fn kernel(&self) -> Kernel {
        match self {
            Self::Copy => Kernel::Copy,
            Self::Heap => Kernel::DoubleHeap,
            Self::Adjacent | Self::Network(Program::Compiled { .. }) => Kernel::CompiledNetwork,
            Self::Network(Program::Table(_)) => Kernel::NetworkTable,
        }
    }
}

/// The longest window of one line for which a network is built: its values fit into the places of
/// a table.
const LONGEST_LINE: usize = 1501;

/// Whether the network is the faster kernel on an image of so many samples.
///
/// A compiled network nearly always is; that of a square needs some memory first. A table must be
/// built first, which takes longer than filtering a small image with the double heap. For large
/// rectangles the double heap is faster: it moves along the longer side. `make bench` measures
/// both.
fn pays(window: Shape, samples: usize) -> bool {
    const LEAST_COMPILED: usize = 128;
    const LEAST_PER_PLACE: usize = 25;
    const LEAST_PER_LINE: usize = 400;
    const LEAST_PER_SIDE: usize = 1500;
    const LONGEST_RECTANGLE_SIDE: usize = 61;
    let side = window.rows.max(window.cols);
    if adjacent::has_code(window) {
        samples >= LEAST_PER_PLACE * window.len()
    } else if window.rows == 1 && Program::has_code(side) {
        samples >= LEAST_COMPILED
    } else if window.rows > 1 {
        side <= LONGEST_RECTANGLE_SIDE && samples >= LEAST_PER_SIDE * side
    } else {
        side <= LONGEST_LINE && samples >= LEAST_PER_LINE * side
    }
}

/// Whether this machine has vector instructions that the kernels are compiled for.
fn vectors_are_wide() -> bool {
    !matches!(arch(), Arch::Scalar)
}

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
    let (extent, choice) = chosen(image, extent, edge, method)?;
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
    /// The running median of `length` samples along an axis, or over a square if there is none.
    ///
    /// # Errors
    /// [`Error::EvenWindow`] if the window has no middle. [`Error::WindowTooLarge`] if it holds
    /// 2^31 samples or more. [`Error::Memory`] if there is too little.
    pub(crate) fn new(
        image: Image<'a, T>,
        axis: Option<Axis>,
        length: usize,
        edge: Edge,
    ) -> Result<Self, Error> {
        Self::of(image, axis, length, edge, false)
    }

    /// As [`Filter::new`], for the running median of the magnitudes.
    pub(crate) fn of_magnitudes(
        image: Image<'a, T>,
        axis: Option<Axis>,
        length: usize,
        edge: Edge,
    ) -> Result<Self, Error> {
        Self::of(image, axis, length, edge, true)
    }

    fn of(
        image: Image<'a, T>,
        axis: Option<Axis>,
        length: usize,
        edge: Edge,
        of_magnitudes: bool,
    ) -> Result<Self, Error> {
        if length.is_multiple_of(2) {
            return Err(Error::EvenWindow(length));
        }
        let extent = Extent::of(axis, centred(length));
        let (extent, choice) = chosen(image, extent, edge, Method::Auto)?;
        if let Some(medians) = by_rows(image, extent, edge, &choice, of_magnitudes) {
            return Ok(Self { image, medians });
        }
        let mut all = memory::zeros(image.samples().len())?;
        if of_magnitudes {
            let magnitudes = image.samples().iter().map(|sample| sample.magnitude());
            let magnitudes = memory::collected(magnitudes)?;
            let magnitudes = Image::new(&magnitudes, image.rows(), image.cols())?;
            all_at_once(magnitudes, extent, edge, &choice, &mut all)?;
        } else {
            all_at_once(image, extent, edge, &choice, &mut all)?;
        }
        Ok(Self { image, medians: Medians::All(all) })
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
) -> Result<(Extent, Choice), Error> {
    let shape = Shape::of(image);
    let extent = extent.fitted_to(shape, edge);
    Ok((extent, Choice::of(extent.shape(), shape, method)?))
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
        Choice::Heap => heap::filter(image, extent, edge, out),
        Choice::Adjacent => unreachable!("it computes some rows at a time"),
        Choice::Copy => {
            out.copy_from_slice(image.samples());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, Kernel, vectors_are_wide};
    use crate::median::Method;
    use crate::testing::{are_same, special_samples};
    use crate::{Axis, Edge, Image, Median, Sample};

    fn of(height: usize, width: usize, rows: usize, cols: usize, method: Method) -> Kernel {
        Median::rectangle(height, width).method(method).kernel(rows, cols).unwrap()
    }

    #[test]
    fn the_faster_kernel_is_chosen() {
        let on_detector = |height, width| of(height, width, 1024, 1032, Method::Auto);
        if !vectors_are_wide() {
            assert_eq!(on_detector(1, 15), Kernel::DoubleHeap);
            return;
        }
        assert_eq!(on_detector(15, 1), Kernel::CompiledNetwork);
        assert_eq!(on_detector(1, 31), Kernel::CompiledNetwork);
        assert_eq!(on_detector(14, 1), Kernel::NetworkTable);
        assert_eq!(on_detector(33, 1), Kernel::NetworkTable);
        assert_eq!(on_detector(3, 3), Kernel::CompiledNetwork);
        assert_eq!(on_detector(7, 7), Kernel::CompiledNetwork);
        assert_eq!(on_detector(8, 8), Kernel::NetworkTable);
        assert_eq!(on_detector(7, 8), Kernel::NetworkTable);
        assert_eq!(on_detector(9, 9), Kernel::NetworkTable);
        assert_eq!(on_detector(1, 1503), Kernel::DoubleHeap);
        assert_eq!(on_detector(63, 63), Kernel::DoubleHeap);
        assert_eq!(of(9, 9, 100, 100, Method::Auto), Kernel::DoubleHeap);
        assert_eq!(of(3, 3, 10, 10, Method::Auto), Kernel::DoubleHeap);
        assert_eq!(of(3, 3, 20, 20, Method::Auto), Kernel::CompiledNetwork);
        assert_eq!(of(1, 33, 100, 100, Method::Auto), Kernel::DoubleHeap);
        assert_eq!(of(3, 1, 10, 10, Method::Auto), Kernel::DoubleHeap);
    }

    #[test]
    fn a_method_is_used_where_possible() {
        assert_eq!(of(1, 15, 10, 10, Method::Heap), Kernel::DoubleHeap);
        assert_eq!(of(1, 15, 10, 10, Method::Network), Kernel::CompiledNetwork);
        assert_eq!(of(5, 5, 10, 10, Method::Network), Kernel::CompiledNetwork);
        assert_eq!(of(5, 9, 10, 10, Method::Network), Kernel::NetworkTable);
        assert_eq!(of(1, 1503, 1, 10_000, Method::Network), Kernel::DoubleHeap);
        assert_eq!(of(1001, 1001, 5000, 5000, Method::Network), Kernel::DoubleHeap);
    }

    #[test]
    fn the_window_is_fitted_to_the_image() {
        assert_eq!(of(15, 15, 1, 10_000, Method::Network), Kernel::NetworkTable);
        assert_eq!(of(1, 10_001, 3, 7, Method::Network), Kernel::CompiledNetwork);
    }

    #[test]
    fn one_sample_or_none_is_copied() {
        for method in [Method::Auto, Method::Heap, Method::Network] {
            assert_eq!(of(1, 1, 10, 10, method), Kernel::Copy);
            assert_eq!(of(9, 9, 0, 10, method), Kernel::Copy);
            assert_eq!(of(9, 9, 10, 0, method), Kernel::Copy);
        }
    }

    #[test]
    fn images_beyond_all_bounds() {
        let most = usize::MAX;
        assert_eq!(of(most, most, most, most, Method::Auto), Kernel::DoubleHeap);
        assert_eq!(of(most, most, most, most, Method::Network), Kernel::DoubleHeap);
    }

    fn median(axis: Option<Axis>, length: usize) -> Median {
        axis.map_or(Median::rectangle(length, length), |axis| Median::along(axis, length))
    }

    #[test]
    fn some_rows_are_those_of_all_medians() {
        let (rows, cols) = (150, 41);
        let samples = special_samples(f32::MAX, rows * cols, 1);
        let image = Image::new(&samples, rows, cols).unwrap();
        for axis in [Some(Axis::X), Some(Axis::Y), None] {
            for length in [1, 3, 5, 7, 33, 501] {
                let all = median(axis, length).edge(Edge::Shrink).medians(image).unwrap();
                let filter = Filter::new(image, axis, length, Edge::Shrink).unwrap();
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
                    let ours = Filter::of_magnitudes(image, axis, length, Edge::Zero).unwrap();
                    let all = median(axis, length).medians(positive).unwrap();
                    let mut found = vec![0.0; rows * cols];
                    ours.rows(0, &mut found).unwrap();
                    assert!(are_same(&found, &all));
                }
            }
        }
    }
}
