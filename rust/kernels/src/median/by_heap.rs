//! Running medians of an image by the double heap.

use super::edge::Border;
use super::network::builder::Shape;
use super::reach::Extent;
use super::{Edge, RunningMedian};
use crate::{Error, Image, Sample, memory};
use rayon::prelude::*;

/// Writes the running median of an image that is not empty, in O(s log(s l)) for each pixel, where s
/// and l are the window's shorter and longer side.
pub(super) fn filter<T: Sample>(
    image: Image<'_, T>,
    extent: Extent,
    edge: Edge,
    out: &mut [T],
) -> Result<(), Error> {
    let Shape { rows, cols } = extent.shape();
    let too_large = Error::WindowTooLarge { rows, cols };
    let capacity = rows.checked_mul(cols).ok_or(too_large)?;
    if capacity > RunningMedian::<T>::MOST {
        return Err(too_large);
    }
    if cols >= rows {
        return along_rows(image, extent, edge, out);
    }
    image.transposed_by(out, |transposed, out| {
        along_rows(transposed, extent.transposed(), edge, out)
    })
}

/// Moves the window along each row. Each step adds one column of samples and removes one.
fn along_rows<T: Sample>(
    image: Image<'_, T>,
    extent: Extent,
    edge: Edge,
    out: &mut [T],
) -> Result<(), Error> {
    let rows = out.par_chunks_mut(image.cols()).enumerate();
    rows.try_for_each_init(
        || Window::of(image, extent, edge),
        |window, (y, out)| {
            window.as_mut().map_err(|error| *error)?.filter(y, out);
            Ok(())
        },
    )
}

/// The window of a task, as it moves along rows.
struct Window<'a, T> {
    image: Image<'a, T>,
    /// The places of the windows in the rows and in the columns of the image.
    places: (Border, Border),
    width: usize,
    /// The rows that the window contains; None beyond the border.
    rows: Vec<Option<&'a [T]>>,
    median: RunningMedian<T>,
    /// Stands for each sample beyond the border.
    beyond: T,
}

impl<'a, T: Sample> Window<'a, T> {
    fn of(image: Image<'a, T>, extent: Extent, edge: Edge) -> Result<Self, Error> {
        let Shape { rows, cols: width } = extent.shape();
        Ok(Self {
            image,
            places: extent.places(Shape::of(image), edge),
            width,
            rows: memory::filled(None, rows)?,
            median: RunningMedian::new(rows * width)?,
            beyond: edge.beyond(),
        })
    }

    /// Writes the medians of row `y`.
    fn filter(&mut self, y: usize, out: &mut [T]) {
        for (place, row) in (y..).zip(&mut self.rows) {
            *row = self.places.0.sample(place).map(|y| self.image.row(y));
        }
        self.median.clear();
        for place in 0..self.width - 1 {
            self.push_column(place);
        }
        for (place, out) in (self.width - 1..).zip(out) {
            self.push_column(place);
            *out = self.median.median();
        }
    }

    fn push_column(&mut self, place: usize) {
        let x = self.places.1.sample(place);
        for row in &self.rows {
            let sample = row.zip(x).map_or(self.beyond, |(row, x)| row[x]);
            self.median.push(sample);
        }
    }
}
