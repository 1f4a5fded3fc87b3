//! A strip of an image, arranged so that a vector holds the same input of adjacent blocks.
//!
//! A block of windows contains a rectangle of samples. The block to its right contains that
//! rectangle shifted by the width of a block. Samples are therefore grouped by phase, which is
//! their row and column modulo the shape of a block. Input (y, x) of successive blocks then has
//! successive indices.
//!
//! NaNs are replaced by +inf and -inf, in numbers that are nearly equal in each window. The signs
//! alternate along a path down and up the columns of each band of rows, so that a window contains
//! whole stretches of the path. Let s be the surplus of +inf over -inf in a window of k samples. The
//! median of its valid samples has rank (k - 1 - s) / 2, which stands for the mean of two samples if it
//! is not whole. (In a window of one line, s is 0, 1 or -1.)

use crate::median::edge::Border;
use crate::median::network::builder::Shape;
use crate::{Error, Image, Sample, memory};

/// Rows of a band, for windows of several rows. Of the heights tried, this one has the least
/// varying surplus (2 % NaN, windows from 7 x 7 to 51 x 51).
const BAND: usize = 8;

/// The medians that one task computes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strip<'a, T> {
    /// The image.
    pub(super) image: Image<'a, T>,
    /// The window.
    pub(super) window: Shape,
    /// The places of the windows in the rows and in the columns of the image.
    pub(super) places: (Border, Border),
    /// First row and column of the medians.
    pub(super) first: (usize, usize),
    /// Rows and columns of the medians.
    pub(super) medians: Shape,
}

impl<T: Sample> Strip<'_, T> {
    /// Copies samples of a row from (y, x) on, counted from the first sample of the first window.
    pub(super) fn copy_row(&self, y: usize, x: usize, out: &mut [T]) {
        let ((rows, cols), beyond) = (self.places, self.places.1.edge.beyond());
        let Some(y) = rows.sample(self.first.0 + y) else {
            out.fill(beyond);
            return;
        };
        let (row, x) = (self.image.row(y), self.first.1 + x);
        let inside = row.get(x.saturating_sub(cols.before)..).unwrap_or_default();
        let before = cols.before.saturating_sub(x).min(out.len());
        let after = before + inside.len().min(out.len() - before);
        out[before..after].copy_from_slice(&inside[..after - before]);
        for place in (0..before).chain(after..out.len()) {
            out[place] = cols.sample(x + place).map_or(beyond, |at| row[at]);
        }
    }

    /// The samples of adjacent windows of a row: `width` samples of each row of window (y, x).
    pub(super) fn samples(&self, y: usize, x: usize, width: usize) -> Result<Vec<T>, Error> {
        let mut samples = memory::zeros(self.window.rows * width)?;
        for (row, out) in samples.chunks_exact_mut(width).enumerate() {
            self.copy_row(y + row, x, out);
        }
        Ok(samples)
    }
}

/// The arrangement of the samples of a strip in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// The windows of a block.
    pub(super) block: Shape,
    /// The number of blocks.
    pub(super) blocks: Shape,
    /// The distance from the index of a block to that of the block below. It is larger than the
    /// number of blocks in a row, since the last windows contain further samples.
    pub(super) pitch: usize,
    /// The number of indices of a phase.
    len: usize,
    /// Rows of samples in all windows.
    rows: usize,
}

impl Layout {
    /// The layout of medians in blocks of windows. `lanes` blocks are computed at a time.
    pub(super) fn new(window: Shape, block: Shape, medians: Shape, lanes: usize) -> Self {
        let blocks = Shape {
            rows: medians.rows.div_ceil(block.rows),
            cols: medians.cols.div_ceil(block.cols),
        };
        let inputs = window.inputs_of(block);
        let pitch = blocks.cols + (inputs.cols - 1) / block.cols;
        let farthest = (inputs.rows - 1) / block.rows * pitch + (inputs.cols - 1) / block.cols;
        let len = (blocks.rows * pitch).next_multiple_of(lanes) + farthest;
        Self { block, blocks, pitch, len, rows: (blocks.rows - 1) * block.rows + inputs.rows }
    }

    /// The index of a sample, or of a median, of the first block.
    pub(super) fn index(&self, y: usize, x: usize) -> usize {
        let phase = y % self.block.rows * self.block.cols + x % self.block.cols;
        phase * self.len + y / self.block.rows * self.pitch + x / self.block.cols
    }

    /// The indices of all samples of a rectangle, row by row.
    pub(super) fn indices(&self, shape: Shape) -> Result<Vec<usize>, Error> {
        let row = |y| (0..shape.cols).map(move |x| self.index(y, x));
        memory::collected((0..shape.rows).flat_map(row))
    }

    /// Samples in a row.
    fn width(&self) -> usize {
        self.pitch * self.block.cols
    }

    /// Writes row `y` to its indices.
    #[inline(always)]
    fn spread<T: Copy>(&self, y: usize, row: &[T], to: &mut [T]) {
        let phases = to[self.index(y, 0)..].chunks_mut(self.len);
        for (phase, to) in phases.take(self.block.cols).enumerate() {
            let values = row.iter().skip(phase).step_by(self.block.cols);
            to.iter_mut().zip(values).for_each(|(to, &value)| *to = value);
        }
    }
}

/// The samples of a strip by phase, and the surplus of each of its windows.
#[derive(Debug)]
pub(super) struct Phases<T> {
    /// The samples, with NaNs replaced.
    pub(super) samples: Vec<T>,
    /// For each window the number of NaNs replaced by +inf minus that of NaNs replaced by -inf.
    pub(super) surplus: Vec<T>,
}

