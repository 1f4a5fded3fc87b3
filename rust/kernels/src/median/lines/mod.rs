//! Selection networks over the lines of either axis, with one line in each lane.
//!
//! The image is divided into tiles, which `tile` runs.

mod tile;

use super::network::Program;
use super::window::Border;
use super::{Axis, RunningMedian};
use crate::instructions::arch;
use crate::lanes::Vectorized;
use crate::{Error, Image, Sample, memory};
use pulp::{Simd, WithSimd};
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
const TILES_ABREAST: usize = 4;

/// The running median along an axis of an image that is not empty, computed some rows at a time.
pub(super) struct Lines<'a, T> {
    image: Image<'a, T>,
    axis: Axis,
    /// The program of a line.
    program: Program,
    /// The places of the windows on a line.
    border: Border,
    /// The sample that stands for each place beyond the border.
    beyond: T,
    /// Whether the medians are those of the magnitudes.
    of_magnitudes: bool,
}

impl<'a, T: Sample> Lines<'a, T> {
    /// Medians of the samples, or of their magnitudes.
    pub(super) fn new(
        image: Image<'a, T>,
        axis: Axis,
        program: Program,
        border: Border,
        of_magnitudes: bool,
    ) -> Self {
        Self { image, axis, program, border, beyond: border.edge.beyond(), of_magnitudes }
    }

    /// Rows that fill a tile.
    pub(super) fn step(&self) -> usize {
        match self.axis {
            Axis::Y => tile::height(&self.program, self.image.rows()),
            Axis::X => arch().dispatch(LinesOfATile(PhantomData::<T>)),
        }
    }

    /// Writes some rows of medians, from row `first` on.
    pub(super) fn rows(&self, first: usize, out: &mut [T]) -> Result<(), Error> {
        let strip = Strip { lines: self, first };
        match self.axis {
            Axis::Y => arch().dispatch(DownColumns(strip, out)),
            Axis::X => arch().dispatch(AlongRows(strip, out)),
        }
    }

    /// The medians of one line by the double heap, where those of the network may be wrong.
    ///
    /// `pixels` are the rows and columns of its samples. Some places beyond the image have none.
    fn line_by_heap<'o>(
        &self,
        pixels: impl Iterator<Item = (Option<usize>, Option<usize>)>,
        out: impl Iterator<Item = &'o mut T>,
    ) -> Result<(), Error> {
        let sample = |(y, x): (Option<usize>, Option<usize>)| {
            let sample = *self.image.row(y?).get(x?)?;
            Some(if self.of_magnitudes { sample.magnitude() } else { sample })
        };
        let samples = pixels.map(|pixel| sample(pixel).unwrap_or(self.beyond));
        RunningMedian::new(self.program.window().cols)?.run(samples, out);
        Ok(())
    }
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

/// Some rows of medians.
struct Strip<'a, T> {
    lines: &'a Lines<'a, T>,
    /// The first of the rows.
    first: usize,
}

/// Medians of lines down the image: the rows of a tile are rows of the image.
struct DownColumns<'a, T>(Strip<'a, T>, &'a mut [T]);

