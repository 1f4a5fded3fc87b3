//! Selection networks over tiles: many lines at once, with NaN skipped without a branch.
//!
//! The NaNs of each line are replaced by +inf, -inf, +inf, ... in turn. A window then holds equal
//! numbers of +inf and -inf, or one more of that which replaced its first NaN. Let k be the length
//! of the window and h = (k - 1) / 2. The median of the valid samples has rank h if there are as
//! many +inf as -inf, h - 1/2 if there is one more +inf, and h + 1/2 if there is one more -inf. A
//! rank between two samples stands for their mean. If all samples are NaN, these two are -inf and
//! +inf, whose mean is NaN. (R's `runmed` replaces NaN in this way and approximates the median. The
//! choice of ranks makes it exact.)
//!
//! A tile has as many lines as `TILE_VECTORS` vectors have lanes.

use crate::lanes::{Lanes, Vectors};
use crate::median::infinities::Extremes;
use crate::median::network::table::{PLACE_VECTORS, Place, Table};
use crate::median::network::{
    CompiledNetwork, Program, Receiver, Source, WithCompiled, with_compiled,
};
use crate::{Error, Sample, memory};
use pulp::{Simd, WithSimd};
use std::marker::PhantomData;

/// Vectors in a row of a tile.
const TILE_VECTORS: usize = 8;

/// One row of a tile: a sample of each of its lines.
type Row<L> = Vectors<<L as Lanes>::V, TILE_VECTORS>;

/// A truth value for each line of a tile.
type Flags<L> = [<L as Lanes>::M; TILE_VECTORS];

/// The memory of some tiles side by side, in one instruction set.
pub(super) struct Tiles<'a, L: Lanes> {
    l: L,
    program: &'a Program,
    /// Medians in each line: a multiple of the program's block.
    height: usize,
    /// Samples in each line.
    inputs: usize,
    /// Whether magnitudes take the place of the samples.
    of_magnitudes: bool,
    /// The samples of one tile after the other, with NaNs replaced.
    filled: Vec<Row<L>>,
    /// For one tile after the other whether -inf replaces the next NaN, not +inf: before each
    /// sample, and after the last.
    negative: Vec<Flags<L>>,
    /// The medians of one tile.
    medians: Vec<Row<L>>,
    /// The memory in which a table runs.
    places: Vec<Place<L>>,
}

impl<'a, L: Lanes> Tiles<'a, L> {
    /// Lines in a tile.
    pub(super) const LINES: usize = TILE_VECTORS * L::WIDTH;

    /// `count` tiles for lines of `length` samples.
    pub(super) fn new(
        l: L,
        program: &'a Program,
        length: usize,
        count: usize,
        of_magnitudes: bool,
    ) -> Result<Self, Error> {
        let height = height(program, length);
        let inputs = height + program.window().cols - 1;
        let zero = l.splat(L::T::ZERO);
        let row = Vectors([zero; TILE_VECTORS]);
        let places = match program {
            Program::Table(table) => table.memory(l)?,
            Program::Compiled { .. } => Vec::new(),
        };
        Ok(Self {
            l,
            program,
            height,
            inputs,
            of_magnitudes,
            filled: memory::filled(row, inputs * count)?,
            negative: memory::filled([l.less(zero, zero); TILE_VECTORS], (inputs + 1) * count)?,
            medians: memory::filled(row, height)?,
            places,
        })
    }

    /// Medians in each line of a tile.
    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// Samples in each line of a tile.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// One row of medians of the tile that ran last, with one line in each lane.
    pub(super) fn row(&self, row: usize) -> &[L::T] {
        bytemuck::cast_slice(&self.medians[row].0)
    }

