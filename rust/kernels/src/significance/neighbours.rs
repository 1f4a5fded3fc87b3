//! The light around a pixel: the third brightest of its square of 3 x 3, the brightest neighbour,
//! and the slope of the smooth light.

use super::fine::combine_three;
use crate::median::Axis;
use crate::{Image, Sample};

/// A pixel may be the halo of a neighbour that is this many times brighter.
const HALO: f64 = 10.0;

/// The square of 3 x 3 pixels around each pixel of a row.
///
/// NaN and pixels beyond the border count as less than any light.
pub(super) struct Squares<T> {
    /// The contrasts of each column of three, from the greatest to the least. All columns have a
    /// neighbour on each side.
    contrasts: [Vec<T>; 3],
    /// The greatest residual of each column.
    columns: Vec<T>,
    /// The same without the middle row.
    pairs: Vec<T>,
}

impl<T: Sample> Squares<T> {
    /// Memory for rows of `cols` pixels.
    pub(super) fn new(cols: usize) -> Self {
        let column = || vec![T::ZERO - T::INFINITY; cols + 2];
        let contrasts = [column(), column(), column()];
        Self { contrasts, columns: column(), pairs: column() }
    }

    /// Reads row `y` and its neighbours.
    #[inline(always)]
    pub(super) fn read(&mut self, contrasts: Image<'_, T>, residuals: Image<'_, T>, y: usize) {
        let [above, here, below] = rows_around(contrasts, y);
        let cols = here.len();
        let [greatest, middle, least] = &mut self.contrasts;
        let (greatest, middle) = (&mut greatest[1..=cols], &mut middle[1..=cols]);
        let least = &mut least[1..=cols];
        copy(here, middle);
        copy(above, greatest);
        copy(below, least);
        for x in 0..cols {
            let (a, b, c) = (greatest[x], middle[x], least[x]);
            let (high, low) = (higher(a, b), lower(a, b));
            least[x] = lower(low, c);
            let low = higher(low, c);
            (greatest[x], middle[x]) = (higher(high, low), lower(high, low));
        }
        let [above, here, below] = rows_around(residuals, y);
        let (columns, pairs) = (&mut self.columns[1..=cols], &mut self.pairs[1..=cols]);
        copy(above, pairs);
        copy(below, columns);
        for x in 0..cols {
            pairs[x] = higher(pairs[x], columns[x]);
            columns[x] = higher(pairs[x], or_least(here[x]));
        }
    }

    /// Replaces the noise of the row by the third greatest contrast of each square, where it is
    /// greater than the noise times `stands_out`, and no neighbour is so bright that the pixel may
    /// be its halo.
    #[inline(always)]
    pub(super) fn add(&self, noise: &mut [T], contrast: &[T], stands_out: T) {
        let halo = T::nearest(HALO);
        let [before, here, after] = [0, 1, 2].map(|from| self.columns_from(from, noise.len()));
        for (x, (noise, &contrast)) in noise.iter_mut().zip(contrast).enumerate() {
            let third = third_of([before, here, after].map(|columns| columns.contrasts(x)));
            let neighbour = higher(higher(before.all[x], after.all[x]), here.others[x]);
            let stands_out = third > *noise * stands_out;
            let is_halo = neighbour >= contrast * halo;
            *noise = noise.greater(if stands_out & !is_halo { third } else { T::ZERO });
        }
    }

    /// `cols` columns, the first of which is that before pixel `from`.
    #[inline(always)]
    fn columns_from(&self, from: usize, cols: usize) -> Columns<'_, T> {
        let part = from..from + cols;
        let [greatest, middle, least] = &self.contrasts;
        Columns {
            greatest: &greatest[part.clone()],
            middle: &middle[part.clone()],
            least: &least[part.clone()],
            all: &self.columns[part.clone()],
            others: &self.pairs[part],
        }
    }
}

/// Some columns of three pixels, of equal number in every slice.
#[derive(Clone, Copy)]
struct Columns<'a, T> {
    greatest: &'a [T],
    middle: &'a [T],
    least: &'a [T],
    all: &'a [T],
    others: &'a [T],
}

impl<T: Sample> Columns<'_, T> {
    /// The contrasts of a column, from the greatest to the least.
    #[inline(always)]
    fn contrasts(&self, x: usize) -> [T; 3] {
        [self.greatest[x], self.middle[x], self.least[x]]
    }
}

/// The third greatest of three columns, each in descending order.
#[inline(always)]
fn third_of<T: Sample>([a, b, c]: [[T; 3]; 3]) -> T {
    let two = [
        higher(a[0], b[0]),
        higher(lower(a[0], b[0]), higher(a[1], b[1])),
        higher(higher(a[2], b[2]), higher(lower(a[1], b[0]), lower(a[0], b[1]))),
    ];
    higher(higher(two[2], c[2]), higher(lower(two[1], c[0]), lower(two[0], c[1])))
}

