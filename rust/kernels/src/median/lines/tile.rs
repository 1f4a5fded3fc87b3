//! Selection networks run over tiles: many lines at once, NaN skipped without a branch.
//!
//! Down each line the NaNs are replaced in turn by +inf, -inf, +inf, ... A window then holds as
//! many of the one as of the other, or one more of the one that its first NaN became. With an even
//! number of NaNs in a window of k, the median of its valid samples is the sample of rank
//! h = (k - 1) / 2; with an odd number it is the mean of ranks h and h - 1 where a +inf is in
//! excess, of ranks h and h + 1 where a -inf is. A window of nothing but NaN has -inf and +inf for
//! its two middles, whose mean is NaN. (R's `runmed` has such fillers, as an approximation; the
//! choice by parity makes them exact.)
//!
//! A tile is a number of rows over as many lines as `VECTORS` vectors have lanes.

use crate::Sample;
use crate::median::network::compiled::{Block, Put, Take, WithBlock, choose};
use crate::median::network::lanes::{Lanes, Row, VECTORS, Vectors};
use crate::median::network::program::Plan;
use crate::median::network::table::{self, Places, Table};
use pulp::{Simd, WithSimd};
use std::marker::PhantomData;

/// The memory of some tiles side by side, in one instruction set.
pub(crate) struct Tiles<'a, L: Lanes> {
    l: L,
    plan: &'a Plan,
    /// Medians down each line; a multiple of the plan's block.
    height: usize,
    /// Samples that a tile takes in down each line.
    inputs: usize,
    /// Tile after tile the samples with their NaNs filled.
    filled: Vec<Row<L>>,
    /// Tile after tile what the next NaN becomes before each sample, and after the last.
    next: Vec<Row<L>>,
    /// The medians of one tile.
    medians: Vec<Row<L>>,
    /// Where a table runs.
    places: Option<Box<Places<L>>>,
}

impl<'a, L: Lanes> Tiles<'a, L> {
    /// Lines in a tile.
    pub(crate) const LINES: usize = VECTORS * L::WIDTH;

    /// `count` tiles for lines of `length` samples.
    pub(crate) fn new(l: L, plan: &'a Plan, length: usize, count: usize) -> Self {
        let height = height(plan, length);
        let inputs = height + plan.window().cols - 1;
        let row = Vectors([l.splat(L::T::ZERO); VECTORS]);
        Self {
            l,
            plan,
            height,
            inputs,
            filled: vec![row; inputs * count],
            next: vec![row; (inputs + 1) * count],
            medians: vec![row; height],
            places: matches!(plan, Plan::Table(_)).then(|| Table::places(l)).flatten(),
        }
    }

    /// Medians down each line of a tile.
    pub(crate) fn height(&self) -> usize {
        self.height
    }

    /// Samples that a tile takes in down each line.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The medians of the tile last run in one row, a lane a line.
    pub(crate) fn row(&self, row: usize) -> &[L::T] {
        bytemuck::cast_slice(&self.medians[row].0)
    }

    /// Takes in one row of all tiles, the first row first.
    ///
    /// `samples` has a sample for every line, tile after tile; None is a row beyond the image, of
    /// samples `beyond`. Row by row, so that memory is read in its own order.
    #[inline(always)]
    pub(crate) fn take_in(&mut self, row: usize, samples: Option<&[L::T]>, beyond: L::T) {
        let l = self.l;
        let beyond = Vectors([l.splat(beyond); VECTORS]);
        let mut rest = samples.map(|samples| samples.chunks(Self::LINES));
        let tiles = self.filled.chunks_exact_mut(self.inputs);
        for (filled, next) in tiles.zip(self.next.chunks_exact_mut(self.inputs + 1)) {
            let Some(next) = next[row..].first_chunk_mut() else { return };
            if row == 0 {
                next[0] = Vectors([l.splat(L::T::INFINITY); VECTORS]);
            }
            match &mut rest {
                None => fill_row(l, &beyond, &mut filled[row], next),
                Some(rest) => match rest.next() {
                    None => return,
                    Some(samples) => match L::vectors(samples).0.first_chunk() {
                        Some(&x) => fill_row(l, &Vectors(x), &mut filled[row], next),
                        None => fill_row(l, &padded(l, samples), &mut filled[row], next),
                    },
                },
            }
        }
    }

    /// Computes the medians of `lines` lines of one tile.
    ///
    /// Returns whether they are right: not where infinities are among them, since then the mean of
    /// two finite samples may have overflowed.
    #[inline(always)]
    pub(crate) fn run(&mut self, tile: usize, lines: usize) -> bool {
        let plan = self.plan;
        let used = lines.div_ceil(L::WIDTH);
        match plan {
            Plan::Compiled { window, .. } => {
                choose(window.cols, Compiled { tiles: self, tile, used }).unwrap_or(false)
            }
            Plan::Table(table) => self.run_table(table, tile, used),
        }
    }

    #[inline(always)]
    fn run_block<B: Block>(&mut self, tile: usize, used: usize) -> bool {
        let l = self.l;
        let mut extremes = Extremes::new(l);
        let filled = &self.filled[tile * self.inputs..];
        let next = &self.next[tile * (self.inputs + 1)..];
        for v in 0..used.min(VECTORS) {
            for first in (0..self.height).step_by(B::BLOCK) {
                let samples = Samples(&filled[first..first + B::WINDOW + B::BLOCK - 1]);
                let mut medians = Medians {
                    l,
                    first: 0,
                    start: &next[first..first + B::BLOCK],
                    end: &next[first + B::WINDOW..first + B::WINDOW + B::BLOCK],
                    out: &mut self.medians[first..first + B::BLOCK],
                    extremes: &mut extremes,
                };
                B::run(l, &samples, v, &mut medians);
            }
        }
        extremes.are_finite()
    }

