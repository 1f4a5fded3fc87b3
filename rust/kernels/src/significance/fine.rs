//! Fine structure: light that fills more than half of a square of 3 x 3 pixels.

use crate::median::{self, Axis, Edge, Method, Window};
use crate::{Error, Image, Sample};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Writes fine structure to `out`: the magnitude of running medians of three residuals along the
/// dispersion and of three of these across it.
///
/// Without a dispersion axis it is that of running medians over squares. The buffer holds as many
/// samples, whatever they are.
pub(super) fn structure<T: Sample>(
    residuals: Image<'_, T>,
    dispersion: Option<Axis>,
    buffer: &mut [T],
    out: &mut [T],
) -> Result<(), Error> {
    if let Some(axis) = dispersion {
        of_three(residuals, axis, buffer, |median| median);
        let medians = Image::new(buffer, residuals.rows(), residuals.cols())?;
        of_three(medians, axis.other(), out, Sample::magnitude);
    } else {
        let three = Window::new(3)?;
        let medians = median::rectangle(residuals, three, three, Edge::Shrink, Method::Auto)?;
        for (out, median) in out.iter_mut().zip(medians) {
            *out = median.magnitude();
        }
    }
    Ok(())
}

/// Running medians of three samples along an axis, each changed by a function.
fn of_three<T: Sample>(
    image: Image<'_, T>,
    axis: Axis,
    out: &mut [T],
    change: impl Fn(T) -> T + Copy + Sync,
) {
    let rows = image.rows_of_a_task();
    out.par_chunks_mut(rows * image.cols().max(1)).enumerate().for_each(|(number, out)| {
        Arch::new().dispatch(OfThree { image, axis, first: number * rows, out, change });
    });
}

/// The medians of some rows.
struct OfThree<'a, T, F> {
    image: Image<'a, T>,
    axis: Axis,
    first: usize,
    out: &'a mut [T],
    change: F,
}

impl<T: Sample, F: Fn(T) -> T + Copy> WithSimd for OfThree<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { image, axis, first, out, change } = self;
        for (row, out) in out.chunks_exact_mut(image.cols()).enumerate() {
            combine_three(image, axis, first + row, out, |a, b, c| {
                change(median_of_three(a, b, c))
            });
        }
    }
}

/// Combines each sample of a row with its two neighbours along an axis. NaN stands for those beyond
/// the border.
#[inline(always)]
pub(super) fn combine_three<T: Sample>(
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
fn median_of_three<T: Sample>(a: T, b: T, c: T) -> T {
    let (least, greatest) = (a.lesser(b), a.greater(b));
    let middle = least.greater(greatest.lesser(c));
    let all_valid = !(a.is_nan() | b.is_nan() | c.is_nan());
    // Of two samples this is the mean, of one the sample.
    let mean = least.lesser(c).midpoint(greatest.greater(c));
    if all_valid { middle } else { mean }
}
