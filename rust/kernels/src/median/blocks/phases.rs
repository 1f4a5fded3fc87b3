//! A strip of an image, laid out so that one vector holds the like samples of adjacent blocks.
//!
//! A block of windows sees a rectangle of samples, and the block to its right sees the same one
//! shifted by the block's width. So samples are sorted by their phase, their place modulo the
//! block's shape: what input (y, x) is to successive blocks then lies in successive places.
//!
//! NaNs are replaced by infinities, as many of either sign in a window as can be: they alternate
//! along a path that runs down and up the columns of each band of rows, so that every window takes
//! in whole stretches of it. A window in which the surplus of +inf over -inf is s has the median of
//! its valid samples at rank h - s / 2, where h is the middle rank: the mean of two ranks where s
//! is odd. (In a window of one line the surplus is 0, 1 or -1.)

use crate::median::network::builder::Shape;
use crate::{Image, Sample};

/// Rows of a band, for windows of several rows: of the heights tried, with this one the surplus
/// varies least (2 % NaN, windows from 7 x 7 to 51 x 51).
const BAND: usize = 8;

/// Which medians are wanted, by which window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strip<'a, T> {
    /// The image.
    pub(crate) image: Image<'a, T>,
    /// What stands for a sample beyond the border.
    pub(crate) beyond: T,
    /// The window.
    pub(crate) window: Shape,
    /// First row and column of the medians.
    pub(crate) first: (usize, usize),
    /// Rows and columns of the medians.
    pub(crate) medians: Shape,
}

impl<T: Sample> Strip<'_, T> {
    /// Copies what a window's row sees: samples from (y, x) on, counted from the first that the
    /// first window sees.
    pub(crate) fn copy_row(&self, y: usize, x: usize, out: &mut [T]) {
        let (y, x) = (self.first.0 + y, self.first.1 + x);
        let row = y.checked_sub(self.window.rows / 2).map(|y| self.image.row(y));
        let inside = row.unwrap_or_default().get(x.saturating_sub(self.window.cols / 2)..);
        let before = (self.window.cols / 2).saturating_sub(x).min(out.len());
        let (before, out) = out.split_at_mut(before);
        let inside = inside.unwrap_or_default();
        let (out, after) = out.split_at_mut(inside.len().min(out.len()));
        before.fill(self.beyond);
        out.copy_from_slice(&inside[..out.len()]);
        after.fill(self.beyond);
    }

    /// What the windows of a row see, row by row: `width` samples of each row from the first that
    /// window (y, x) sees.
    pub(crate) fn samples(&self, y: usize, x: usize, width: usize) -> Vec<T> {
        let mut samples = vec![T::ZERO; self.window.rows * width];
        for (row, out) in samples.chunks_exact_mut(width).enumerate() {
            self.copy_row(y + row, x, out);
        }
        samples
    }
}

/// Where the samples of a strip lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// The windows of a block.
    pub(crate) block: Shape,
    /// Blocks from which medians are wanted.
    pub(crate) blocks: Shape,
    /// Places from a block to the one below: some more than there are blocks in a row, for the
    /// last windows see more samples.
    pub(crate) pitch: usize,
    /// Places of a phase.
    len: usize,
    /// Rows of samples that are seen.
    rows: usize,
}

impl Layout {
    /// The layout for medians by blocks of windows, of which `lanes` are computed at a time.
    pub(crate) fn new(window: Shape, block: Shape, medians: Shape, lanes: usize) -> Self {
        let blocks = Shape {
            rows: medians.rows.div_ceil(block.rows),
            cols: medians.cols.div_ceil(block.cols),
        };
        let seen = window.seen_by(block);
        let pitch = blocks.cols + (seen.cols - 1) / block.cols;
        let farthest = (seen.rows - 1) / block.rows * pitch + (seen.cols - 1) / block.cols;
        let len = (blocks.rows * pitch).next_multiple_of(lanes) + farthest;
        Self { block, blocks, pitch, len, rows: (blocks.rows - 1) * block.rows + seen.rows }
    }

    /// The place of a sample, or median, of the first block.
    pub(crate) fn place(&self, y: usize, x: usize) -> usize {
        let phase = y % self.block.rows * self.block.cols + x % self.block.cols;
        phase * self.len + y / self.block.rows * self.pitch + x / self.block.cols
    }

