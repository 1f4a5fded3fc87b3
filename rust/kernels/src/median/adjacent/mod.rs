//! Selection networks of small squares, with adjacent windows in the lanes.
//!
//! The samples need not be rearranged, as they are for `lines` and `blocks`. Windows that lie one
//! below the other form a block and share rows; adjacent windows share columns. The values that
//! adjacent windows share are computed once and kept (`build/stages.rs`).
//!
//! NaNs are replaced by infinities as `surplus` describes, but the signs alternate down each column,
//! by itself, which needs no branch. The surplus of a column in a window is then 0, 1 or -1. It is half
//! the sign that the next NaN gets at the first row of the window, minus half the sign that it gets
//! below the last. `tile` keeps these halves, summed over the columns of each window.

mod rows;
mod tile;

use super::edge::Border;
use super::infinite::{Extremes, note_infinite};
use super::network::builder::Shape;
use super::network::compiled::{AdjacentNetwork, Receiver, Source, WithAdjacent, with_adjacent};
use super::network::lanes::Lanes;
use super::strip::Strip;
use super::surplus::select;
use crate::instructions::arch;
use crate::{Error, Image, Sample};
use pulp::{Simd, WithSimd};
use rows::{Rows, store};
use std::marker::PhantomData;
use tile::Tile;

/// Rows of medians whose samples are read at a time: few enough to stay in cache, many in comparison
/// with the further rows of their windows. A multiple of all blocks.
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

#[cfg(test)]
mod tests {
    use super::{Adjacent, COLS, ROWS, SomeRows, has_code};
    use crate::median::network::builder::Shape;
    use crate::median::network::lanes::{
        are_same, assert_equal_to_the_heap, special_samples, with_each,
    };
    use crate::median::reach::Extent;
    use crate::median::strip::Strip;
    use crate::{Edge, Image, Median, Method, Reach, Sample};
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

    fn square(side: usize) -> Extent {
        let reach = Reach { before: side / 2, after: (side - 1) / 2 };
        Extent { height: reach, width: reach }
    }

    fn check<T: Sample>(side: usize, greatest: T) {
        let median = Median::rectangle(side, side);
        let widths = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 40, 64, 69];
        assert_equal_to_the_heap(median, greatest, widths, |image, edge, of| {
            let places = square(side).places(Shape::of(image), edge);
            let window = Shape { rows: side, cols: side };
            with_each(|| AllRows(Adjacent { image, window, places, of_magnitudes: of }))
        });
    }

    #[test]
    fn every_instruction_set_gives_the_medians_of_the_heap() {
        let sides: Vec<_> =
            (1..100).filter(|&side| has_code(Shape { rows: side, cols: side })).collect();
        assert_eq!(sides, [2, 3, 4, 5, 6, 7, 8]);
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
        for side in [4, 7, 8] {
            for cols in [COLS - 9, COLS, COLS + 1, 2 * COLS] {
                check_tiles(side, cols, f32::MAX);
                check_tiles(side, cols, f64::MAX);
            }
        }
    }
}
