//! A strip of an image, arranged so that a vector holds the same input of adjacent blocks.
//!
//! A block of windows contains a rectangle of samples. The block to its right contains that
//! rectangle shifted by the width of a block. Samples are therefore grouped by phase, which is
//! their row and column modulo the shape of a block. Input (y, x) of successive blocks then has
//! successive indices.

use crate::median::network::builder::Shape;
use crate::median::strip::Strip;
use crate::median::surplus::{self, Surplus, fill_nans};
use crate::{Error, Sample, memory};

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
        let height = surplus::band(strip.window);
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
    #[inline(always)]
    fn count_surplus(&mut self, window: Shape, layout: &Layout, signs: &[i8]) -> Result<(), Error> {
        let width = layout.width();
        let mut of_row = Surplus::new(window.cols, width)?;
        let mut surplus = memory::zeros(width + 1 - window.cols)?;
        let rows = memory::collected(signs.chunks_exact(width))?;
        for (y, &arriving) in rows.iter().enumerate() {
            of_row.add(arriving);
            let Some(y) = (y + 1).checked_sub(window.rows) else { continue };
            of_row.write(&mut surplus);
            layout.spread(y, &surplus, &mut self.surplus);
            of_row.remove(rows[y]);
        }
        Ok(())
    }
}