    /// Reads one row of all tiles. The rows are read in order, from the first.
    ///
    /// `samples` has a sample for every line, tile after tile. None is a row beyond the image,
    /// whose samples are `beyond`. Memory is read row by row, in its own order.
    #[inline(always)]
    pub(super) fn read_row(&mut self, row: usize, samples: Option<&[L::T]>, beyond: L::T) {
        let (l, of_magnitudes) = (self.l, self.of_magnitudes);
        let beyond = Vectors([l.splat(beyond); TILE_VECTORS]);
        let mut rest = samples.map(|samples| samples.chunks(Self::LINES));
        let tiles = self.filled.chunks_exact_mut(self.inputs);
        for (filled, next) in tiles.zip(self.negative.chunks_exact_mut(self.inputs + 1)) {
            let Some(next) = next[row..].first_chunk_mut() else {
                unreachable!("there is one more row of flags than of samples")
            };
            if row == 0 {
                let zero = l.splat(L::T::ZERO);
                next[0] = [l.less(zero, zero); TILE_VECTORS];
            }
            let filled = &mut filled[row];
            let Some(rest) = &mut rest else {
                fill_row(l, false, &beyond, filled, next);
                continue;
            };
            let Some(samples) = rest.next() else { return };
            if let Some(x) = L::vectors(samples).0.first_chunk() {
                fill_row(l, of_magnitudes, x, filled, next);
            } else {
                fill_row(l, of_magnitudes, &padded(l, samples), filled, next);
            }
        }
    }

    /// Computes the medians of `lines` lines of one tile.
    ///
    /// Returns false if some may be wrong. That is so if one is infinite, since the mean of two
    /// finite samples may have overflowed.
    #[inline(always)]
    pub(super) fn run(&mut self, tile: usize, lines: usize) -> bool {
        let program = self.program;
        let used = lines.div_ceil(L::WIDTH);
        match program {
            Program::Compiled { window, .. } => {
                let run = RunTile { tiles: self, tile, used };
                let Some(correct) = with_compiled(window.cols, run) else {
                    unreachable!("a compiled program has code for its window")
                };
                correct
            }
            Program::Table(table) => self.run_table(table, tile, used),
        }
    }

    #[inline(always)]
    fn run_block<B: CompiledNetwork>(&mut self, tile: usize, used: usize) -> bool {
        let l = self.l;
        let mut extremes = Extremes::new(l);
        let filled = &self.filled[tile * self.inputs..];
        let negative = &self.negative[tile * (self.inputs + 1)..];
        for v in 0..used.min(TILE_VECTORS) {
            for first in (0..self.height).step_by(B::BLOCK) {
                let samples = TileInputs(&filled[first..first + B::WINDOW + B::BLOCK - 1]);
                let mut medians = TileMedians {
                    l,
                    is_even: B::WINDOW.is_multiple_of(2),
                    first: 0,
                    start: &negative[first..first + B::BLOCK],
                    end: &negative[first + B::WINDOW..first + B::WINDOW + B::BLOCK],
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
        let places = self.places.as_mut_slice();
        let filled = &self.filled[tile * self.inputs..];
        let negative = &self.negative[tile * (self.inputs + 1)..];
        for v in (0..used.min(TILE_VECTORS)).step_by(PLACE_VECTORS) {
            for first in (0..self.height).step_by(table.block.cols) {
                for (place, row) in places.iter_mut().zip(&filled[first..first + table.inputs()]) {
                    for number in 0..PLACE_VECTORS {
                        place[number] = row[v + number];
                    }
                }
                let mut medians = TileMedians {
                    l,
                    is_even: table.window.cols.is_multiple_of(2),
                    first: v,
                    start: &negative[first..],
                    end: &negative[first + table.window.cols..],
                    out: &mut self.medians[first..],
                    extremes: &mut extremes,
                };
                table.run(l, places, &mut medians);
            }
        }
        extremes.are_finite()
    }
}

/// Medians in each line of a tile, for lines of `length` samples: so many that the tile reads few
/// further samples (`window - 1`) in comparison. All tiles of a line have about the same number.
pub(super) fn height(program: &Program, length: usize) -> usize {
    const HEIGHT: usize = 128;
    let tiles = length.div_ceil(HEIGHT).max(1);
    length.div_ceil(tiles).max(1).next_multiple_of(program.block().cols)
}

/// Replaces the NaNs of a row. `before` tells whether -inf replaces the next NaN of each line;
/// `after` becomes the same for the next row.
#[inline(always)]
fn fill_row<L: Lanes>(
    l: L,
    of_magnitudes: bool,
    x: &[L::V; TILE_VECTORS],
    filled: &mut Row<L>,
    [before, after]: &mut [Flags<L>; 2],
) {
    let (infinity, minus_infinity) =
        (l.splat(L::T::INFINITY), l.splat(L::T::ZERO - L::T::INFINITY));
    let all = l.equal(infinity, infinity);
    for v in 0..TILE_VECTORS {
        let (x, negative) = (if of_magnitudes { l.magnitude(x[v]) } else { x[v] }, before[v]);
        let valid = l.equal(x, x);
        filled[v] = l.select(valid, x, l.select(negative, minus_infinity, infinity));
        after[v] = l.differ(negative, l.differ(valid, all));
    }
}

/// A row of fewer lines than a tile has, completed by zeros.
#[cold]
fn padded<L: Lanes>(l: L, samples: &[L::T]) -> Row<L> {
    let mut row = Vectors([l.splat(L::T::ZERO); TILE_VECTORS]);
    let lanes: &mut [L::T] = bytemuck::cast_slice_mut(&mut row.0);
    for (lane, &sample) in lanes.iter_mut().zip(samples) {
        *lane = sample;
    }
    row
}

/// The samples in a block.
struct TileInputs<'t, L: Lanes>(&'t [Row<L>]);

impl<L: Lanes> Source<L> for TileInputs<'_, L> {
    #[inline(always)]
    fn get(&self, input: usize, v: usize) -> L::V {
        self.0[input][v]
    }
}

/// Computes the medians of a block from the outputs of its network.
struct TileMedians<'t, L: Lanes> {
    l: L,
    /// Whether the window has an even number of samples, hence two middle ranks, not three.
    is_even: bool,
    /// The vector of each row that is vector 0 of the network.
    first: usize,
    start: &'t [Flags<L>],
    end: &'t [Flags<L>],
    out: &'t mut [Row<L>],
    extremes: &'t mut Extremes<L>,
}

