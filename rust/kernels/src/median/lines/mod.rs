//! Selection networks over the lines of either axis, with one line in each lane.
//!
//! The image is divided into tiles, which `tile` runs.

mod tile;

use super::network::lanes::Vectorized;
use super::network::program::Program;
use super::{Axis, Edge, Finished, RunningMedian};
use crate::{Error, Image, Sample};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::marker::PhantomData;
use tile::Tiles;

/// Whether there are enough lines to fill vectors with a line in each lane.
///
/// Otherwise `blocks` is faster, which puts a block of windows in each lane. It must rearrange the
/// samples first, which takes about as long as the network of a short window.
pub(super) fn are_many(program: &Program, lines: usize) -> bool {
    lines > if program.is_compiled() { 4 } else { 16 }
}

/// Tiles side by side in memory, for images of any width: enough to read rows in long runs, few
/// enough to stay in cache.
const TILES_ABREAST: usize = 8;

/// Running median along an axis of an image that is not empty, by the program of a line.
///
/// Calls `then` with each finished strip.
pub(super) fn along<T: Sample, C: Send>(
    image: Image<'_, T>,
    axis: Axis,
    program: &Program,
    edge: Edge,
    out: &mut [T],
    companions: &mut [C],
    then: &(impl Fn(Finished<'_, T, C>) + Sync),
) -> Result<(), Error> {
    let window = program.window().cols;
    let heap = RunningMedian::new(window)?;
    let arch = Arch::new();
    let step = match axis {
        Axis::Y => tile::height(program, image.rows()),
        Axis::X => arch.dispatch(LinesOfATile(PhantomData::<T>)),
    };
    let rows = rows_of_a_strip(image.rows(), step);
    let length = rows * image.cols();
    let strips = out.par_chunks_mut(length).zip(image.samples().par_chunks(length));
    let strips = strips.zip(companions.par_chunks_mut(length)).enumerate();
    strips.for_each(|(number, ((medians, samples), companions))| {
        let strip = Strip {
            image,
            program,
            half: window / 2,
            beyond: edge.beyond(),
            heap: &heap,
            first: number * rows,
        };
        match axis {
            Axis::Y => arch.dispatch(DownColumns(strip, &mut *medians)),
            Axis::X => arch.dispatch(AlongRows(strip, &mut *medians)),
        }
        then(Finished { first: number * rows, medians, samples, companions });
    });
    Ok(())
}

/// Rows for each task: a multiple of `step`, few enough that all threads get about the same number,
/// many enough to be worth the memory that a task allocates.
fn rows_of_a_strip(rows: usize, step: usize) -> usize {
    const TASKS_PER_THREAD: usize = 2;
    let each = rows.div_ceil(TASKS_PER_THREAD * rayon::current_num_threads());
    each.next_multiple_of(step)
}

/// The number of lines in a tile.
struct LinesOfATile<T>(PhantomData<T>);

impl<T: Sample> WithSimd for LinesOfATile<T> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        Tiles::<<T as Vectorized>::Lanes<S>>::LINES
    }
}

/// The rows of medians that one task computes.
struct Strip<'a, T> {
    image: Image<'a, T>,
    program: &'a Program,
    half: usize,
    beyond: T,
    heap: &'a RunningMedian<T>,
    /// The first of the rows.
    first: usize,
}

impl<T: Sample> Strip<'_, T> {
    /// The medians of one line by the double heap, where those of the network may be wrong.
    ///
    /// `pixels` are the rows and columns of its samples. Some may lie beyond the image.
    fn line_by_heap<'o>(
        &self,
        pixels: impl Iterator<Item = (Option<usize>, Option<usize>)>,
        out: impl Iterator<Item = &'o mut T>,
    ) {
        let sample = |(y, x): (Option<usize>, Option<usize>)| {
            let row = self.image.row(y?);
            row.get(x?).copied()
        };
        let samples = pixels.map(|pixel| sample(pixel).unwrap_or(self.beyond));
        self.heap.clone().run(samples, self.half, out);
    }
}

/// Medians of lines down the image: the rows of a tile are rows of the image.
struct DownColumns<'a, T>(Strip<'a, T>, &'a mut [T]);

