//! Rectangular windows.

use super::lines::vectors_are_wide;
use super::{Axis, Edge, Method, Reach, RunningMedian, Window, along, blocks, turned_to};
use crate::median::network::builder::Shape;
use crate::{Error, Image, Sample};
use rayon::prelude::*;

/// Running median over a window of `height` rows and `width` columns, row-major.
///
/// # Errors
/// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more.
pub fn plane<T: Sample>(
    image: Image<'_, T>,
    height: Window,
    width: Window,
    edge: Edge,
) -> Result<Vec<T>, Error> {
    plane_by(image, height, width, edge, Method::Auto)
}

/// As [`plane`], by a kernel of choice.
///
/// # Errors
/// [`Error::WindowTooLarge`] if the window holds 2^31 samples or more.
pub fn plane_by<T: Sample>(
    image: Image<'_, T>,
    height: Window,
    width: Window,
    edge: Edge,
    method: Method,
) -> Result<Vec<T>, Error> {
    let height = height.fitted_to(image.rows());
    let width = width.fitted_to(image.cols());
    match (height.len(), width.len()) {
        (_, 1) => return along(image, Axis::Y, height, edge, method),
        (1, _) => return along(image, Axis::X, width, edge, method),
        (rows, cols) => {
            if is_for_network(method, image.samples().len(), rows.max(cols))
                && let Some(medians) = blocks::filter(image, Shape { rows, cols }, edge)?
            {
                return Ok(medians);
            }
        }
    }
    by_heap(image, height.into(), width.into(), edge)
}

/// Whether a network is wanted for a window, whose longer side has `longest` samples.
///
/// One takes longer to build than a small image by the double heap; and beyond some length the
/// double heap, which walks along the longer side, is the faster.
fn is_for_network(method: Method, samples: usize, longest: usize) -> bool {
    const SAMPLES_PER_LENGTH: usize = 1500;
    const LONGEST: usize = 61;
    match method {
        Method::Auto => {
            longest <= LONGEST && samples >= SAMPLES_PER_LENGTH * longest && vectors_are_wide()
        }
        Method::Heap => false,
        Method::Network => samples > 0,
    }
}

/// The double heap: O(s log(s l)) a pixel, where s and l are the window's shorter and longer side.
pub(super) fn by_heap<T: Sample>(
    image: Image<'_, T>,
    height: Reach,
    width: Reach,
    edge: Edge,
) -> Result<Vec<T>, Error> {
    let too_large = Error::WindowTooLarge { rows: height.len(), cols: width.len() };
    let capacity = height.len().checked_mul(width.len()).ok_or(too_large)?;
    let median = RunningMedian::new(capacity).map_err(|_| too_large)?;
    if width.len() >= height.len() {
        return Ok(along_rows(image, height, width, edge, median));
    }
    turned_to(image, Axis::Y, |turned| Ok(along_rows(turned, width, height, edge, median.clone())))
}

/// The window runs along each row, taking in and letting go one column of samples a step.
fn along_rows<T: Sample>(
    image: Image<'_, T>,
    height: Reach,
    width: Reach,
    edge: Edge,
    median: RunningMedian<T>,
) -> Vec<T> {
    let mut out = vec![T::NAN; image.samples().len()];
    if !out.is_empty() {
        out.par_chunks_mut(image.cols()).enumerate().for_each_with(median, |median, (y, out)| {
            let rows = Rows { image, y, reach: height, fill: edge.fill() };
            filter_row(median, &rows, width, out);
        });
    }
    out
}

fn filter_row<T: Sample>(
    median: &mut RunningMedian<T>,
    rows: &Rows<'_, T>,
    width: Reach,
    out: &mut [T],
) {
    median.clear();
    for _ in 0..width.before {
        rows.beyond(median);
    }
    for x in 0..out.len() + width.after {
        if x < out.len() {
            rows.column(x, median);
        } else {
            rows.beyond(median);
        }
        if x >= width.after {
            out[x - width.after] = median.median();
        }
    }
}

/// The rows around `y` that its windows can see.
struct Rows<'a, T> {
    image: Image<'a, T>,
    y: usize,
    reach: Reach,
    fill: T,
}

impl<T: Sample> Rows<'_, T> {
    /// Pushes the samples of column `x`.
    fn column(&self, x: usize, median: &mut RunningMedian<T>) {
        for row in self.y..self.y + self.reach.len() {
            let inside =
                row.checked_sub(self.reach.before).and_then(|row| self.image.row(row).get(x));
            median.push(inside.copied().unwrap_or(self.fill));
        }
    }

    /// Pushes a column that lies beyond the image.
    fn beyond(&self, median: &mut RunningMedian<T>) {
        for _ in 0..self.reach.len() {
            median.push(self.fill);
        }
    }
}
