//! Running medians over squares of 3 x 3 samples, with adjacent windows in the lanes.
//!
//! Each column of three rows is sorted once; it belongs to three windows. The three least, the three
//! middle and the three greatest samples of a window's columns are sorted then. Let these be a, b and
//! c. They leave few candidates for each rank: the least five are a0; a1 or b0; the greater of these
//! two, a2 or c0; and so on.
//!
//! NaNs are replaced by +inf, which sorts behind the samples, and are counted. Of 9 - n valid
//! samples, the middle ranks are (8 - n) / 2 and (9 - n) / 2, rounded down.

use super::edge::Border;
use super::network::lanes::{Lanes, set_nans_apart};
use super::reach::Extent;
use super::{Edge, Reach, of_samples};
use crate::instructions::arch;
use crate::{Error, Image, Sample, memory};
use pulp::{Simd, WithSimd};

/// Samples along each side of the window.
const SIDE: usize = 3;
const REACH: Reach = Reach { before: 1, after: 1 };
/// The window.
pub(super) const EXTENT: Extent = Extent { height: REACH, width: REACH };

/// The running median over squares of 3 x 3 samples.
pub(super) struct Nine<'a, T> {
    pub(super) image: Image<'a, T>,
    /// The places of the windows in the rows and in the columns of the image.
    pub(super) places: (Border, Border),
    /// Whether the medians are those of the magnitudes.
    pub(super) of_magnitudes: bool,
}

impl<T: Sample> Nine<'_, T> {
    /// Writes some rows of medians, from row `first` on.
    pub(super) fn rows(&self, first: usize, out: &mut [T]) -> Result<(), Error> {
        arch().dispatch(SomeRows { nine: self, first, out })
    }

    fn beyond(&self) -> T {
        let beyond: T = self.edge().beyond();
        if self.of_magnitudes { beyond.magnitude() } else { beyond }
    }

    fn edge(&self) -> Edge {
        self.places.0.edge
    }

    /// Reads a row of samples, with those beyond its ends.
    #[inline(always)]
    fn read(&self, place: usize, to: &mut [T]) {
        let (rows, cols) = self.places;
        let Some(y) = rows.sample(place) else {
            to[..cols.n + SIDE - 1].fill(self.beyond());
            return;
        };
        let row = self.image.row(y);
        let magnitude = |sample: T| if self.of_magnitudes { sample.magnitude() } else { sample };
        for (to, &sample) in to[cols.before..].iter_mut().zip(row) {
            *to = magnitude(sample);
        }
        for place in [0, cols.n + cols.before] {
            to[place] = cols.sample(place).map_or(self.beyond(), |x| magnitude(row[x]));
        }
    }

    /// The median of one window.
    #[cold]
    fn median(&self, y: usize, x: usize) -> Result<T, Error> {
        let mut row = memory::zeros(self.image.cols() + SIDE - 1)?;
        let mut window = memory::with_capacity(SIDE * SIDE)?;
        for place in y..y + SIDE {
            self.read(place, &mut row);
            window.extend_from_slice(&row[x..x + SIDE]);
        }
        Ok(of_samples(window))
    }
}

/// Some rows of medians, from row `first` on.
struct SomeRows<'a, T> {
    nine: &'a Nine<'a, T>,
    first: usize,
    out: &'a mut [T],
}

impl<T: Sample> WithSimd for SomeRows<'_, T> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<(), Error> {
        let Self { nine, first, out } = self;
        let l = T::lanes(simd);
        let cols = nine.image.cols();
        let mut columns = Columns::new(cols, T::Lanes::<S>::WIDTH)?;
        for place in first..first + SIDE - 1 {
            columns.read(nine, place);
        }
        for (y, out) in (first..).zip(out.chunks_exact_mut(cols)) {
            columns.read(nine, y + SIDE - 1);
            columns.sort(l);
            for x in columns.write(l, out)? {
                out[x] = nine.median(y, x)?;
            }
        }
        Ok(())
    }
}

/// The columns of the windows of a row. Rows are so long that all vectors are whole.
struct Columns<T> {
    /// The last three rows with +inf for NaN, and 1 for each NaN, else 0. The oldest is read next.
    rows: [(Vec<T>, Vec<T>); SIDE],
    /// The least, the middle and the greatest sample of each column.
    sorted: [Vec<T>; SIDE],
    /// NaNs in each column.
    nans: Vec<T>,
    samples: Vec<T>,
}

impl<T: Sample> Columns<T> {
    fn new(cols: usize, width: usize) -> Result<Self, Error> {
        let zeros = || memory::zeros(cols.next_multiple_of(width) + SIDE + width);
        let row = || Ok::<_, Error>((zeros()?, zeros()?));
        Ok(Self {
            rows: [row()?, row()?, row()?],
            sorted: [zeros()?, zeros()?, zeros()?],
            nans: zeros()?,
            samples: zeros()?,
        })
    }

    /// Replaces the oldest row.
    #[inline(always)]
    fn read(&mut self, nine: &Nine<'_, T>, place: usize) {
        self.rows.rotate_left(1);
        nine.read(place, &mut self.samples);
        let (filled, nans) = &mut self.rows[SIDE - 1];
        set_nans_apart(&self.samples, filled, nans);
    }