/// A row with those above and below it, which are empty beyond the border.
#[inline(always)]
fn rows_around<T: Sample>(image: Image<'_, T>, y: usize) -> [&[T]; 3] {
    [y.checked_sub(1).map_or(&[], |y| image.row(y)), image.row(y), image.row(y + 1)]
}

/// Copies a row, or none beyond the border.
#[inline(always)]
fn copy<T: Sample>(row: &[T], to: &mut [T]) {
    if row.is_empty() {
        to.fill(T::ZERO - T::INFINITY);
    }
    for (to, &sample) in to.iter_mut().zip(row) {
        *to = or_least(sample);
    }
}

#[inline(always)]
fn or_least<T: Sample>(sample: T) -> T {
    if sample.is_nan() { T::ZERO - T::INFINITY } else { sample }
}

#[inline(always)]
fn higher<T: Sample>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

#[inline(always)]
fn lower<T: Sample>(a: T, b: T) -> T {
    if a < b { a } else { b }
}

/// The slope of the smooth light in one row: the greater of its steps to the neighbours along the
/// dispersion; NaN if there is none. Without a dispersion axis, along both.
#[inline(always)]
pub(super) fn slopes<T: Sample>(
    smooth: Image<'_, T>,
    dispersion: Option<Axis>,
    y: usize,
    out: &mut [T],
) {
    greatest_of_three(smooth, dispersion, y, out, |before: T, here: T, after| {
        (here - before).magnitude().greater((here - after).magnitude())
    });
}

/// The differences of the samples of a row from the lesser of their neighbours along the dispersion;
/// NaN if there is none. Without a dispersion axis, the greater one of both directions.
#[inline(always)]
pub(super) fn darkness<T: Sample>(
    image: Image<'_, T>,
    dispersion: Option<Axis>,
    y: usize,
    out: &mut [T],
) {
    greatest_of_three(image, dispersion, y, out, |before: T, here, after| {
        here - before.lesser(after)
    });
}

/// Combines each sample of a row with its neighbours along an axis. Without an axis, takes the
/// greater result of both.
#[inline(always)]
fn greatest_of_three<T: Sample>(
    image: Image<'_, T>,
    axis: Option<Axis>,
    y: usize,
    out: &mut [T],
    combine: impl Fn(T, T, T) -> T + Copy,
) {
    if let Some(axis) = axis {
        combine_three(image, axis, y, out, combine);
        return;
    }
    let mut along_x = vec![T::NAN; out.len()];
    combine_three(image, Axis::X, y, &mut along_x, combine);
    combine_three(image, Axis::Y, y, out, combine);
    for (out, along_x) in out.iter_mut().zip(along_x) {
        *out = out.greater(along_x);
    }
}

#[cfg(test)]
mod tests {
    use super::{Squares, third_of};
    use crate::Image;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn squares_equal_a_sort(
            (rows, cols, contrasts, residuals) in (1usize..6, 1usize..9).prop_flat_map(|(r, c)| {
                let samples = || prop::collection::vec(
                    prop_oneof![4 => (-5i16..5).prop_map(f32::from), 1 => Just(f32::NAN)], r * c,
                );
                (Just(r), Just(c), samples(), samples())
            }),
        ) {
            let contrasts = Image::new(&contrasts, rows, cols).unwrap();
            let residuals = Image::new(&residuals, rows, cols).unwrap();
            let mut squares = Squares::new(cols);
            for y in 0..rows {
                squares.read(contrasts, residuals, y);
                let [before, here, after] = [0, 1, 2].map(|from| squares.columns_from(from, cols));
                for x in 0..cols {
                    let around = |image: Image<'_, f32>, middle: bool| {
                        let mut found = vec![f32::NEG_INFINITY; 3];
                        for (v, u) in (0..3).flat_map(|v| (0..3).map(move |u| (v, u))) {
                            let at = (y + v).checked_sub(1).zip((x + u).checked_sub(1));
                            let Some((v1, u1)) = at.filter(|at| at.0 < rows && at.1 < cols) else {
                                continue;
                            };
                            let sample = image.row(v1)[u1];
                            if !sample.is_nan() && (middle || (v, u) != (1, 1)) {
                                found.push(sample);
                            }
                        }
                        found.sort_by(f32::total_cmp);
                        found
                    };
                    let found = around(contrasts, true);
                    let third = third_of([before, here, after].map(|columns| columns.contrasts(x)));
                    prop_assert_eq!(third, found[found.len() - 3]);
                    let others = around(residuals, false);
                    let brightest = before.all[x].max(after.all[x]).max(here.others[x]);
                    prop_assert_eq!(brightest, others[others.len() - 1]);
                }
            }
        }
    }
}