impl<T: Sample> WithSimd for DownColumns<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(strip, out) = self;
        let (rows, cols) = (strip.image.rows(), strip.image.cols());
        let lines = Tiles::<T::Lanes<S>>::LINES;
        let count = cols.div_ceil(lines).min(TILES_ABREAST);
        let mut tiles = Tiles::new(T::lanes(simd), strip.program, rows, count);
        let height = tiles.height();
        for (chunk, out) in out.chunks_mut(height * cols).enumerate() {
            let top = strip.first + chunk * height;
            let position = |row| usize::checked_sub(top + row, strip.half);
            for left in (0..cols).step_by(count * lines) {
                let right = cols.min(left + count * lines);
                for row in 0..tiles.inputs() {
                    let y = position(row).filter(|&y| y < rows);
                    let samples = y.map(|y| &strip.image.row(y)[left..right]);
                    tiles.read_row(row, samples, strip.beyond);
                }
                for (tile, x) in (left..right).step_by(lines).enumerate() {
                    let end = right.min(x + lines);
                    if tiles.run(tile, end - x) {
                        for (row, out) in out.chunks_exact_mut(cols).enumerate() {
                            out[x..end].copy_from_slice(&tiles.row(row)[..end - x]);
                        }
                        continue;
                    }
                    for x in x..end {
                        let pixels = (0..tiles.inputs()).map(|row| (position(row), Some(x)));
                        strip.line_by_heap(pixels, out.iter_mut().skip(x).step_by(cols));
                    }
                }
            }
        }
    }
}

/// Medians of lines along the rows: the rows of a tile are columns of the image.
struct AlongRows<'a, T>(Strip<'a, T>, &'a mut [T]);

impl<T: Sample> WithSimd for AlongRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(strip, out) = self;
        let cols = strip.image.cols();
        let lines = Tiles::<T::Lanes<S>>::LINES;
        let mut tiles = Tiles::new(T::lanes(simd), strip.program, cols, 1);
        let mut transposed = vec![T::ZERO; tiles.inputs() * lines];
        for (chunk, out) in out.chunks_mut(lines * cols).enumerate() {
            let first = strip.first + chunk * lines;
            for x in (0..cols).step_by(tiles.height()) {
                let end = cols.min(x + tiles.height());
                let position = |row| usize::checked_sub(x + row, strip.half);
                let start = x.saturating_sub(strip.half);
                let stop = cols.min(end + strip.half);
                let rows =
                    (first..first + out.len() / cols).map(|y| &strip.image.row(y)[start..stop]);
                transpose(&rows.collect::<Vec<_>>(), &mut transposed, lines);
                for row in 0..tiles.inputs() {
                    let at = position(row).filter(|&at| at < cols);
                    let samples = at.map(|at| &transposed[(at - start) * lines..][..lines]);
                    tiles.read_row(row, samples, strip.beyond);
                }
                let correct = tiles.run(0, out.len() / cols);
                let mut out: Vec<_> =
                    out.chunks_exact_mut(cols).map(|row| &mut row[x..end]).collect();
                if correct {
                    transpose_back(|row| tiles.row(row), &mut out);
                    continue;
                }
                for (lane, out) in out.into_iter().enumerate() {
                    let pixels = (0..tiles.inputs()).map(|row| (Some(first + lane), position(row)));
                    strip.line_by_heap(pixels, out.iter_mut());
                }
            }
        }
    }
}

/// The number of rows that are transposed at a time.
const ROWS_AT_ONCE: usize = 8;

/// Writes the columns of `rows`, which have equal lengths, as rows of `lines` samples.
fn transpose<T: Sample>(rows: &[&[T]], out: &mut [T], lines: usize) {
    for (group, rows) in rows.chunks(ROWS_AT_ONCE).enumerate() {
        for (column, out) in out.chunks_exact_mut(lines).take(rows[0].len()).enumerate() {
            for (out, row) in out[group * ROWS_AT_ONCE..].iter_mut().zip(rows) {
                *out = row[column];
            }
        }
    }
}

/// Writes the columns of the medians to the rows of `out`, which have equal lengths.
///
/// `medians` returns a row of them.
fn transpose_back<'m, T: Sample>(medians: impl Fn(usize) -> &'m [T], out: &mut [&mut [T]]) {
    for (group, out) in out.chunks_mut(ROWS_AT_ONCE).enumerate() {
        for column in 0..out[0].len() {
            for (out, &median) in out.iter_mut().zip(&medians(column)[group * ROWS_AT_ONCE..]) {
                out[column] = median;
            }
        }
    }
}