    /// Sorts the columns, and counts their NaNs.
    #[inline(always)]
    fn sort<L: Lanes<T = T>>(&mut self, l: L) {
        let [first, second, third] = &self.rows;
        let [low, middle, high] = &mut self.sorted;
        let out = L::vectors_mut(low).0.iter_mut().zip(L::vectors_mut(middle).0);
        let out = out.zip(L::vectors_mut(high).0).zip(L::vectors_mut(&mut self.nans).0);
        let samples = [first, second, third].map(|(filled, _)| L::vectors(filled).0);
        let nans = [first, second, third].map(|(_, nans)| L::vectors(nans).0);
        let [samples, nans] =
            [samples, nans].map(|[first, second, third]| first.iter().zip(second).zip(third));
        for ((((low, middle), high), count), (column, nans)) in out.zip(samples.zip(nans)) {
            let ((&first, &second), &third) = column;
            [*low, *middle, *high] = sorted(l, [first, second, third]);
            let ((&first, &second), &third) = nans;
            *count = l.add(l.add(first, second), third);
        }
    }

    /// Writes the medians of a row. Returns the places of those that may be wrong: infinite ones,
    /// since the mean of two finite samples may have overflowed.
    #[inline(always)]
    fn write<L: Lanes<T = T>>(&self, l: L, out: &mut [T]) -> Result<Vec<usize>, Error> {
        let mut doubtful = Vec::new();
        let three = |of: &'_ [T], at: usize| {
            [l.load(&of[at..]), l.load(&of[at + 1..]), l.load(&of[at + 2..])]
        };
        for (number, out) in out.chunks_mut(L::WIDTH).enumerate() {
            let at = number * L::WIDTH;
            let ranks = [0, 1, 2].map(|rank| sorted(l, three(&self.sorted[rank], at)));
            let [left, middle, right] = three(&self.nans, at);
            let nans = l.add(l.add(left, middle), right);
            let medians = [select(l, least_five(l, ranks), nans)];
            let is_infinite = l.equal(l.magnitude(medians[0]), l.splat(T::INFINITY));
            out.copy_from_slice(&bytemuck::cast_slice(&medians)[..out.len()]);
            if l.any(is_infinite) {
                let infinite = |x: &usize| out[*x].magnitude() == T::INFINITY;
                let places = (0..out.len()).filter(infinite).map(|x| at + x);
                memory::extend(&mut doubtful, places)?;
            }
        }
        Ok(doubtful)
    }
}

/// Three samples in ascending order.
#[inline(always)]
fn sorted<L: Lanes>(l: L, [a, b, c]: [L::V; 3]) -> [L::V; 3] {
    let (low, high) = (l.min(a, b), l.max(a, b));
    let middle = l.max(low, c);
    [l.min(low, c), l.min(middle, high), l.max(middle, high)]
}

/// The least five of nine samples in ascending order: a has the sorted least samples of sorted
/// columns, b their sorted middle ones, c their sorted greatest ones.
#[inline(always)]
fn least_five<L: Lanes>(l: L, [a, b, c]: [[L::V; 3]; 3]) -> [L::V; 5] {
    let greater = l.max(a[1], b[0]);
    // Behind these two come a2, c0 and b1, and no other sample before five.
    let [third, next, _] = sorted(l, [greater, a[2], c[0]]);
    let [_, fifth, _] = sorted(l, [a[2], b[1], c[0]]);
    [a[0], l.min(a[1], b[0]), third, l.min(next, b[1]), fifth]
}

/// The median of nine samples from the least five and the number of NaNs.
#[inline(always)]
fn select<L: Lanes>(l: L, least: [L::V; 5], nans: L::V) -> L::V {
    let at_least = |number: i16| l.less(l.splat(L::T::from(number - 1)), nans);
    let (mut low, mut high) = (least[4], least[4]);
    for (step, rank) in [3, 2, 1, 0].into_iter().enumerate() {
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // at most 3
        let nans = 2 * step as i16 + 1;
        low = l.select(at_least(nans), least[rank], low);
        high = l.select(at_least(nans + 1), least[rank], high);
    }
    l.select(at_least(9), l.splat(L::T::NAN), l.mean(low, high))
}

#[cfg(test)]
mod tests {
    use super::{EXTENT, Nine, SomeRows};
    use crate::median::network::builder::Shape;
    use crate::median::network::lanes::{assert_equal_to_the_heap, with_each};
    use crate::{Median, Sample};
    use pulp::{Simd, WithSimd};

    /// All medians of an image.
    struct AllRows<'a, T>(Nine<'a, T>);

    impl<T: Sample> WithSimd for AllRows<'_, T> {
        type Output = Vec<T>;

        fn with_simd<S: Simd>(self, simd: S) -> Vec<T> {
            let mut out = vec![T::ZERO; self.0.image.samples().len()];
            SomeRows { nine: &self.0, first: 0, out: &mut out }.with_simd(simd).unwrap();
            out
        }
    }

    fn check<T: Sample>(greatest: T) {
        let median = Median::rectangle(super::SIDE, super::SIDE);
        assert_equal_to_the_heap(median, greatest, |image, edge, of_magnitudes| {
            let places = EXTENT.places(Shape::of(image), edge);
            with_each(|| AllRows(Nine { image, places, of_magnitudes }))
        });
    }

    #[test]
    fn every_instruction_set_gives_the_medians_of_the_heap() {
        check(f32::MAX);
        check(f64::MAX);
    }
}
