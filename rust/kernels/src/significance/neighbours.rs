//! The light around a pixel: the third brightest of its square of 3 x 3 pixels, and whether the
//! pixel may be the halo of a neighbour.

use crate::lanes::Lanes;
use crate::{Error, Image, Sample, memory};
use pulp::Scalar;

/// A pixel may be the halo of a neighbour that is this many times brighter.
const HALO: f64 = 10.0;

/// The columns of three pixels around the pixels of a row, each from the greatest contrast to the
/// least. NaN and pixels beyond the border count as less than any light.
pub(super) struct Columns<T> {
    /// All have a neighbour on either side.
    ranks: [Vec<T>; 3],
}

impl<T: Sample> Columns<T> {
    /// Memory for rows of `cols` pixels.
    pub(super) fn new(cols: usize) -> Result<Self, Error> {
        let rank = || memory::filled(T::ZERO - T::INFINITY, cols + 2);
        Ok(Self { ranks: [rank()?, rank()?, rank()?] })
    }

    /// Sorts the columns of three rows.
    #[inline(always)]
    pub(super) fn sort<L: Lanes<T = T>>(&mut self, l: L, rows: [&[T]; 3]) {
        let [greatest, middle, least] = &mut self.ranks;
        let cols = rows[1].len();
        let ranks = [&mut greatest[1..=cols], &mut middle[1..=cols], &mut least[1..=cols]];
        let whole = cols / L::WIDTH * L::WIDTH;
        let [above, here, below] = rows.map(|row| row.split_at(whole));
        let [first, second, third] = ranks.map(|rank| rank.split_at_mut(whole));
        sort_whole(l, [above.0, here.0, below.0], [first.0, second.0, third.0]);
        let one = T::lanes(Scalar::new());
        sort_whole(one, [above.1, here.1, below.1], [first.1, second.1, third.1]);
    }

    /// The third greatest contrasts of the squares around the pixels from `x` on.
    #[inline(always)]
    pub(super) fn third<L: Lanes<T = T>>(&self, l: L, x: usize) -> L::V {
        third(l, [self.column(l, x), self.column(l, x + 1), self.column(l, x + 2)])
    }

    /// The columns to the left of the pixels from `x` on.
    #[inline(always)]
    fn column<L: Lanes<T = T>>(&self, l: L, x: usize) -> [L::V; 3] {
        let [greatest, middle, least] = &self.ranks;
        [l.load(&greatest[x..]), l.load(&middle[x..]), l.load(&least[x..])]
    }
}

/// Sorts columns of three rows of whole vectors.
#[inline(always)]
fn sort_whole<L: Lanes>(l: L, rows: [&[L::T]; 3], ranks: [&mut [L::T]; 3]) {
    let least = l.splat(L::T::ZERO - L::T::INFINITY);
    let valid = |sample| l.select(l.equal(sample, sample), sample, least);
    let [above, here, below] = rows.map(|row| L::vectors(row).0);
    let samples = above.iter().zip(here).zip(below);
    let [first, second, third] = ranks.map(|rank| L::vectors_mut(rank).0);
    let ranks = first.iter_mut().zip(second).zip(third);
    for (((first, second), third), ((&above, &here), &below)) in ranks.zip(samples) {
        let (above, here, below) = (valid(above), valid(here), valid(below));
        let (high, low) = (l.max(above, here), l.min(above, here));
        let other = l.max(low, below);
        (*first, *second, *third) = (l.max(high, other), l.min(high, other), l.min(low, below));
    }
}

/// The third greatest of three columns, each in descending order.
#[inline(always)]
fn third<L: Lanes>(l: L, [a, b, c]: [[L::V; 3]; 3]) -> L::V {
    let two = [
        l.max(a[0], b[0]),
        l.max(l.min(a[0], b[0]), l.max(a[1], b[1])),
        l.max(l.max(a[2], b[2]), l.max(l.min(a[1], b[0]), l.min(a[0], b[1]))),
    ];
    l.max(l.max(two[2], c[2]), l.max(l.min(two[1], c[0]), l.min(two[0], c[1])))
}

/// Whether a pixel with this contrast may be the halo of a neighbour.
pub(super) fn may_be_halo<T: Sample>(
    residuals: Image<'_, T>,
    (y, x): (usize, usize),
    contrast: T,
) -> bool {
    let bright = contrast * T::nearest(HALO);
    let (left, right) = (x.saturating_sub(1), (x + 2).min(residuals.cols()));
    (y.saturating_sub(1)..y + 2).any(|v| {
        let row = residuals.row(v).get(left..right).unwrap_or_default();
        let mut pixels = row.iter().enumerate();
        pixels.any(|(u, &neighbour)| neighbour >= bright && (v, left + u) != (y, x))
    })
}

#[cfg(test)]
mod tests {
    use super::{Columns, may_be_halo};
    use crate::Image;
    use crate::instructions::arch;
    use crate::lanes::Vectorized;
    use proptest::prelude::*;
    use pulp::{Scalar, Simd, WithSimd};

    /// The third greatest of the square around each pixel of the middle row.
    struct Thirds<'a>([&'a [f32]; 3]);

    impl WithSimd for Thirds<'_> {
        type Output = Vec<f32>;

        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let cols = self.0[1].len();
            let mut columns = Columns::new(cols).unwrap();
            columns.sort(f32::lanes(simd), self.0);
            (0..cols).map(|x| columns.third(f32::lanes(Scalar::new()), x)).collect()
        }
    }

    #[test]
    fn a_halo_is_beside_a_far_brighter_pixel() {
        let halos = |bright: usize, residual: f32| {
            let mut residuals = [9.0; 12];
            (residuals[1], residuals[bright]) = (f32::NAN, residual);
            let image = Image::new(&residuals, 3, 4).unwrap();
            let places = (0..12).filter(|&i| may_be_halo(image, (i / 4, i % 4), 2.0));
            places.collect::<Vec<_>>()
        };
        assert_eq!(halos(5, 20.0), [0, 1, 2, 4, 6, 8, 9, 10]);
        assert_eq!(halos(11, 20.0), [6, 7, 10]);
        assert_eq!(halos(0, 20.0), [1, 4, 5]);
        assert_eq!(halos(5, 19.9), []);
    }

    proptest! {
        #[test]
        fn thirds_equal_a_sort(rows in (1usize..40).prop_flat_map(|cols| {
            let sample = prop_oneof![4 => (-5i16..5).prop_map(f32::from), 1 => Just(f32::NAN)];
            prop::array::uniform3(prop::collection::vec(sample, cols))
        })) {
            let thirds = arch().dispatch(Thirds([0, 1, 2].map(|y| &rows[y][..])));
            for (x, third) in thirds.into_iter().enumerate() {
                let cols = x.saturating_sub(1)..(x + 2).min(rows[0].len());
                let around = rows.iter().flat_map(|row| &row[cols.clone()]);
                let mut found: Vec<_> = around.copied().filter(|sample| !sample.is_nan()).collect();
                found.extend([f32::NEG_INFINITY; 3]);
                found.sort_by(f32::total_cmp);
                prop_assert_eq!(third, found[found.len() - 3]);
            }
        }
    }
}
