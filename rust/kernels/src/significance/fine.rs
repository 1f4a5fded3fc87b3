//! Fine structure: light that fills more than half of a square of 3 x 3 pixels.

use crate::instructions::arch;
use crate::lanes::{Lanes, Vectorized};
use crate::median::{Axis, Edge, Median};
use crate::{Error, Image, Sample, memory};
use pulp::{Scalar, Simd, WithSimd};

/// The fine structure of an image: the magnitude of running medians of three residuals along the
/// dispersion and of three of these across it. Without a dispersion axis, the magnitude of running
/// medians over squares.
pub(super) enum Structure<'a, T> {
    /// It is computed when it is asked for.
    Rows(Image<'a, T>, Axis),
    /// All of it.
    All(Vec<T>),
}

impl<'a, T: Sample> Structure<'a, T> {
    /// The fine structure of residuals.
    pub(super) fn new(residuals: Image<'a, T>, dispersion: Option<Axis>) -> Result<Self, Error> {
        if let Some(axis) = dispersion {
            return Ok(Self::Rows(residuals, axis));
        }
        let mut all = Median::rectangle(3, 3).edge(Edge::Shrink).medians(residuals)?;
        for sample in &mut all {
            *sample = sample.magnitude();
        }
        Ok(Self::All(all))
    }

    /// Some rows, from row `from` to before row `to`.
    pub(super) fn rows(&self, (from, to): (usize, usize), cols: usize) -> Result<Vec<T>, Error> {
        match self {
            &Self::Rows(residuals, axis) => arch().dispatch(Rows { residuals, axis, from, to }),
            Self::All(all) => memory::copied(&all[from * cols..to * cols]),
        }
    }
}

/// Some rows of fine structure.
struct Rows<'a, T> {
    residuals: Image<'a, T>,
    axis: Axis,
    from: usize,
    to: usize,
}

impl<T: Sample> WithSimd for Rows<'_, T> {
    type Output = Result<Vec<T>, Error>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<Vec<T>, Error> {
        let Self { residuals, axis, from, to } = self;
        let l = T::lanes(simd);
        let cols = residuals.cols();
        let row_of_nan = || memory::filled(T::NAN, cols);
        let missing = row_of_nan()?;
        let row = |y: Option<usize>| {
            y.map(|y| residuals.row(y)).filter(|row| !row.is_empty()).unwrap_or(&missing)
        };
        let mut medians = [row_of_nan()?, row_of_nan()?, row_of_nan()?];
        let mut structure = row_of_nan()?;
        let mut all = memory::with_capacity((to - from) * cols)?;
        for y in from..to {
            if axis == Axis::Y {
                let three = [row(y.checked_sub(1)), row(Some(y)), row(Some(y + 1))];
                all_of_three(l, three, &mut medians[0]);
                along(l, &medians[0], &mut structure);
            } else {
                if y == from {
                    along(l, row(y.checked_sub(1)), &mut medians[1]);
                    along(l, row(Some(y)), &mut medians[2]);
                }
                medians.rotate_left(1);
                along(l, row(Some(y + 1)), &mut medians[2]);
                let [above, here, below] = &medians;
                all_of_three(l, [above, here, below], &mut structure);
            }
            all.extend(structure.iter().map(|median| median.magnitude()));
        }
        Ok(all)
    }
}

/// The median of each sample of a row and of its neighbours.
#[inline(always)]
fn along<L: Lanes>(l: L, row: &[L::T], out: &mut [L::T]) {
    let last = row.len() - 1;
    if let Some(inside) = out.get_mut(1..last) {
        all_of_three(l, [&row[..last - 1], &row[1..last], &row[2..]], inside);
    }
    let one = L::T::lanes(Scalar::new());
    let at = |x: Option<usize>| x.and_then(|x| row.get(x)).copied().unwrap_or(L::T::NAN);
    for x in [0, last] {
        let [before, after] = [at(x.checked_sub(1)), at(Some(x + 1))];
        all_of_three(one, [&[before], &[row[x]], &[after]], &mut out[x..=x]);
    }
}