impl<T: Sample> Phases<T> {
    /// Arranges the samples of a strip.
    #[inline(always)]
    pub(super) fn of(strip: &Strip<'_, T>, layout: &Layout) -> Result<Self, Error> {
        let size = layout.block.len() * layout.len;
        let mut phases = Self { samples: memory::zeros(size)?, surplus: memory::zeros(size)? };
        let width = layout.width();
        let height = if strip.window.rows == 1 { 1 } else { BAND };
        let mut band = memory::zeros(height * width)?;
        let mut signs = memory::zeros(layout.rows * width)?;
        for (number, signs) in signs.chunks_mut(height * width).enumerate() {
            let band = &mut band[..signs.len()];
            for (row, out) in band.chunks_exact_mut(width).enumerate() {
                strip.copy_row(number * height + row, 0, out);
            }
            fill_nans(band, signs, width);
            for (row, samples) in band.chunks_exact(width).enumerate() {
                let y = number * height + row;
                layout.spread(y, samples, &mut phases.samples);
            }
        }
        phases.count_surplus(strip.window, layout, &signs)?;
        Ok(phases)
    }

    /// Sums the signs of the infinities over each window.
    ///
    /// The sums along a row may wrap around. Their differences are still right: they are the sums
    /// over a window, which has fewer samples than a table has places.
    #[inline(always)]
    fn count_surplus(&mut self, window: Shape, layout: &Layout, signs: &[i8]) -> Result<(), Error> {
        let width = layout.width();
        let mut columns = memory::zeros::<i16>(width)?;
        let mut sums = memory::zeros::<i16>(width + 1)?;
        let mut surplus = memory::zeros(width + 1 - window.cols)?;
        let rows = memory::collected(signs.chunks_exact(width))?;
        for (y, &arriving) in rows.iter().enumerate() {
            columns.iter_mut().zip(arriving).for_each(|(sum, &sign)| *sum += i16::from(sign));
            let Some(y) = (y + 1).checked_sub(window.rows) else { continue };
            let mut sum = 0i16;
            for (after, &column) in sums[1..].iter_mut().zip(&columns) {
                sum = sum.wrapping_add(column);
                *after = sum;
            }
            let ends = sums[window.cols..].iter().zip(&sums);
            for (surplus, (end, start)) in surplus.iter_mut().zip(ends) {
                *surplus = T::from(end.wrapping_sub(*start));
            }
            layout.spread(y, &surplus, &mut self.surplus);
            columns.iter_mut().zip(rows[y]).for_each(|(sum, &sign)| *sum -= i16::from(sign));
        }
        Ok(())
    }
}

/// Columns in which NaNs are looked for at once: an even number, so that the path goes down the first
/// column of each group.
const COLUMNS: usize = 16;

/// Replaces NaNs by infinities that alternate down and up the columns, and writes their signs.
#[inline(always)]
fn fill_nans<T: Sample>(band: &mut [T], signs: &mut [i8], width: usize) {
    let height = band.len() / width;
    let mut sign = 1;
    for x in (0..width).step_by(COLUMNS) {
        let mut rows = [0u8; COLUMNS];
        for (number, row) in band.chunks_exact(width).enumerate() {
            let mut nans = nans_of(&row[x..width.min(x + COLUMNS)]);
            while nans != 0 {
                rows[nans.trailing_zeros() as usize] |= 1 << number;
                nans &= nans - 1;
            }
        }
        for (column, &rows) in rows.iter().enumerate().filter(|&(_, &rows)| rows != 0) {
            for step in 0..height {
                let row = if column % 2 == 0 { step } else { height - 1 - step };
                if rows >> row & 1 == 1 {
                    let at = row * width + x + column;
                    band[at] = if sign > 0 { T::INFINITY } else { T::ZERO - T::INFINITY };
                    signs[at] = sign;
                    sign = -sign;
                }
            }
        }
    }
}

/// A bit for each of up to 16 samples: whether it is NaN.
#[inline(always)]
fn nans_of<T: Sample>(samples: &[T]) -> u16 {
    let bits = samples.iter().enumerate();
    bits.fold(0, |nans, (number, sample)| nans | u16::from(sample.is_nan()) << number)
}

#[cfg(test)]
mod tests {
    use super::{Layout, Phases, Strip};
    use crate::median::network::builder::Shape;
    use crate::median::reach::Extent;
    use crate::{Edge, Image, Window};

    /// In this image each second column adds one to the sum along a row of windows.
    #[test]
    fn the_surplus_of_a_very_wide_image() {
        let (rows, cols) = (8, 70_001);
        let mut samples = vec![0f32; rows * cols];
        for x in (0..cols).filter(|x| x % 2 == 1) {
            samples[x] = f32::NAN; // replaced by +inf
            samples[6 * cols + x] = f32::NAN; // by -inf
        }
        let image = Image::new(&samples, rows, cols).unwrap();
        let (window, medians) = (Shape { rows: 3, cols: 3 }, Shape { rows: 1, cols });
        let extent = Extent::of(None, Window::new(3).unwrap().into());
        let places = extent.places(Shape { rows, cols }, Edge::Zero);
        let strip = Strip { image, window, places, first: (0, 0), medians };
        let layout = Layout::new(window, Shape { rows: 8, cols: 2 }, medians, 8);
        let phases = Phases::of(&strip, &layout).unwrap();
        for x in 0..cols {
            let expected = if x == 0 || x == cols - 1 || x % 2 == 1 { 1.0 } else { 2.0 };
            assert_eq!((x, phases.surplus[layout.index(0, x)]), (x, expected));
        }
    }
}
