//! Images cut into tiles: selection networks over the lines of either axis.

use crate::median::network::lanes::Vectorized;
use crate::median::network::program::{Plan, line};
mod tile;

use super::{Axis, Edge, RunningMedian, Window};
use crate::{Error, Image, Sample};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::marker::PhantomData;
use tile::Tiles;

/// Whether the network is the faster kernel for an image.
///
/// A compiled network pays at once. A table has to be built first; see the table of `make bench`.
pub(crate) fn pays(window: Window, lines: usize, length: usize) -> bool {
    let least = if Plan::is_compiled(window.len()) { FEW } else { SAMPLES_PER_TAP * window.len() };
    window.len() <= LONGEST && lines * length >= least && vectors_are_wide()
}

/// Whether there are enough lines to fill vectors with a line in each lane.
///
/// Otherwise it is better to cut the lines into blocks, one a lane, though laying them out takes
/// about as long as a short window's network.
pub(crate) fn are_many(window: Window, lines: usize) -> bool {
    lines > if Plan::is_compiled(window.len()) { 4 } else { 16 }
}

/// Tiles side by side in memory, whatever the image's width: enough to read its rows in long runs,
/// few enough to stay in cache.
const BAND: usize = 8;

/// The longest window of which a network is ever built: its values fit the places of a table.
pub(crate) const LONGEST: usize = 1501;

/// Samples from which on a compiled network pays.
const FEW: usize = 128;

/// Samples, in units of the window, from which on building a table pays.
const SAMPLES_PER_TAP: usize = 400;

/// Whether this machine has vectors that the kernels are compiled for.
pub(crate) fn vectors_are_wide() -> bool {
    !matches!(Arch::new(), Arch::Scalar)
}

/// Running median along an axis of an image that is not empty, by a window of at least 3.
///
/// `then` is called with each run of rows when it is done. None if the window is too long for a
/// network.
pub(crate) fn along<T: Sample>(
    image: Image<'_, T>,
    axis: Axis,
    window: Window,
    edge: Edge,
    then: &(impl Fn(&mut [T], &[T]) + Sync),
) -> Result<Option<Vec<T>>, Error> {
    let Some(plan) = Plan::of(line(window.len())) else { return Ok(None) };
    let plan: &Plan = &plan;
    let heap = RunningMedian::new(window.len())?;
    let arch = Arch::new();
    let step = match axis {
        Axis::Y => tile::height(plan, image.rows()),
        Axis::X => arch.dispatch(Lines(PhantomData::<T>)),
    };
    let rows = share(image.rows(), step);
    let mut out = vec![T::ZERO; image.samples().len()];
    let chunks = out.par_chunks_mut(rows * image.cols());
    let chunks = chunks.zip(image.samples().par_chunks(rows * image.cols()));
    chunks.enumerate().for_each(|(chunk, (out, samples))| {
        let strip = Strip {
            image,
            plan,
            half: window.half(),
            fill: edge.fill(),
            heap: &heap,
            first: chunk * rows,
        };
        match axis {
            Axis::Y => arch.dispatch(Columns(strip, &mut *out)),
            Axis::X => arch.dispatch(Rows(strip, &mut *out)),
        }
        then(out, samples);
    });
    Ok(Some(out))
}

/// Rows for each task: a multiple of `step`, few enough to share the work out evenly, many enough
/// that a task's memory is worth its making.
fn share(rows: usize, step: usize) -> usize {
    const TASKS: usize = 2;
    let each = rows.div_ceil(TASKS * rayon::current_num_threads());
    each.next_multiple_of(step)
}

/// The number of lines in a tile.
struct Lines<T>(PhantomData<T>);

impl<T: Sample> WithSimd for Lines<T> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        Tiles::<<T as Vectorized>::Lanes<S>>::LINES
    }
}

/// Some rows of the medians, to be computed.
struct Strip<'a, T> {
    image: Image<'a, T>,
    plan: &'a Plan,
    half: usize,
    fill: T,
    heap: &'a RunningMedian<T>,
    /// The first of the rows.
    first: usize,
}

impl<T: Sample> Strip<'_, T> {
    /// The medians of one line by the double heap, where the network's may be wrong.
    ///
    /// `places` are the rows and columns of its samples, some of which may lie beyond the image.
    fn by_heap<'o>(
        &self,
        places: impl Iterator<Item = (Option<usize>, Option<usize>)>,
        out: impl Iterator<Item = &'o mut T>,
    ) {
        let sample = |(y, x): (Option<usize>, Option<usize>)| {
            let row = self.image.row(y?);
            row.get(x?).copied()
        };
        let samples = places.map(|place| sample(place).unwrap_or(self.fill));
        self.heap.clone().run(samples, self.half, out);
    }
}

