//! Some medians of an image, and the samples of their windows.

use super::heap::RunningMedian;
use super::network::builder::Shape;
use super::of_samples;
use super::window::Border;
use crate::{Error, Image, Sample, memory};

/// The medians that one task computes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strip<'a, T> {
    /// The image.
    pub(super) image: Image<'a, T>,
    /// The window.
    pub(super) window: Shape,
    /// The places of the windows in the rows and in the columns of the image.
    pub(super) places: (Border, Border),
    /// Whether the medians are those of the magnitudes.
    pub(super) of_magnitudes: bool,
    /// First row and column of the medians.
    pub(super) first: (usize, usize),
    /// Rows and columns of the medians.
    pub(super) medians: Shape,
}

impl<T: Sample> Strip<'_, T> {
    /// Copies samples of a row from (y, x) on, counted from the first sample of the first window.
    #[inline(always)]
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
        if self.of_magnitudes {
            for sample in out {
                *sample = sample.magnitude();
            }
        }
    }

    /// Computes the medians of some pixels again, counted from the first median of the strip.
    ///
    /// Their network may have given wrong ones: the mean of two finite samples may have overflowed,
    /// or a window has many more infinities of one sign than of the other.
    pub(super) fn compute_again(
        &self,
        pixels: &mut [(usize, usize)],
        out: &mut [T],
    ) -> Result<(), Error> {
        // With so many windows in a row, the double heap is faster than selecting from each window.
        const HEAP_PAYS_FROM: usize = 16;
        let cols = self.medians.cols;
        pixels.sort_unstable();
        for pixels in pixels.chunk_by(|a, b| a.0 == b.0) {
            let y = pixels[0].0;
            let out = &mut out[y * cols..][..cols];
            if pixels.len() * self.window.cols > HEAP_PAYS_FROM * cols {
                self.row_by_heap(y, out)?;
            } else {
                for &(y, x) in pixels {
                    out[x] = of_samples(self.samples(y, x, self.window.cols)?);
                }
            }
        }
        Ok(())
    }

    fn row_by_heap(&self, y: usize, out: &mut [T]) -> Result<(), Error> {
        let mut heap = RunningMedian::new(self.window.len())?;
        let width = out.len() + self.window.cols - 1;
        let samples = self.samples(y, 0, width)?;
        for x in 0..width {
            for &sample in samples[x..].iter().step_by(width) {
                heap.push(sample);
            }
            if let Some(x) = (x + 1).checked_sub(self.window.cols) {
                out[x] = heap.median();
            }
        }
        Ok(())
    }

    /// The samples of adjacent windows of a row: `width` samples of each row of window (y, x).
    fn samples(&self, y: usize, x: usize, width: usize) -> Result<Vec<T>, Error> {
        let mut samples = memory::zeros(self.window.rows * width)?;
        for (row, out) in samples.chunks_exact_mut(width).enumerate() {
            self.copy_row(y + row, x, out);
        }
        Ok(samples)
    }
}