impl<T: Sample> WithSimd for DownColumns<'_, T> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<(), Error> {
        let Self(Strip { lines: strip, first }, out) = self;
        let Lines { image, ref program, border, beyond, .. } = *strip;
        let (rows, cols) = (image.rows(), image.cols());
        let lines = Tiles::<T::Lanes<S>>::LINES;
        let count = cols.div_ceil(lines).min(TILES_ABREAST);
        let mut tiles = Tiles::new(T::lanes(simd), program, rows, count, strip.of_magnitudes)?;
        let height = tiles.height();
        for (chunk, out) in out.chunks_mut(height * cols).enumerate() {
            let top = first + chunk * height;
            let position = |row| border.sample(top + row);
            for left in (0..cols).step_by(count * lines) {
                let right = cols.min(left + count * lines);
                for row in 0..tiles.inputs() {
                    let samples = position(row).map(|y| &image.row(y)[left..right]);
                    tiles.read_row(row, samples, beyond);
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
                        strip.line_by_heap(pixels, out.iter_mut().skip(x).step_by(cols))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Medians of lines along the rows: the rows of a tile are columns of the image.
struct AlongRows<'a, T>(Strip<'a, T>, &'a mut [T]);

impl<T: Sample> WithSimd for AlongRows<'_, T> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<(), Error> {
        let Self(Strip { lines: strip, first }, out) = self;
        let Lines { image, ref program, border, beyond, .. } = *strip;
        let cols = image.cols();
        let lines = Tiles::<T::Lanes<S>>::LINES;
        let mut tiles = Tiles::new(T::lanes(simd), program, cols, 1, strip.of_magnitudes)?;
        let mut transposed = memory::zeros(tiles.inputs() * lines)?;
        let mut column = memory::zeros(lines)?;
        for (chunk, out) in out.chunks_mut(lines * cols).enumerate() {
            let first = first + chunk * lines;
            let rows = first..first + out.len() / cols;
            for x in (0..cols).step_by(tiles.height()) {
                let end = cols.min(x + tiles.height());
                let position = |row| border.sample(x + row);
                let start = x.saturating_sub(border.before).min(cols);
                let stop = (x + tiles.inputs()).saturating_sub(border.before).clamp(start, cols);
                let inside = rows.clone().map(|y| &image.row(y)[start..stop]);
                transpose(&memory::collected(inside)?, &mut transposed, lines);
                for row in 0..tiles.inputs() {
                    let samples = match position(row) {
                        Some(at) if (start..stop).contains(&at) => {
                            Some(&transposed[(at - start) * lines..][..lines])
                        }
                        Some(at) => {
                            let samples = rows.clone().map(|y| image.row(y)[at]);
                            column.iter_mut().zip(samples).for_each(|(to, sample)| *to = sample);
                            Some(column.as_slice())
                        }
                        None => None,
                    };
                    tiles.read_row(row, samples, beyond);
                }
                let correct = tiles.run(0, rows.len());
                let out = out.chunks_exact_mut(cols).map(|row| &mut row[x..end]);
                let mut out = memory::collected(out)?;
                if correct {
                    transpose_back(|row| tiles.row(row), &mut out);
                    continue;
                }
                for (lane, out) in out.into_iter().enumerate() {
                    let pixels = (0..tiles.inputs()).map(|row| (Some(first + lane), position(row)));
                    strip.line_by_heap(pixels, out.iter_mut())?;
                }
            }
        }
        Ok(())
    }
}

/// The number of rows that are transposed at a time.
const ROWS_AT_ONCE: usize = 8;

/// Writes the columns of `rows`, which have equal lengths, as rows of `lines` samples.
#[inline(always)]
fn transpose<T: Sample>(rows: &[&[T]], out: &mut [T], lines: usize) {
    let cols = rows[0].len();
    for (group, rows) in rows.chunks(ROWS_AT_ONCE).enumerate() {
        let out = out.chunks_exact_mut(lines).map(|out| &mut out[group * ROWS_AT_ONCE..]);
        if let Some(rows) = rows.first_chunk::<ROWS_AT_ONCE>() {
            let rows = rows.map(|row| &row[..cols]);
            for (column, out) in (0..cols).zip(out) {
                out[..ROWS_AT_ONCE].copy_from_slice(&rows.map(|row| row[column]));
            }
        } else {
            for (column, out) in (0..cols).zip(out) {
                out.iter_mut().zip(rows).for_each(|(out, row)| *out = row[column]);
            }
        }
    }
}

/// Writes the columns of the medians to the rows of `out`, which have equal lengths.
///
/// `medians` returns a row of them.
#[inline(always)]
fn transpose_back<'m, T: Sample>(medians: impl Fn(usize) -> &'m [T], out: &mut [&mut [T]]) {
    let cols = out[0].len();
    for (group, out) in out.chunks_mut(ROWS_AT_ONCE).enumerate() {
        let medians = (0..cols).map(|column| &medians(column)[group * ROWS_AT_ONCE..]);
        if let Some(out) = out.first_chunk_mut::<ROWS_AT_ONCE>() {
            let mut out = out.each_mut().map(|row| &mut row[..cols]);
            for (column, medians) in medians.enumerate() {
                for (out, &median) in out.iter_mut().zip(&medians[..ROWS_AT_ONCE]) {
                    out[column] = median;
                }
            }
        } else {
            for (column, medians) in medians.enumerate() {
                out.iter_mut().zip(medians).for_each(|(out, &median)| out[column] = median);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AlongRows, DownColumns, Lines, Strip};
    use crate::median::network::Program;
    use crate::median::network::builder::Shape;
    use crate::median::window::{Extent, centred};
    use crate::testing::{assert_equal_to_the_heap, with_each};
    use crate::{Axis, Median, Sample};
    use pulp::{Simd, WithSimd};

    /// All medians of an image.
    struct AllRows<'a, T>(Lines<'a, T>);

    impl<T: Sample> WithSimd for AllRows<'_, T> {
        type Output = Vec<T>;

        fn with_simd<S: Simd>(self, simd: S) -> Vec<T> {
            let Self(lines) = self;
            let mut out = vec![T::ZERO; lines.image.samples().len()];
            let strip = Strip { lines: &lines, first: 0 };
            match lines.axis {
                Axis::Y => DownColumns(strip, &mut out).with_simd(simd).unwrap(),
                Axis::X => AlongRows(strip, &mut out).with_simd(simd).unwrap(),
            }
            out
        }
    }

    fn check<T: Sample>(axis: Axis, length: usize, greatest: T) {
        let median = Median::along(axis, length);
        let program = Program::of(Shape::line(length)).unwrap().unwrap();
        assert_equal_to_the_heap(median, greatest, [1, 7, 33, 69], |image, edge, of_magnitudes| {
            let places = Extent::of(Some(axis), centred(length)).places(Shape::of(image), edge);
            let border = if axis == Axis::X { places.1 } else { places.0 };
            let lines = || Lines::new(image, axis, program.clone(), border, of_magnitudes);
            with_each(|| AllRows(lines()))
        });
    }

    #[test]
    fn every_instruction_set_gives_the_medians_of_the_heap() {
        for axis in [Axis::X, Axis::Y] {
            for length in [7, 8, 15, 31] {
                check(axis, length, f32::MAX);
                check(axis, length, f64::MAX);
            }
        }
    }
}