impl<L: Lanes> Receiver<L> for TileMedians<'_, L> {
    #[inline(always)]
    fn put(&mut self, which: usize, v: usize, middle: &impl Source<L>) {
        let at = self.first + v;
        let (start, end) = (self.start[which][at], self.end[which][at]);
        let median = if self.is_even {
            of_even(self.l, [middle.get(0, v), middle.get(1, v)], (start, end))
        } else {
            let middle = [middle.get(0, v), middle.get(1, v), middle.get(2, v)];
            of_odd(self.l, middle, (start, end))
        };
        self.extremes.include(self.l, median);
        self.out[which][at] = median;
    }
}

/// The median of a window of an odd number of samples from its middle ranks, and from whether -inf
/// would replace a NaN at its `start` and after its `end`.
#[inline(always)]
fn of_odd<L: Lanes>(l: L, [low, middle, high]: [L::V; 3], (start, end): (L::M, L::M)) -> L::V {
    let other = l.select(start, high, low);
    // If there are as many +inf as -inf, the median is the middle: the mean of it and itself.
    let other = l.select(l.differ(start, end), other, middle);
    l.mean(middle, other)
}

/// The same for an even number of samples.
#[inline(always)]
fn of_even<L: Lanes>(l: L, [low, high]: [L::V; 2], (start, end): (L::M, L::M)) -> L::V {
    // If there are as many +inf as -inf, the median is the mean of both; else it is one of them.
    let one = l.select(start, high, low);
    let (a, b) = (l.select(start, low, high), one);
    l.mean(l.select(l.differ(start, end), one, a), b)
}

/// Runs a compiled network on a tile, in a function of its own.
struct RunTile<'t, 'a, L: Lanes> {
    tiles: &'t mut Tiles<'a, L>,
    tile: usize,
    used: usize,
}

impl<L: Lanes> WithCompiled for RunTile<'_, '_, L> {
    type Output = bool;

    #[inline(always)]
    fn call<B: CompiledNetwork>(self) -> bool {
        struct RunTileBy<'t, 'a, L: Lanes, B> {
            tiles: &'t mut Tiles<'a, L>,
            tile: usize,
            used: usize,
            block: PhantomData<B>,
        }
        impl<L: Lanes, B: CompiledNetwork> WithSimd for RunTileBy<'_, '_, L, B> {
            type Output = bool;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> bool {
                self.tiles.run_block::<B>(self.tile, self.used)
            }
        }
        let RunTile { tiles, tile, used } = self;
        tiles.l.simd().vectorize(RunTileBy { tiles, tile, used, block: PhantomData::<B> })
    }
}