/// Lines that run down the image: a tile's rows are rows of the image.
struct Columns<'a, T>(Strip<'a, T>, &'a mut [T]);

impl<T: Sample> WithSimd for Columns<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(strip, out) = self;
        let (rows, cols) = (strip.image.rows(), strip.image.cols());
        let lines = Tiles::<T::Lanes<S>>::LINES;
        let count = cols.div_ceil(lines).min(BAND);
        let mut tiles = Tiles::new(T::lanes(simd), strip.plan, rows, count);
        let height = tiles.height();
        for (chunk, out) in out.chunks_mut(height * cols).enumerate() {
            let top = strip.first + chunk * height;
            let place = |row| usize::checked_sub(top + row, strip.half);
            for left in (0..cols).step_by(count * lines) {
                let right = cols.min(left + count * lines);
                for row in 0..tiles.inputs() {
                    let y = place(row).filter(|&y| y < rows);
                    let samples = y.map(|y| &strip.image.row(y)[left..right]);
                    tiles.take_in(row, samples, strip.fill);
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
                        let places = (0..tiles.inputs()).map(|row| (place(row), Some(x)));
                        strip.by_heap(places, out.iter_mut().skip(x).step_by(cols));
                    }
                }
            }
        }
    }
}

/// Lines that run along the image: a tile's rows are its columns.
struct Rows<'a, T>(Strip<'a, T>, &'a mut [T]);

impl<T: Sample> WithSimd for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(strip, out) = self;
        let cols = strip.image.cols();
        let lines = Tiles::<T::Lanes<S>>::LINES;
        let mut tiles = Tiles::new(T::lanes(simd), strip.plan, cols, 1);
        let mut turned = vec![T::ZERO; tiles.inputs() * lines];
        for (chunk, out) in out.chunks_mut(lines * cols).enumerate() {
            let first = strip.first + chunk * lines;
            for x in (0..cols).step_by(tiles.height()) {
                let end = cols.min(x + tiles.height());
                let place = |row| usize::checked_sub(x + row, strip.half);
                let start = x.saturating_sub(strip.half);
                let stop = cols.min(end + strip.half);
                let rows =
                    (first..first + out.len() / cols).map(|y| &strip.image.row(y)[start..stop]);
                turn(&rows.collect::<Vec<_>>(), &mut turned, lines);
                for row in 0..tiles.inputs() {
                    let at = place(row).filter(|&at| at < cols);
                    let samples = at.map(|at| &turned[(at - start) * lines..][..lines]);
                    tiles.take_in(row, samples, strip.fill);
                }
                let right = tiles.run(0, out.len() / cols);
                let mut out: Vec<_> =
                    out.chunks_exact_mut(cols).map(|row| &mut row[x..end]).collect();
                if right {
                    turn_back(|row| tiles.row(row), &mut out);
                    continue;
                }
                for (lane, out) in out.into_iter().enumerate() {
                    let places = (0..tiles.inputs()).map(|row| (Some(first + lane), place(row)));
                    strip.by_heap(places, out.iter_mut());
                }
            }
        }
    }
}

/// Rows turned at a time: the samples of so many rows lie side by side.
const TURNED: usize = 8;

/// Writes the columns of `rows`, which are equally long, as rows of `lines` samples.
fn turn<T: Sample>(rows: &[&[T]], turned: &mut [T], lines: usize) {
    for (group, rows) in rows.chunks(TURNED).enumerate() {
        for (column, turned) in turned.chunks_exact_mut(lines).take(rows[0].len()).enumerate() {
            for (turned, row) in turned[group * TURNED..].iter_mut().zip(rows) {
                *turned = row[column];
            }
        }
    }
}

/// Writes the columns of medians, given row by row, to the rows of `out`, equally long.
fn turn_back<'m, T: Sample>(medians: impl Fn(usize) -> &'m [T], out: &mut [&mut [T]]) {
    for (group, out) in out.chunks_mut(TURNED).enumerate() {
        for column in 0..out[0].len() {
            for (out, &median) in out.iter_mut().zip(&medians(column)[group * TURNED..]) {
                out[column] = median;
            }
        }
    }
}