    #[inline(always)]
    fn run_table(&mut self, table: &Table, tile: usize, used: usize) -> bool {
        let l = self.l;
        let mut extremes = Extremes::new(l);
        let Some(places) = &mut self.places else { return false };
        let filled = &self.filled[tile * self.inputs..];
        let next = &self.next[tile * (self.inputs + 1)..];
        for v in (0..used.min(VECTORS)).step_by(table::VECTORS) {
            for first in (0..self.height).step_by(table.block.cols) {
                for (place, row) in places.iter_mut().zip(&filled[first..first + table.inputs()]) {
                    place.copy_from_slice(&row[v..v + table::VECTORS]);
                }
                let mut medians = Medians {
                    l,
                    first: v,
                    start: &next[first..],
                    end: &next[first + table.window.cols..],
                    out: &mut self.medians[first..],
                    extremes: &mut extremes,
                };
                table.run(l, places, &mut medians);
            }
        }
        extremes.are_finite()
    }
}

/// Medians down a tile of lines of `length` samples: enough to make the `window - 1` further
/// samples that it takes in a small part.
pub(crate) fn height(plan: &Plan, length: usize) -> usize {
    const HEIGHT: usize = 128;
    HEIGHT.min(length).next_multiple_of(plan.block().cols)
}

/// Fills the NaNs of a row; from what the next becomes before it, notes the same after it.
#[inline(always)]
fn fill_row<L: Lanes>(l: L, x: &Row<L>, filled: &mut Row<L>, [before, after]: &mut [Row<L>; 2]) {
    for v in 0..VECTORS {
        let (x, next) = (x[v], before[v]);
        let valid = l.equal(x, x);
        filled[v] = l.select(valid, x, next);
        after[v] = l.select(valid, next, l.negated(next));
    }
}

/// A row with fewer lines than a tile has; those that are not there get zeros.
#[cold]
fn padded<L: Lanes>(l: L, samples: &[L::T]) -> Row<L> {
    let mut row = Vectors([l.splat(L::T::ZERO); VECTORS]);
    let lanes: &mut [L::T] = bytemuck::cast_slice_mut(&mut row.0);
    for (lane, &sample) in lanes.iter_mut().zip(samples) {
        *lane = sample;
    }
    row
}

/// The samples that a block sees.
struct Samples<'t, L: Lanes>(&'t [Row<L>]);

impl<L: Lanes> Take<L> for Samples<'_, L> {
    #[inline(always)]
    fn take(&self, input: usize, v: usize) -> L::V {
        self.0[input][v]
    }
}

/// The medians of a block, where they are to go.
struct Medians<'t, L: Lanes> {
    l: L,
    /// The vector of the rows that is the network's first.
    first: usize,
    start: &'t [Row<L>],
    end: &'t [Row<L>],
    out: &'t mut [Row<L>],
    extremes: &'t mut Extremes<L>,
}

impl<L: Lanes> Put<L> for Medians<'_, L> {
    #[inline(always)]
    fn put(&mut self, which: usize, v: usize, middle: &impl Take<L>) {
        let middle = [middle.take(0, v), middle.take(1, v), middle.take(2, v)];
        let v = self.first + v;
        let parity = (self.start[which][v], self.end[which][v]);
        let median = median(self.l, middle, parity);
        self.extremes.see(self.l, median);
        self.out[which][v] = median;
    }
}

/// The median of a window from its middle ranks and from what a NaN would have become at its
/// `start` and after its end.
#[inline(always)]
fn median<L: Lanes>(l: L, [low, middle, high]: [L::V; 3], (start, end): (L::V, L::V)) -> L::V {
    let positive = l.less(l.splat(L::T::ZERO), start);
    let other = l.select(positive, low, high);
    // As many of the one filler as of the other: the middle itself, of which this is the mean.
    let other = l.select(l.equal(start, end), middle, other);
    l.mean(middle, other)
}

/// The least and the greatest median, lane by lane.
struct Extremes<L: Lanes> {
    least: L::V,
    greatest: L::V,
}

impl<L: Lanes> Extremes<L> {
    #[inline(always)]
    fn new(l: L) -> Self {
        let zero = l.splat(L::T::ZERO);
        Self { least: zero, greatest: zero }
    }

    #[inline(always)]
    fn see(&mut self, l: L, median: L::V) {
        // Where the median is NaN most instruction sets give the second operand. Where NaN comes
        // out instead, the medians are taken for wrong, which costs time and nothing else.
        self.least = l.min(median, self.least);
        self.greatest = l.max(median, self.greatest);
    }

    fn are_finite(&self) -> bool {
        let extremes = [self.least, self.greatest];
        bytemuck::cast_slice::<L::V, L::T>(&extremes).iter().all(|extreme| extreme.is_finite())
    }
}

/// A tile to be run through a compiled network, in a function of its own.
struct Compiled<'t, 'a, L: Lanes> {
    tiles: &'t mut Tiles<'a, L>,
    tile: usize,
    used: usize,
}

impl<L: Lanes> WithBlock for Compiled<'_, '_, L> {
    type Output = bool;

    #[inline(always)]
    fn call<B: Block>(self) -> bool {
        struct Run<'t, 'a, L: Lanes, B> {
            tiles: &'t mut Tiles<'a, L>,
            tile: usize,
            used: usize,
            block: PhantomData<B>,
        }
        impl<L: Lanes, B: Block> WithSimd for Run<'_, '_, L, B> {
            type Output = bool;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> bool {
                self.tiles.run_block::<B>(self.tile, self.used)
            }
        }
        let Compiled { tiles, tile, used } = self;
        tiles.l.simd().vectorize(Run { tiles, tile, used, block: PhantomData::<B> })
    }
}