    /// The places of all samples of a rectangle, row by row.
    pub(crate) fn places(&self, shape: Shape) -> Vec<usize> {
        let row = |y| (0..shape.cols).map(move |x| self.place(y, x));
        (0..shape.rows).flat_map(row).collect()
    }

    /// Samples in a row.
    fn width(&self) -> usize {
        self.pitch * self.block.cols
    }

    /// Writes row `y` to its places.
    fn spread<T: Copy>(&self, y: usize, row: &[T], to: &mut [T]) {
        let phases = to[self.place(y, 0)..].chunks_mut(self.len);
        for (phase, to) in phases.take(self.block.cols).enumerate() {
            let values = row.iter().skip(phase).step_by(self.block.cols);
            to.iter_mut().zip(values).for_each(|(to, &value)| *to = value);
        }
    }
}

/// The samples of a strip by phase, and the surplus of each of its windows.
#[derive(Debug)]
pub(crate) struct Phases<T> {
    /// The samples, their NaNs filled.
    pub(crate) samples: Vec<T>,
    /// How many more fillers are +inf than -inf, window by window.
    pub(crate) surplus: Vec<T>,
}

impl<T: Sample> Phases<T> {
    /// Lays out a strip.
    pub(crate) fn of(strip: &Strip<'_, T>, layout: &Layout) -> Self {
        let size = layout.block.len() * layout.len;
        let mut phases = Self { samples: vec![T::ZERO; size], surplus: vec![T::ZERO; size] };
        let width = layout.width();
        let height = if strip.window.rows == 1 { 1 } else { BAND };
        let mut band = vec![T::ZERO; height * width];
        let mut signs = vec![0; layout.rows * width];
        for (number, signs) in signs.chunks_mut(height * width).enumerate() {
            let band = &mut band[..signs.len()];
            for (row, out) in band.chunks_exact_mut(width).enumerate() {
                strip.copy_row(number * height + row, 0, out);
            }
            fill(band, signs, width);
            for (row, samples) in band.chunks_exact(width).enumerate() {
                let y = number * height + row;
                layout.spread(y, samples, &mut phases.samples);
            }
        }
        phases.count(strip.window, layout, &signs);
        phases
    }

    /// Sums the fillers' signs over each window.
    fn count(&mut self, window: Shape, layout: &Layout, signs: &[i8]) {
        let width = layout.width();
        let mut columns = vec![0i16; width];
        let mut sums = vec![0i16; width + 1];
        let mut surplus = vec![T::ZERO; width + 1 - window.cols];
        let rows: Vec<_> = signs.chunks_exact(width).collect();
        for (y, &arriving) in rows.iter().enumerate() {
            columns.iter_mut().zip(arriving).for_each(|(sum, &sign)| *sum += i16::from(sign));
            let Some(y) = (y + 1).checked_sub(window.rows) else { continue };
            let mut sum = 0;
            for (after, &column) in sums[1..].iter_mut().zip(&columns) {
                sum += column;
                *after = sum;
            }
            let ends = sums[window.cols..].iter().zip(&sums);
            for (surplus, (end, start)) in surplus.iter_mut().zip(ends) {
                *surplus = T::from(end - start);
            }
            layout.spread(y, &surplus, &mut self.surplus);
            columns.iter_mut().zip(rows[y]).for_each(|(sum, &sign)| *sum -= i16::from(sign));
        }
    }
}

/// Replaces NaNs by infinities that alternate down and up the columns, and notes their signs.
fn fill<T: Sample>(band: &mut [T], signs: &mut [i8], width: usize) {
    // An even number, so that each run of columns begins with one that goes down.
    const COLUMNS: usize = 16;
    let height = band.len() / width;
    let mut sign = 1;
    for x in (0..width).step_by(COLUMNS) {
        let columns = x..width.min(x + COLUMNS);
        let any_nan =
            |row: &[T]| row[columns.clone()].iter().fold(false, |any, x| any | x.is_nan());
        if !band.chunks_exact(width).fold(false, |any, row| any | any_nan(row)) {
            continue;
        }
        for x in columns {
            for step in 0..height {
                let row = if x % 2 == 0 { step } else { height - 1 - step };
                let sample = &mut band[row * width + x];
                if sample.is_nan() {
                    *sample = if sign > 0 { T::INFINITY } else { T::ZERO - T::INFINITY };
                    signs[row * width + x] = sign;
                    sign = -sign;
                }
            }
        }
    }
}
