//! An image: a view of samples whose number is checked against its shape.

use crate::{Error, Sample, memory};
use rayon::prelude::*;

/// A rectangle of an image, half-open in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First row.
    pub y0: usize,
    /// One past the last row.
    pub y1: usize,
    /// First column.
    pub x0: usize,
    /// One past the last column.
    pub x1: usize,
}

/// A read-only view of an image in row-major order.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a, T> {
    samples: &'a [T],
    rows: usize,
    cols: usize,
}

impl<'a, T: Copy> Image<'a, T> {
    /// Views `samples` as `rows` rows of `cols` samples.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are exactly `rows * cols` samples.
    pub fn new(samples: &'a [T], rows: usize, cols: usize) -> Result<Self, Error> {
        if rows.checked_mul(cols) == Some(samples.len()) {
            Ok(Self { samples, rows, cols })
        } else {
            Err(Error::Shape { len: samples.len(), rows, cols })
        }
    }

    /// All samples, row after row.
    #[must_use]
    pub fn samples(&self) -> &'a [T] {
        self.samples
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// One row; empty below the image.
    #[must_use]
    #[inline]
    pub fn row(&self, row: usize) -> &'a [T] {
        // Of a row in the image, neither product can wrap: the samples are in memory.
        if row < self.rows { &self.samples[row * self.cols..][..self.cols] } else { &[] }
    }

    /// The part of each row that lies inside `region`, which may reach past the image.
    pub fn rows_of(&self, region: Region) -> impl Iterator<Item = &'a [T]> {
        let x1 = region.x1.min(self.cols);
        let x0 = region.x0.min(x1);
        let image = *self;
        // An image without columns can have more rows than can be counted.
        let y1 = if x0 < x1 { region.y1.min(self.rows) } else { region.y0 };
        (region.y0..y1).map(move |row| &image.row(row)[x0..x1])
    }
}

impl<T: Sample> Image<'_, T> {
    /// The samples with rows and columns exchanged: column after column.
    ///
    /// # Errors
    /// [`Error::Memory`] if there is too little.
    pub fn transposed(&self) -> Result<Vec<T>, Error> {
        let mut out = memory::zeros(self.samples.len())?;
        self.transpose_to(&mut out);
        Ok(out)
    }

    /// Writes the samples with rows and columns exchanged.
    fn transpose_to(&self, out: &mut [T]) {
        // Few enough that the cache lines they touch in every row stay in cache.
        const COLUMNS_AT_ONCE: usize = 16;
        if out.is_empty() {
            return;
        }
        out.par_chunks_mut(COLUMNS_AT_ONCE * self.rows).enumerate().for_each(|(chunk, columns)| {
            for (y, row) in self.samples.chunks_exact(self.cols).enumerate() {
                let samples = row[chunk * COLUMNS_AT_ONCE..].iter();
                for (column, &sample) in columns.chunks_exact_mut(self.rows).zip(samples) {
                    column[y] = sample;
                }
            }
        });
    }

    /// Applies a filter to the image with rows and columns exchanged, and writes the result.
    pub(crate) fn transposed_by(
        &self,
        out: &mut [T],
        filter: impl FnOnce(Image<'_, T>, &mut [T]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let columns = self.transposed()?;
        let mut filtered = memory::zeros(out.len())?;
        filter(Image::new(&columns, self.cols, self.rows)?, &mut filtered)?;
        Image::new(&filtered, self.cols, self.rows)?.transpose_to(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Image, Region};
    use crate::Error;

    #[test]
    fn the_shape_is_checked() {
        let samples = [0.0f32; 6];
        assert!(Image::new(&samples, 2, 3).is_ok());
        let wrong = Image::new(&samples, 2, 2).err();
        assert_eq!(wrong, Some(Error::Shape { len: 6, rows: 2, cols: 2 }));
        assert!(Image::new(&samples, usize::MAX, 2).is_err());
    }

    #[test]
    fn a_row_below_the_image_is_empty() {
        let samples = [1.0f32; 6];
        let image = Image::new(&samples, 3, 2).unwrap();
        assert_eq!(image.row(2), [1.0; 2]);
        // Of the last two, the product with the columns wraps to 0 and to 2.
        for row in [3, usize::MAX, 1 << (usize::BITS - 1), (1 << (usize::BITS - 1)) + 1] {
            assert!(image.row(row).is_empty(), "{row}");
        }
    }

    #[test]
    fn transposing_twice_gives_the_image() {
        for (rows, cols) in [(1, 1), (3, 40), (40, 3), (17, 33), (0, 5), (5, 0)] {
            let samples: Vec<f64> = (0u32..rows * cols).map(f64::from).collect();
            let (rows, cols) = (rows as usize, cols as usize);
            let transposed = Image::new(&samples, rows, cols).unwrap().transposed().unwrap();
            let image = Image::new(&transposed, cols, rows).unwrap();
            assert_eq!(image.transposed().unwrap(), samples);
            if rows > 0 && cols > 1 {
                assert_eq!(transposed[rows], samples[1]);
            }
        }
    }

    #[test]
    fn a_region_is_clipped_to_the_image() {
        let samples: Vec<f32> = (0u8..12).map(f32::from).collect();
        let image = Image::new(&samples, 3, 4).unwrap();
        let region = Region { y0: 1, y1: 9, x0: 2, x1: 9 };
        let rows: Vec<_> = image.rows_of(region).map(<[f32]>::to_vec).collect();
        assert_eq!(rows, [[6.0, 7.0], [10.0, 11.0]]);
        let outside = Region { y0: 0, y1: 3, x0: 7, x1: 9 };
        assert_eq!(image.rows_of(outside).flatten().count(), 0);
        let empty = Image::<f32>::new(&[], usize::MAX, 0).unwrap();
        let all = Region { y0: 0, y1: usize::MAX, x0: 0, x1: 9 };
        assert_eq!(empty.rows_of(all).count(), 0);
    }
}
