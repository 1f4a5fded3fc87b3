//! Windows with too few valid samples.

use super::network::builder::Shape;
use super::window::{Border, Edge, Extent};
use crate::instructions::arch;
use crate::{Error, Image, Sample, memory};
use pulp::{Simd, WithSimd};

/// Replaces medians by NaN where the window has fewer than `least` samples that are not NaN.
///
/// `medians` are some rows, from row `first` on. The counts of each column of the window are kept
/// from row to row.
pub(super) fn blank<T: Sample>(
    image: Image<'_, T>,
    extent: Extent,
    edge: Edge,
    least: usize,
    first: usize,
    medians: &mut [T],
) -> Result<(), Error> {
    let beyond = u32::from(!edge.beyond::<T>().is_nan());
    let fitted = extent.fitted_to(Shape::of(image), edge);
    // Values beyond the border that the fitted window leaves out are valid, or none is counted.
    let left_out = (extent.shape().len() - fitted.shape().len()).saturating_mul(beyond as usize);
    let (rows, cols) = fitted.places(Shape::of(image), edge);
    let Shape { rows: height, cols: width } = fitted.shape();
    let counts = Counts {
        image,
        rows,
        cols,
        height,
        width,
        beyond,
        // A window has less than 2^31 samples.
        least: u32::try_from(least.saturating_sub(left_out)).unwrap_or(u32::MAX),
        columns: memory::zeros(image.cols() + width - 1)?,
    };
    arch().dispatch(Blank { counts, first, medians });
    Ok(())
}

/// Valid samples in the windows of a row.
struct Counts<'a, T> {
    image: Image<'a, T>,
    rows: Border,
    cols: Border,
    height: usize,
    width: usize,
    /// Valid samples at each place that no sample of the image stands for.
    beyond: u32,
    least: u32,
    /// For each column of the windows, its valid samples. Those of columns beyond the border are
    /// written when they are needed.
    columns: Vec<u32>,
}

/// Replaces medians of some rows, from row `first` on.
struct Blank<'a, 'o, T> {
    counts: Counts<'a, T>,
    first: usize,
    medians: &'o mut [T],
}

impl<T: Sample> WithSimd for Blank<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { mut counts, first, medians } = self;
        let last = counts.height - 1;
        (first..first + last).for_each(|place| counts.add(place));
        for (y, medians) in (first..).zip(medians.chunks_exact_mut(counts.cols.n)) {
            counts.add(y + last);
            counts.blank_row(medians);
            counts.remove(y);
        }
    }
}

impl<T: Sample> Counts<'_, T> {
    #[inline(always)]
    fn add(&mut self, place: usize) {
        self.each(place, |count, valid| *count += valid);
    }

    #[inline(always)]
    fn remove(&mut self, place: usize) {
        self.each(place, |count, valid| *count -= valid);
    }

    #[inline(always)]
    fn each(&mut self, place: usize, change: impl Fn(&mut u32, u32)) {
        let columns = &mut self.columns[self.cols.before..][..self.cols.n];
        if let Some(y) = self.rows.sample(place) {
            let samples = columns.iter_mut().zip(self.image.row(y));
            samples.for_each(|(count, sample)| change(count, u32::from(!sample.is_nan())));
        } else {
            for count in columns {
                change(count, self.beyond);
            }
        }
    }

    /// Replaces the medians of a row.
    #[inline(always)]
    fn blank_row(&mut self, medians: &mut [T]) {
        let Border { before, n, .. } = self.cols;
        #[allow(clippy::cast_possible_truncation)] // a window has less than 2^31 samples
        let beyond = self.beyond * self.height as u32;
        for place in (0..before).chain(before + n..self.columns.len()) {
            let column = self.cols.sample(place).map_or(beyond, |x| self.columns[before + x]);
            self.columns[place] = column;
        }
        if self.width == 1 {
            for (median, &count) in medians.iter_mut().zip(&self.columns) {
                *median = if count < self.least { T::NAN } else { *median };
            }
            return;
        }
        let mut total: u32 = self.columns[..self.width - 1].iter().sum();
        let ends = self.columns[self.width - 1..].iter().zip(&self.columns);
        for (median, (&arriving, &leaving)) in medians.iter_mut().zip(ends) {
            total += arriving;
            *median = if total < self.least { T::NAN } else { *median };
            total -= leaving;
        }
    }
}