/// The medians of three samples at the same places of three rows.
#[inline(always)]
fn all_of_three<L: Lanes>(l: L, rows: [&[L::T]; 3], out: &mut [L::T]) {
    let [a, b, c] = rows;
    let whole = out.len() / L::WIDTH * L::WIDTH;
    let ((a, a_rest), (b, b_rest)) = (a.split_at(whole), b.split_at(whole));
    let ((c, c_rest), (out, out_rest)) = (c.split_at(whole), out.split_at_mut(whole));
    of_three(l, [a, b, c], out);
    of_three(L::T::lanes(Scalar::new()), [a_rest, b_rest, c_rest], out_rest);
}

/// The medians of those of three samples that are not NaN; NaN if there are none. All rows are
/// whole vectors.
#[inline(always)]
fn of_three<L: Lanes>(l: L, [a, b, c]: [&[L::T]; 3], out: &mut [L::T]) {
    let (infinity, half) = (l.splat(L::T::INFINITY), l.splat(L::T::HALF));
    let rows = L::vectors(a).0.iter().zip(L::vectors(b).0).zip(L::vectors(c).0);
    for (out, ((&a, &b), &c)) in L::vectors_mut(out).0.iter_mut().zip(rows) {
        let (is_a, is_b, is_c) = (l.equal(a, a), l.equal(b, b), l.equal(c, c));
        let or = |is, sample, other| l.select(is, sample, other);
        let (high_a, high_b) = (or(is_a, a, infinity), or(is_b, b, infinity));
        let (high_c, low_c) = (or(is_c, c, infinity), or(is_c, c, l.negated(infinity)));
        let low_a = or(is_a, a, l.negated(infinity));
        let low_b = or(is_b, b, l.negated(infinity));
        let (least, greatest) = (l.min(high_a, high_b), l.max(low_a, low_b));
        let middle = l.max(least, l.min(greatest, high_c));
        // Of two samples this is the mean, of one the sample.
        let (low, high) = (l.min(least, high_c), l.max(greatest, low_c));
        let mut mean = l.mean(low, high);
        if l.any(l.equal(l.magnitude(mean), infinity)) {
            let halves = l.add(l.mul(low, half), l.mul(high, half));
            mean = l.select(l.equal(l.magnitude(mean), infinity), halves, mean);
        }
        *out = or(is_a, or(is_b, or(is_c, middle, mean), mean), mean);
    }
}

#[cfg(test)]
mod tests {
    use super::Rows;
    use crate::median::{Axis, Edge, Median, Method};
    use crate::testing::{special_samples, with_each};
    use crate::{Image, Sample};

    fn assert_equal_to_running_medians<T: Sample>(greatest: T) {
        let rows = 7;
        let three = |axis| Median::along(axis, 3).edge(Edge::Shrink).method(Method::Heap);
        for cols in 1..40 {
            let samples = special_samples(greatest, rows * cols, cols as u64);
            let residuals = Image::new(&samples, rows, cols).unwrap();
            for axis in [Axis::X, Axis::Y] {
                let once = three(axis).medians(residuals).unwrap();
                let once = Image::new(&once, rows, cols).unwrap();
                let twice = three(axis.other()).medians(once).unwrap();
                for (from, to) in [(0, rows), (2, 5), (rows - 1, rows)] {
                    for ours in with_each(|| Rows { residuals, axis, from, to }) {
                        let ours = ours.unwrap();
                        let pairs = ours.iter().zip(&twice[from * cols..to * cols]);
                        let mut pairs = pairs.map(|(&a, b)| (a, b.magnitude()));
                        assert_eq!(ours.len(), (to - from) * cols);
                        assert!(pairs.all(|(a, b)| a == b || a.is_nan() && b.is_nan()));
                    }
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_running_medians() {
        assert_equal_to_running_medians(f32::MAX);
        assert_equal_to_running_medians(f64::MAX);
    }
}
