//! Windows with too few valid samples.

use super::Edge;
use super::edge::Border;
use super::network::builder::Shape;
use super::reach::Extent;
use crate::{Error, Image, Sample, memory};

/// Replaces medians by NaN where the window has fewer than `least` samples that are not NaN.
///
/// `medians` are some rows, from row `first` on. The counts of each column of the window are kept from
/// row to row.
pub(super) fn blank<T: Sample>(
    image: Image<'_, T>,
    extent: Extent,
    edge: Edge,
    least: usize,
    first: usize,
    medians: &mut [T],
) -> Result<(), Error> {
    let beyond = usize::from(!edge.beyond::<T>().is_nan());
    let fitted = extent.fitted_to(Shape::of(image), edge);
    let left_out = (extent.shape().len() - fitted.shape().len()) * beyond;
    let least = least.saturating_sub(left_out);
    let (rows, cols) = fitted.places(Shape::of(image), edge);
    let Shape { rows: height, cols: width } = fitted.shape();
    let mut columns = Columns { image, rows, beyond, counts: memory::zeros(image.cols())? };
    (first..first + height - 1).for_each(|place| columns.add(place));
    for (y, medians) in (first..).zip(medians.chunks_exact_mut(image.cols())) {
        columns.add(y + height - 1);
        blank_row(&columns.counts, cols, width, beyond * height, least, medians);
        columns.remove(y);
    }
    Ok(())
}

/// The number of valid samples in each column of the windows of a row.
struct Columns<'a, T> {
    image: Image<'a, T>,
    rows: Border,
    /// Valid samples at each place that no sample of the image stands for.
    beyond: usize,
    counts: Vec<usize>,
}

impl<T: Sample> Columns<'_, T> {
    fn add(&mut self, place: usize) {
        self.each(place, |count, valid| *count += valid);
    }

    fn remove(&mut self, place: usize) {
        self.each(place, |count, valid| *count -= valid);
    }

    fn each(&mut self, place: usize, change: impl Fn(&mut usize, usize)) {
        if let Some(y) = self.rows.sample(place) {
            let samples = self.counts.iter_mut().zip(self.image.row(y));
            samples.for_each(|(count, sample)| change(count, usize::from(!sample.is_nan())));
        } else {
            self.counts.iter_mut().for_each(|count| change(count, self.beyond));
        }
    }
}

/// Replaces the medians of a row; `beyond` is the count of a column beyond the border.
fn blank_row<T: Sample>(
    columns: &[usize],
    cols: Border,
    width: usize,
    beyond: usize,
    least: usize,
    medians: &mut [T],
) {
    let count = |place: usize| cols.sample(place).map_or(beyond, |x| columns[x]);
    let mut total: usize = (0..width - 1).map(count).sum();
    for (x, median) in medians.iter_mut().enumerate() {
        total += count(x + width - 1);
        if total < least {
            *median = T::NAN;
        }
        total -= count(x);
    }
}
