//! Light that is wider than a pixel: fine structure, and light that both neighbours share.

use super::rows_of_a_task;
use crate::median::{self, Axis, Edge, Method, Window};
use crate::{Error, Image, Sample};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Fine structure F: running medians of three residuals along the dispersion, then of three of
/// these across it. It is light that fills more than half of a square of three pixels.
///
/// Without a dispersion axis it is the running median over such squares.
pub(super) struct FineStructure<T> {
    /// Medians along the dispersion; without a dispersion axis, F itself.
    medians: Vec<T>,
    cols: usize,
    across: Option<Axis>,
}

impl<T: Sample> FineStructure<T> {
    /// The fine structure of residuals. Takes a buffer of their number, whatever it holds.
    pub(super) fn new(
        residuals: Image<'_, T>,
        dispersion: Option<Axis>,
        mut buffer: Vec<T>,
    ) -> Result<Self, Error> {
        let (cols, across) = (residuals.cols(), dispersion.map(Axis::other));
        let Some(axis) = dispersion else {
            let three = Window::new(3)?;
            let medians = median::rectangle(residuals, three, three, Edge::Shrink, Method::Auto)?;
            return Ok(Self { medians, cols, across });
        };
        let rows = rows_of_a_task(cols);
        buffer.par_chunks_mut(rows * cols.max(1)).enumerate().for_each(|(number, out)| {
            Arch::new().dispatch(OfThree { residuals, axis, first: number * rows, out });
        });
        Ok(Self { medians: buffer, cols, across })
    }

    /// Computes one row.
    #[inline(always)]
    pub(super) fn row(&self, y: usize, out: &mut [T]) {
        let rows = self.medians.len() / self.cols;
        match (self.across, Image::new(&self.medians, rows, self.cols)) {
            (Some(axis), Ok(medians)) => row_of_three(medians, axis, y, out, median_of_three),
            _ => out.copy_from_slice(&self.medians[y * self.cols..][..self.cols]),
        }
    }
}

/// Running medians of three residuals along an axis, for some rows.
struct OfThree<'a, T> {
    residuals: Image<'a, T>,
    axis: Axis,
    first: usize,
    out: &'a mut [T],
}

impl<T: Sample> WithSimd for OfThree<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.out.chunks_exact_mut(self.residuals.cols());
        for (row, out) in rows.enumerate() {
            row_of_three(self.residuals, self.axis, self.first + row, out, median_of_three);
        }
    }
}

/// Shared light E of one row: the lesser of the two neighbours along the dispersion, or the only
/// one. A line's light is shared by both neighbours, a bad pixel's is not.
///
/// Without a dispersion axis, a line may run along either axis: E is the greater one.
#[inline(always)]
pub(super) fn shared_row<T: Sample>(
    residuals: Image<'_, T>,
    dispersion: Option<Axis>,
    y: usize,
    out: &mut [T],
) {
    let lesser = |before: T, _, after| before.lesser(after);
    if let Some(axis) = dispersion {
        row_of_three(residuals, axis, y, out, lesser);
        return;
    }
    let mut along_x = vec![T::NAN; out.len()];
    row_of_three(residuals, Axis::X, y, &mut along_x, lesser);
    row_of_three(residuals, Axis::Y, y, out, lesser);
    for (out, along_x) in out.iter_mut().zip(along_x) {
        *out = out.greater(along_x);
    }
}

/// Combines each sample of a row with its two neighbours along an axis; NaN stands for those beyond
/// the border.
#[inline(always)]
fn row_of_three<T: Sample>(
    image: Image<'_, T>,
    axis: Axis,
    y: usize,
    out: &mut [T],
    combine: impl Fn(T, T, T) -> T,
) {
    let row = image.row(y);
    let sample =
        |row: &[T], x: Option<usize>| x.and_then(|x| row.get(x)).copied().unwrap_or(T::NAN);
    match axis {
        Axis::Y => {
            let above = y.checked_sub(1).map_or(&[][..], |y| image.row(y));
            let below = image.row(y + 1);
            if above.is_empty() || below.is_empty() {
                for (x, (out, &here)) in out.iter_mut().zip(row).enumerate() {
                    *out = combine(sample(above, Some(x)), here, sample(below, Some(x)));
                }
            } else {
                let three = above.iter().zip(row).zip(below);
                for (out, ((&above, &here), &below)) in out.iter_mut().zip(three) {
                    *out = combine(above, here, below);
                }
            }
        }
        Axis::X => {
            let after = row.get(1..).unwrap_or_default();
            let three = row.iter().zip(after).zip(after.get(1..).unwrap_or_default());
            for (out, ((&before, &here), &after)) in out.iter_mut().skip(1).zip(three) {
                *out = combine(before, here, after);
            }
            for x in [0, row.len() - 1] {
                out[x] = combine(sample(row, x.checked_sub(1)), row[x], sample(row, Some(x + 1)));
            }
        }
    }
}

/// The median of those of three samples that are not NaN; NaN if there are none.
#[inline(always)]
#[allow(clippy::many_single_char_names)] // they have no other names
fn median_of_three<T: Sample>(a: T, b: T, c: T) -> T {
    let (least, greatest) = (a.lesser(b), a.greater(b));
    let middle = least.greater(greatest.lesser(c));
    let all_valid = !(a.is_nan() | b.is_nan() | c.is_nan());
    // Of two samples this is the mean, of one the sample.
    let mean = least.lesser(c).midpoint(greatest.greater(c));
    if all_valid { middle } else { mean }
}
