//! Selection networks of small squares, with adjacent windows in the lanes.
//!
//! The samples need not be rearranged, as they are for `lines` and `blocks`. Windows that lie one
//! below the other form a block and share rows; adjacent windows share columns. The values that
//! adjacent windows share are computed once and kept (`build/stages.rs`).
//!
//! NaNs are replaced by infinities as `infinities` describes, but the signs alternate down each
//! column, by itself, which needs no branch. The surplus of a column in a window is then 0, 1 or
//! -1. It is half the sign that the next NaN gets at the first row of the window, minus half the
//! sign that it gets below the last. [`Tile`] keeps these halves, summed over the columns of each
//! window.

use super::infinities::{Extremes, note_infinite, select};
use super::network::builder::Shape;
use super::network::{AdjacentNetwork, Kept, Receiver, Source, WithAdjacent, with_adjacent};
use super::strip::Strip;
use super::window::Border;
use crate::instructions::arch;
use crate::lanes::Lanes;
use crate::{Error, Image, Sample, memory};
use pulp::{Simd, WithSimd};
use std::marker::PhantomData;

/// Rows of medians whose samples are read at a time: few enough to stay in cache, many in
/// comparison with the further rows of their windows. A multiple of all blocks.
pub(super) const ROWS: usize = 16;

/// The most columns of medians that are computed at a time: few, so that the kept values stay in
/// cache, but many, since a value can be read across two vectors only some time after these were
/// written.
const COLS: usize = 1024 + 48;

/// The running median over small squares.
pub(super) struct Adjacent<'a, T> {
    pub(super) image: Image<'a, T>,
    pub(super) window: Shape,
    /// The places of the windows in the rows and in the columns of the image.
    pub(super) places: (Border, Border),
    /// Whether the medians are those of the magnitudes.
    pub(super) of_magnitudes: bool,
}

/// Whether there is a network for a window.
pub(super) fn has_code(window: Shape) -> bool {
    struct HasCode;
    impl WithAdjacent for HasCode {
        type Output = ();
        fn call<N: AdjacentNetwork>(self) {}
    }
    with_adjacent(window, HasCode).is_some()
}

impl<T: Sample> Adjacent<'_, T> {
    /// Writes some rows of medians, from row `first` on.
    pub(super) fn rows(&self, first: usize, out: &mut [T]) -> Result<(), Error> {
        let &Self { image, window, places, of_magnitudes } = self;
        let medians = Shape { rows: out.len() / image.cols(), cols: image.cols() };
        let strip = Strip { image, window, places, of_magnitudes, first: (first, 0), medians };
        arch().dispatch(SomeRows { strip, out })
    }
}

/// Some rows of medians.
struct SomeRows<'a, 'o, T> {
    strip: Strip<'a, T>,
    out: &'o mut [T],
}

impl<T: Sample> WithSimd for SomeRows<'_, '_, T> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<(), Error> {
        let Some(result) = with_adjacent(self.strip.window, RunRows(T::lanes(simd), self)) else {
            unreachable!("the window has a network")
        };
        result
    }
}

/// Computes some rows of medians, in a function for each network.
struct RunRows<'a, 'o, L: Lanes>(L, SomeRows<'a, 'o, L::T>);

impl<L: Lanes> WithAdjacent for RunRows<'_, '_, L> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn call<N: AdjacentNetwork>(self) -> Result<(), Error> {
        struct RunRowsBy<'a, 'o, L: Lanes, N>(RunRows<'a, 'o, L>, PhantomData<N>);
        impl<L: Lanes, N: AdjacentNetwork> WithSimd for RunRowsBy<'_, '_, L, N> {
            type Output = Result<(), Error>;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Result<(), Error> {
                let RunRows(l, SomeRows { strip, out }) = self.0;
                run_rows::<L, N>(l, &strip, out)
            }
        }
        self.0.simd().vectorize(RunRowsBy(self, PhantomData::<N>))
    }
}

/// Computes all medians of a strip, tile by tile.
#[inline(always)]
fn run_rows<L: Lanes, N: AdjacentNetwork>(
    l: L,
    strip: &Strip<'_, L::T>,
    out: &mut [L::T],
) -> Result<(), Error> {
    let Shape { rows, cols } = strip.medians;
    if rows == 0 {
        return Ok(());
    }
    let most = Shape { rows: ROWS.min(rows), cols: cols.div_ceil(cols.div_ceil(COLS)) };
    let mut tile = Tile::new(l, strip.window, most.rows.next_multiple_of(N::BLOCK))?;
    let mut kept = Rows::new(l, N::KEPT)?;
    let mut doubtful = Vec::new();
    for top in (0..rows).step_by(most.rows) {
        for left in (0..cols).step_by(most.cols) {
            let shape = Shape { rows: most.rows.min(rows - top), cols: most.cols.min(cols - left) };
            let first = (strip.first.0 + top, strip.first.1 + left);
            tile.read(&Strip { first, medians: shape, ..*strip });
            let out = &mut out[top * cols + left..];
            let mut medians = Part { out, pitch: cols, shape, first: (top, left) };
            run_tile::<L, N>(l, &tile, &mut kept, &mut medians, &mut doubtful)?;
        }
    }
    strip.compute_again(&mut doubtful, out)
}

