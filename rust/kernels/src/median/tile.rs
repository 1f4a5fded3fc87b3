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

use super::block::{Block, Put, WithBlock, choose};
use super::lanes::{Lanes, Row, VECTORS};
use super::plan::Plan;
use super::table::Table;
use crate::Sample;
use bytemuck::Zeroable;
use pulp::{Simd, WithSimd};
use std::marker::PhantomData;

/// The memory of some tiles side by side, in one instruction set.
pub(super) struct Tiles<'a, L: Lanes> {
    l: L,
    plan: &'a Plan,
    /// Medians down each line; a multiple of the plan's block.
    height: usize,
    /// Samples that a tile takes in down each line.
    inputs: usize,
    /// Tile after tile the samples with their NaNs filled, then the slots of a table.
    filled: Vec<Row<L>>,
    /// Tile after tile what the next NaN becomes before each sample, and after the last.
    next: Vec<Row<L>>,
    /// The medians of one tile.
    medians: Vec<Row<L>>,
}

impl<'a, L: Lanes> Tiles<'a, L> {
    /// Lines in a tile.
    pub(super) const LINES: usize = VECTORS * L::WIDTH;

    /// `count` tiles for lines of `length` samples.
    pub(super) fn new(l: L, plan: &'a Plan, length: usize, count: usize) -> Self {
        let height = plan.height(length);
        let inputs = height + plan.window() - 1;
        let row = Row::<L>::zeroed();
        Self {
            l,
            plan,
            height,
            inputs,
            filled: vec![row; inputs * count + plan.slots()],
            next: vec![row; (inputs + 1) * count],
            medians: vec![row; height],
        }
    }

    /// Medians down each line of a tile.
    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// Samples that a tile takes in down each line.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The medians of the tile last run in one row, a lane a line.
    pub(super) fn row(&self, row: usize) -> &[L::T] {
        bytemuck::cast_slice(&self.medians[row])
    }

    /// Takes in one row of all tiles, the first row first.
    ///
    /// `samples` has a sample for every line, tile after tile; None is a row beyond the image, of
    /// samples `beyond`. Row by row, so that memory is read in its own order.
    #[inline(always)]
    pub(super) fn take_in(&mut self, row: usize, samples: Option<&[L::T]>, beyond: L::T) {
        let l = self.l;
        let beyond = [l.splat(beyond); VECTORS];
        let mut rest = samples.map(|samples| samples.chunks(Self::LINES));
        let tiles = self.filled.chunks_exact_mut(self.inputs);
        for (filled, next) in tiles.zip(self.next.chunks_exact_mut(self.inputs + 1)) {
            let Some(next) = next[row..].first_chunk_mut() else { return };
            if row == 0 {
                next[0] = [l.splat(L::T::INFINITY); VECTORS];
            }
            match &mut rest {
                None => fill_row(l, &beyond, &mut filled[row], next),
                Some(rest) => match rest.next() {
                    None => return,
                    Some(samples) => match L::vectors(samples).0.first_chunk() {
                        Some(x) => fill_row(l, x, &mut filled[row], next),
                        None => fill_row(l, &padded::<L>(samples), &mut filled[row], next),
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
    pub(super) fn run(&mut self, tile: usize, lines: usize) -> bool {
        let plan = self.plan;
        match plan {
            Plan::Compiled { window, .. } => {
                let used = lines.div_ceil(L::WIDTH);
                choose(*window, Compiled { tiles: self, tile, used }).unwrap_or(false)
            }
            Plan::Table(table) => self.run_table(table, tile),
        }
    }

    #[inline(always)]
    fn run_block<B: Block>(&mut self, tile: usize, used: usize) -> bool {
        let l = self.l;
        let (mut right, mut extremes) = (true, Extremes::new(l));
        let filled = &self.filled[tile * self.inputs..];
        let next = &self.next[tile * (self.inputs + 1)..];
        for v in 0..used.min(VECTORS) {
            for first in (0..self.height).step_by(B::BLOCK) {
                let mut medians = Medians {
                    l,
                    start: &next[first..first + B::BLOCK],
                    end: &next[first + B::WINDOW..first + B::WINDOW + B::BLOCK],
                    out: &mut self.medians[first..first + B::BLOCK],
                    extremes: &mut extremes,
                };
                right &= B::run(l, &filled[first..], v, &mut medians);
            }
        }
        right && extremes.are_finite()
    }

    #[inline(always)]
    fn run_table(&mut self, table: &Table, tile: usize) -> bool {
        let l = self.l;
        let (mut right, mut extremes) = (true, Extremes::new(l));
        let slots = self.filled.len() - table.slots;
        let next = &self.next[tile * (self.inputs + 1)..];
        for first in (0..self.height).step_by(table.block) {
            let mut medians = Medians {
                l,
                start: &next[first..],
                end: &next[first + table.window..],
                out: &mut self.medians[first..],
                extremes: &mut extremes,
            };
            right &=
                table.run(l, &mut self.filled, (tile * self.inputs + first, slots), &mut medians);
        }
        right && extremes.are_finite()
    }
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
fn padded<L: Lanes>(samples: &[L::T]) -> Row<L> {
    let mut row = Row::<L>::zeroed();
    let lanes: &mut [L::T] = bytemuck::cast_slice_mut(&mut row);
    for (lane, &sample) in lanes.iter_mut().zip(samples) {
        *lane = sample;
    }
    row
}

/// The medians of a block, where they are to go.
struct Medians<'t, L: Lanes> {
    l: L,
    start: &'t [Row<L>],
    end: &'t [Row<L>],
    out: &'t mut [Row<L>],
    extremes: &'t mut Extremes<L>,
}

impl<L: Lanes> Put<L> for Medians<'_, L> {
    #[inline(always)]
    fn put(&mut self, which: usize, v: usize, middle: [L::V; 3]) {
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
