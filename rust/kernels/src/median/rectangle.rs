//! Rectangular windows, by a selection network or the double heap.

use super::choice::Choice;
use super::network::builder::Shape;
use super::{
    Axis, Edge, Method, Reach, RunningMedian, Window, along, blocks, filter_along, of_task,
};
use crate::{Error, Image, Sample, memory};
use rayon::prelude::*;

/// Running median over a window of `height` rows and `width` columns, row-major.
///
/// # Errors
/// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more. [`Error::Memory`] if there is
/// too little.
pub fn rectangle<T: Sample>(
    image: Image<'_, T>,
    height: Window,
    width: Window,
    edge: Edge,
    method: Method,
) -> Result<Vec<T>, Error> {
    let height = height.fitted_to(image.rows());
    let width = width.fitted_to(image.cols());
    let window = match (height.len(), width.len()) {
        (_, 1) => return along(image, Axis::Y, height, edge, method),
        (1, _) => return along(image, Axis::X, width, edge, method),
        (rows, cols) => Shape { rows, cols },
    };
    match Choice::of(window, Shape::of(image), method) {
        Choice::Network(program) => blocks::filter(image, &program, edge),
        Choice::Copy | Choice::Heap => rectangle_by_heap(image, height.into(), width.into(), edge),
    }
}

/// The double heap: O(s log(s l)) for each pixel, where s and l are the window's shorter and longer
/// side.
pub(super) fn rectangle_by_heap<T: Sample>(
    image: Image<'_, T>,
    height: Reach,
    width: Reach,
    edge: Edge,
) -> Result<Vec<T>, Error> {
    let too_large = Error::WindowTooLarge { rows: height.len(), cols: width.len() };
    let capacity = height.len().checked_mul(width.len()).ok_or(too_large)?;
    if capacity > RunningMedian::<T>::MOST {
        return Err(too_large);
    }
    if width.len() >= height.len() {
        return rows_by_heap(image, height, width, edge, capacity);
    }
    filter_along(image, Axis::Y, |transposed| {
        rows_by_heap(transposed, width, height, edge, capacity)
    })
}

/// Moves the window along each row. Each step adds one column of samples and removes one.
fn rows_by_heap<T: Sample>(
    image: Image<'_, T>,
    height: Reach,
    width: Reach,
    edge: Edge,
    capacity: usize,
) -> Result<Vec<T>, Error> {
    let mut out = memory::filled(T::NAN, image.samples().len())?;
    if !out.is_empty() {
        let median = || RunningMedian::new(capacity);
        let rows = out.par_chunks_mut(image.cols()).enumerate();
        rows.try_for_each_init(median, |median, (y, out)| {
            let rows = WindowRows { image, y, reach: height, beyond: edge.beyond() };
            filter_row(of_task(median)?, &rows, width, out);
            Ok(())
        })?;
    }
    Ok(out)
}

fn filter_row<T: Sample>(
    median: &mut RunningMedian<T>,
    rows: &WindowRows<'_, T>,
    width: Reach,
    out: &mut [T],
) {
    median.clear();
    for _ in 0..width.before {
        rows.push_beyond(median);
    }
    for x in 0..out.len() + width.after {
        if x < out.len() {
            rows.push_column(x, median);
        } else {
            rows.push_beyond(median);
        }
        if x >= width.after {
            out[x - width.after] = median.median();
        }
    }
}

/// The rows that the windows around row `y` contain.
struct WindowRows<'a, T> {
    image: Image<'a, T>,
    y: usize,
    reach: Reach,
    /// Stands for each sample beyond the border.
    beyond: T,
}

impl<T: Sample> WindowRows<'_, T> {
    /// Pushes the samples of column `x`.
    fn push_column(&self, x: usize, median: &mut RunningMedian<T>) {
        for row in self.y..self.y + self.reach.len() {
            let inside =
                row.checked_sub(self.reach.before).and_then(|row| self.image.row(row).get(x));
            median.push(inside.copied().unwrap_or(self.beyond));
        }
    }

    /// Pushes a column beyond the border.
    fn push_beyond(&self, median: &mut RunningMedian<T>) {
        for _ in 0..self.reach.len() {
            median.push(self.beyond);
        }
    }
}