/// Computes the medians of a tile, and adds the pixels of infinite ones to `doubtful`.
#[inline(always)]
fn run_tile<L: Lanes, N: AdjacentNetwork>(
    l: L,
    tile: &Tile<L>,
    kept: &mut Rows<L>,
    medians: &mut Part<'_, L::T>,
    doubtful: &mut Vec<(usize, usize)>,
) -> Result<(), Error> {
    let Shape { rows, cols } = medians.shape;
    for top in (0..rows).step_by(N::BLOCK) {
        let rows = N::BLOCK.min(rows - top);
        let mut block = Block {
            l,
            tile,
            top,
            ranks: N::RANKS,
            extremes: Extremes::new(l),
            out: &mut medians.out[top * medians.pitch..],
            pitch: medians.pitch,
            shape: Shape { rows, cols },
        };
        N::run(l, &tile.samples.from(top), &mut kept.view_mut(), cols, &mut block);
        if !block.extremes.are_finite() {
            for row in top..top + rows {
                let first = (medians.first.0 + row, medians.first.1);
                note_infinite(&medians.out[row * medians.pitch..][..cols], first, 1, doubtful)?;
            }
        }
    }
    Ok(())
}

/// The medians of a tile, in those of an image.
struct Part<'o, T> {
    out: &'o mut [T],
    /// The distance of rows.
    pitch: usize,
    shape: Shape,
    /// The pixel of the first one.
    first: (usize, usize),
}

/// Computes the medians of a block from the outputs of its network.
struct Block<'r, L: Lanes> {
    l: L,
    tile: &'r Tile<L>,
    /// The first row of its windows in the tile.
    top: usize,
    /// The number of middle ranks.
    ranks: usize,
    extremes: Extremes<L>,
    out: &'r mut [L::T],
    /// The distance of rows of `out`.
    pitch: usize,
    /// Rows and columns of medians.
    shape: Shape,
}

impl<L: Lanes> Receiver<L> for Block<'_, L> {
    #[inline(always)]
    fn put(&mut self, row: usize, at: usize, middle: &impl Source<L>) {
        let (l, tile) = (self.l, self.tile);
        if row >= self.shape.rows {
            return;
        }
        let median = if tile.may_have_nans(self.top + row) {
            select(l, tile.surplus(self.top + row, at), self.ranks, middle, at)
        } else if self.ranks.is_multiple_of(2) {
            l.mean(middle.get(self.ranks / 2 - 1, at), middle.get(self.ranks / 2, at))
        } else {
            middle.get(self.ranks / 2, at)
        };
        self.extremes.include(l, median);
        let out = &mut self.out[row * self.pitch + at..];
        if at + L::WIDTH <= self.shape.cols {
            store::<L>(out, median);
        } else {
            let (medians, some) = ([median], self.shape.cols - at);
            out[..some].copy_from_slice(&bytemuck::cast_slice(&medians)[..some]);
        }
    }
}

/// The samples of some medians.
struct Tile<L: Lanes> {
    l: L,
    window: Shape,
    /// The samples, with NaNs replaced.
    samples: Rows<L>,
    /// Half the sign of the infinity that replaces the next NaN of each column, in one row.
    signs: Rows<L>,
    /// The sums of the signs over the columns of each window, as they were after some rows.
    sums: Rows<L>,
    /// The row of the sums before each row of samples, and after the last.
    sums_of: Vec<usize>,
}

impl<L: Lanes> Tile<L> {
    /// The memory for up to so many rows of windows.
    #[inline(always)]
    fn new(l: L, window: Shape, rows: usize) -> Result<Self, Error> {
        let rows = rows + window.rows - 1;
        Ok(Self {
            l,
            window,
            samples: Rows::new(l, rows)?,
            signs: Rows::new(l, 1)?,
            sums: Rows::new(l, rows + 1)?,
            sums_of: memory::zeros(rows + 1)?,
        })
    }

    /// Reads the samples of a strip, and replaces NaNs.
    #[inline(always)]
    fn read(&mut self, strip: &Strip<'_, L::T>) {
        let cols = strip.medians.cols;
        let width = cols + self.window.cols - 1;
        let all = width.next_multiple_of(L::WIDTH);
        for (x, sign) in self.signs.row_mut(0)[..all].iter_mut().enumerate() {
            *sign = if x % 2 == 0 { L::T::HALF } else { L::T::ZERO - L::T::HALF };
        }
        self.sum_signs(0, cols);
        self.sums_of[0] = 0;
        for row in 0..strip.medians.rows + self.window.rows - 1 {
            let samples = &mut self.samples.row_mut(row)[..all];
            strip.copy_row(row, 0, &mut samples[..width]);
            self.sums_of[row + 1] = self.sums_of[row];
            if may_have_nans(self.l, samples) {
                replace_nans(self.l, samples, self.signs.row_mut(0));
                self.sums_of[row + 1] += 1;
                self.sum_signs(self.sums_of[row + 1], cols);
            }
        }
    }

    /// Writes the sums of the signs over the columns of each window to row `to`.
    #[inline(always)]
    fn sum_signs(&mut self, to: usize, windows: usize) {
        let (l, signs) = (self.l, self.signs.from(0));
        let sums = &mut self.sums.row_mut(to)[..windows.next_multiple_of(L::WIDTH)];
        for (number, sum) in L::vectors_mut(sums).0.iter_mut().enumerate() {
            let at = number * L::WIDTH;
            *sum = signs.get(0, at);
            for col in 1..self.window.cols {
                *sum = l.add(*sum, signs.get(0, at + col));
            }
        }
    }

    /// Whether a row of windows may have NaNs.
    #[inline(always)]
    fn may_have_nans(&self, row: usize) -> bool {
        self.sums_of[row] != self.sums_of[row + self.window.rows]
    }

    /// The surplus of the windows of a row, from column `at` on.
    #[inline(always)]
    fn surplus(&self, row: usize, at: usize) -> L::V {
        let before = self.sums.from(self.sums_of[row]).get(0, at);
        let after = self.sums.from(self.sums_of[row + self.window.rows]).get(0, at);
        self.l.sub(before, after)
    }
}

/// Whether there are NaNs. A sum without NaN has no NaN, unless it overflows.
#[inline(always)]
fn may_have_nans<L: Lanes>(l: L, samples: &[L::T]) -> bool {
    // Sums that are made at the same time, since each addition waits for the one before.
    const SUMS: usize = 4;
    let (zero, mut sums) = (l.splat(L::T::ZERO), [l.splat(L::T::ZERO); SUMS]);
    let (groups, rest) = L::vectors(samples).0.as_chunks::<SUMS>();
    for samples in groups {
        for (sum, &sample) in sums.iter_mut().zip(samples) {
            *sum = l.add(*sum, sample);
        }
    }
    let sum = sums.iter().chain(rest).fold(zero, |all, &sum| l.add(all, sum));
    l.any(l.differ(l.equal(sum, sum), l.equal(zero, zero)))
}

/// Replaces NaNs by infinities of the columns' signs, which then change.
#[inline(always)]
fn replace_nans<L: Lanes>(l: L, samples: &mut [L::T], signs: &mut [L::T]) {
    let infinity = l.splat(L::T::INFINITY);
    let signs = L::vectors_mut(signs).0;
    for (sample, sign) in L::vectors_mut(samples).0.iter_mut().zip(signs) {
        let valid = l.equal(*sample, *sample);
        *sample = l.select(valid, *sample, l.mul(*sign, infinity));
        *sign = l.select(valid, *sign, l.negated(*sign));
    }
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// Values in a row behind those of `COLS` windows. A stage begins at most one vector behind them,
/// since adjacent windows keep values for the last ones, and reads it up to a window further.
const FURTHER: usize = 32;

/// Rows of values. Each starts with a cache line.
struct Rows<L: Lanes> {
    l: L,
    values: Vec<L::T>,
    /// The place of the first value.
    start: usize,
}

impl<L: Lanes> Rows<L> {
    /// Values of a cache line.
    const LINE: usize = LINE / size_of::<L::T>();

    /// The distance of rows, which the compiler knows: an odd number of cache lines, so that the
    /// lines of one column have different places in the nearest cache.
    const PITCH: usize = ((COLS + FURTHER).div_ceil(Self::LINE) | 1) * Self::LINE;

    /// Zeros.
    #[inline(always)]
    fn new(l: L, rows: usize) -> Result<Self, Error> {
        let values: Vec<L::T> = memory::zeros(rows * Self::PITCH + Self::LINE)?;
        let start = values.as_ptr().align_offset(LINE).min(Self::LINE);
        Ok(Self { l, values, start })
    }

    #[inline(always)]
    fn row_mut(&mut self, row: usize) -> &mut [L::T] {
        &mut self.values[self.start + row * Self::PITCH..][..Self::PITCH]
    }

    /// The rows from `first` on.
    #[inline(always)]
    fn from(&self, first: usize) -> View<'_, L> {
        View { l: self.l, values: &self.values[self.start + first * Self::PITCH..] }
    }

    /// All rows.
    #[inline(always)]
    fn view_mut(&mut self) -> ViewMut<'_, L> {
        ViewMut { l: self.l, values: &mut self.values[self.start..] }
    }
}

/// Some rows.
#[derive(Clone, Copy)]
struct View<'r, L: Lanes> {
    l: L,
    values: &'r [L::T],
}

impl<L: Lanes> Source<L> for View<'_, L> {
    #[inline(always)]
    fn get(&self, row: usize, at: usize) -> L::V {
        debug_assert!(at + L::WIDTH <= Rows::<L>::PITCH, "a vector lies in two rows");
        self.l.load(&self.values[row * Rows::<L>::PITCH + at..])
    }
}

/// Rows that are written.
struct ViewMut<'r, L: Lanes> {
    l: L,
    values: &'r mut [L::T],
}

impl<L: Lanes> Source<L> for ViewMut<'_, L> {
    #[inline(always)]
    fn get(&self, row: usize, at: usize) -> L::V {
        View { l: self.l, values: self.values }.get(row, at)
    }
}

impl<L: Lanes> Kept<L> for ViewMut<'_, L> {
    #[inline(always)]
    fn put(&mut self, row: usize, at: usize, value: L::V) {
        debug_assert!(at + L::WIDTH <= Rows::<L>::PITCH, "a vector lies in two rows");
        store::<L>(&mut self.values[row * Rows::<L>::PITCH + at..], value);
    }
}

/// Writes a vector to the first values.
#[inline(always)]
fn store<L: Lanes>(to: &mut [L::T], value: L::V) {
    L::vectors_mut(&mut to[..L::WIDTH]).0[0] = value;
}

#[cfg(test)]
mod tests {
    use super::{Adjacent, COLS, ROWS, SomeRows, has_code};
    use crate::median::network::builder::Shape;
    use crate::median::strip::Strip;
    use crate::median::window::{Extent, centred};
    use crate::testing::{are_same, assert_equal_to_the_heap, special_samples, with_each};
    use crate::{Edge, Image, Median, Method, Sample};
    use pulp::{Simd, WithSimd};

    /// All medians of an image.
    struct AllRows<'a, T>(Adjacent<'a, T>);

    impl<T: Sample> WithSimd for AllRows<'_, T> {
        type Output = Vec<T>;

        fn with_simd<S: Simd>(self, simd: S) -> Vec<T> {
            let Adjacent { image, window, places, of_magnitudes } = self.0;
            let mut out = vec![T::ZERO; image.samples().len()];
            let medians = Shape::of(image);
            let strip = Strip { image, window, places, of_magnitudes, first: (0, 0), medians };
            SomeRows { strip, out: &mut out }.with_simd(simd).unwrap();
            out
        }
    }

    fn check<T: Sample>(side: usize, greatest: T) {
        let median = Median::rectangle(side, side);
        let widths = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 40, 64, 69];
        assert_equal_to_the_heap(median, greatest, widths, |image, edge, of| {
            let (height, width) = (centred(side), centred(side));
            let places = Extent { height, width }.places(Shape::of(image), edge);
            let window = Shape { rows: side, cols: side };
            with_each(|| AllRows(Adjacent { image, window, places, of_magnitudes: of }))
        });
    }

    #[test]
    fn every_instruction_set_gives_the_medians_of_the_heap() {
        let sides: Vec<_> =
            (1..100).filter(|&side| has_code(Shape { rows: side, cols: side })).collect();
        assert_eq!(sides, [3, 5, 7]);
        for side in sides {
            check(side, f32::MAX);
            check(side, f64::MAX);
        }
    }

    fn check_tiles<T: Sample>(side: usize, cols: usize, greatest: T) {
        let rows = 2 * ROWS + 3;
        let samples = special_samples(greatest, rows * cols, 1);
        let image = Image::new(&samples, rows, cols).unwrap();
        let median = Median::rectangle(side, side).edge(Edge::Wrap);
        let [heap, network] = [Method::Heap, Method::Network]
            .map(|method| median.method(method).medians(image).unwrap());
        assert!(are_same(&network, &heap), "{side} {cols}");
    }

    #[test]
    fn images_of_several_tiles() {
        for side in [3, 5, 7] {
            for cols in [COLS - 9, COLS, COLS + 1, 2 * COLS] {
                check_tiles(side, cols, f32::MAX);
                check_tiles(side, cols, f64::MAX);
            }
        }
    }
}
