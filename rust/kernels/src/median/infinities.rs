//! Infinities in selection networks: those that replace NaNs, and medians that are infinite.
//!
//! In windows of any shape, infinities of both signs replace NaNs. The signs alternate along a path
//! down and up the columns of each band of rows, so that a window contains whole stretches of the
//! path. Let s be the surplus of +inf over -inf in a window of k samples. The median of its valid
//! samples has rank (k - 1 - s) / 2, which stands for the mean of two samples if it is not whole.
//! (In a window of one line, s is 0, 1 or -1.)
//!
//! A median that is infinite may be wrong: the mean of two finite samples may have overflowed, or
//! the ranks of the network do not suffice for the surplus.

use super::network::Source;
use super::network::builder::Shape;
use crate::lanes::Lanes;
use crate::{Error, Sample, memory};

/// Rows of a band, for windows of several rows. Of the heights tried, this one has the least
/// varying surplus (2 % NaN, windows from 7 x 7 to 51 x 51).
const BAND: usize = 8;

/// Columns in which NaNs are looked for at once: an even number, so that the path goes down the
/// first column of each group.
const COLUMNS: usize = 16;

/// The rows of a band for a window.
pub(super) fn band(window: Shape) -> usize {
    if window.rows == 1 { 1 } else { BAND }
}

/// Replaces NaNs by infinities that alternate down and up the columns, and writes their signs.
#[inline(always)]
pub(super) fn fill_nans<T: Sample>(band: &mut [T], signs: &mut [i8], width: usize) {
    let mut sign = 1;
    for x in (0..width).step_by(COLUMNS) {
        // For each column a bit for each of its rows.
        let (mut rows, mut columns) = ([0u8; COLUMNS], 0);
        for (row, samples) in band.chunks(width).enumerate() {
            let mut nans = nans_of(&samples[x..width.min(x + COLUMNS)]);
            columns |= nans;
            while nans != 0 {
                rows[nans.trailing_zeros() as usize] |= 1 << row;
                nans &= nans - 1;
            }
        }
        while columns != 0 {
            let column = columns.trailing_zeros() as usize;
            columns &= columns - 1;
            let mut rest = rows[column];
            while rest != 0 {
                let down = column.is_multiple_of(2);
                let row = if down { rest.trailing_zeros() } else { rest.ilog2() };
                rest ^= 1 << row;
                let at = row as usize * width + x + column;
                band[at] = if sign > 0 { T::INFINITY } else { T::ZERO - T::INFINITY };
                signs[at] = sign;
                sign = -sign;
            }
        }
    }
}

/// A bit for each of up to 16 samples: whether it is NaN.
#[inline(always)]
fn nans_of<T: Sample>(samples: &[T]) -> u16 {
    let bits = |samples: &[T]| {
        let bits = samples.iter().enumerate();
        bits.fold(0, |nans, (number, sample)| nans | u16::from(sample.is_nan()) << number)
    };
    // A number that the compiler knows, so that it writes vector code.
    samples.first_chunk::<COLUMNS>().map_or_else(|| bits(samples), |samples| bits(samples))
}

/// The surplus of the windows of a row, from the signs of their rows.
pub(super) struct Surplus {
    /// Columns of the window.
    cols: usize,
    /// The sum of each column of the windows.
    columns: Vec<i16>,
    sums: Vec<i16>,
}

impl Surplus {
    /// For windows of `cols` columns, in rows of `width` signs.
    pub(super) fn new(cols: usize, width: usize) -> Result<Self, Error> {
        Ok(Self { cols, columns: memory::zeros(width)?, sums: memory::zeros(width + 1)? })
    }

    /// Adds the signs of a row to the windows.
    #[inline(always)]
    pub(super) fn add(&mut self, signs: &[i8]) {
        self.columns.iter_mut().zip(signs).for_each(|(sum, &sign)| *sum += i16::from(sign));
    }

    /// Removes a row from the windows.
    #[inline(always)]
    pub(super) fn remove(&mut self, signs: &[i8]) {
        self.columns.iter_mut().zip(signs).for_each(|(sum, &sign)| *sum -= i16::from(sign));
    }

    /// Writes the surplus of each window of the row.
    #[inline(always)]
    pub(super) fn write<T: Sample>(&mut self, out: &mut [T]) {
        /// Windows of up to so many columns: their columns are added one by one, on vectors.
        const MOST_ADDED: usize = 16;
        let Self { cols, columns, sums } = self;
        if *cols <= MOST_ADDED {
            sums[..columns.len()].copy_from_slice(columns);
            for further in 1..*cols {
                let columns = &columns[further..];
                sums.iter_mut().zip(columns).for_each(|(sum, &column)| *sum += column);
            }
            out.iter_mut().zip(&*sums).for_each(|(out, &sum)| *out = T::from(sum));
            return;
        }
        // The sums along a long row may wrap around. Their differences are still right: they are
        // the sums over a window, which has fewer samples than a table has places.
        let mut sum = 0i16;
        sums[0] = 0;
        for (after, &column) in sums[1..].iter_mut().zip(&*columns) {
            sum = sum.wrapping_add(column);
            *after = sum;
        }
        let ends = sums[*cols..].iter().zip(&*sums);
        for (out, (end, start)) in out.iter_mut().zip(ends) {
            *out = T::from(end.wrapping_sub(*start));
        }
    }
}

/// The medians of windows from their middle ranks and surplus; infinite where those ranks do not
/// suffice.
#[inline(always)]
pub(super) fn select<L: Lanes>(
    l: L,
    surplus: L::V,
    ranks: usize,
    middle: &impl Source<L>,
    v: usize,
) -> L::V {
    // The two ranks on either side of (k - 1 - s) / 2, or twice this one. From the lowest rank
    // upwards, each is selected unless the surplus s is too large for it.
    let (mut low, mut high) = (middle.get(0, v), middle.get(0, v));
    let (mut most, two) = (l.splat(L::T::from(bound(ranks))), l.splat(L::T::from(2)));
    let too_many = l.less(most, surplus);
    for number in 1..ranks {
        let value = middle.get(number, v);
        high = l.select(l.less(surplus, most), value, high);
        most = l.sub(most, two);
        low = l.select(l.less(most, surplus), low, value);
    }
    let too_few = l.less(surplus, most);
    let infinity = l.splat(L::T::INFINITY);
    let median = l.select(too_many, infinity, l.mean(low, high));
    l.select(too_few, infinity, median)
}

/// The largest surplus for which so many middle ranks suffice.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // far below 2^15
fn bound(ranks: usize) -> i16 {
    ranks as i16 - 1
}

/// The least and the greatest median, lane by lane.
pub(super) struct Extremes<L: Lanes> {
    least: L::V,
    greatest: L::V,
}

impl<L: Lanes> Extremes<L> {
    #[inline(always)]
    pub(super) fn new(l: L) -> Self {
        let zero = l.splat(L::T::ZERO);
        Self { least: zero, greatest: zero }
    }

    #[inline(always)]
    pub(super) fn include(&mut self, l: L, median: L::V) {
        // If the median is NaN, most instruction sets return the second operand. Where one returns
        // NaN, the medians count as wrong and are computed again, which costs time only.
        self.least = l.min(median, self.least);
        self.greatest = l.max(median, self.greatest);
    }

    pub(super) fn are_finite(&self) -> bool {
        let extremes = [self.least, self.greatest];
        bytemuck::cast_slice::<L::V, L::T>(&extremes).iter().all(|extreme| extreme.is_finite())
    }
}

/// Adds the pixels of infinite medians to `pixels`. The medians are those of every `step`th pixel
/// of a row, from `first` on.
#[inline(always)]
pub(super) fn note_infinite<T: Sample>(
    medians: &[T],
    first: (usize, usize),
    step: usize,
    pixels: &mut Vec<(usize, usize)>,
) -> Result<(), Error> {
    const AT_ONCE: usize = 64;
    let is_infinite = |median: T| median.magnitude() == T::INFINITY;
    for (group, medians) in medians.chunks(AT_ONCE).enumerate() {
        // A loop of its own, on vectors.
        if medians.iter().fold(false, |any, &median| any | is_infinite(median)) {
            let all = (group * AT_ONCE..).zip(medians);
            let infinite = all.filter(|&(_, &median)| is_infinite(median));
            memory::extend(pixels, infinite.map(|(number, _)| (first.0, first.1 + number * step)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Surplus;

    /// Each second column adds one to the sum along the row, which wraps around.
    #[test]
    fn the_surplus_of_a_very_wide_image() {
        let signs: Vec<_> = (0..70_001).map(|x| i8::from(x % 2 == 1)).collect();
        for cols in [3, 16, 17, 33] {
            let mut of_row = Surplus::new(cols, signs.len()).unwrap();
            of_row.add(&signs);
            let mut out = vec![0f64; signs.len() + 1 - cols];
            of_row.write(&mut out);
            for (x, &surplus) in out.iter().enumerate() {
                let odd = (x..x + cols).filter(|x| x % 2 == 1).count();
                let expected = u32::try_from(odd).unwrap();
                assert_eq!(surplus, f64::from(expected), "{cols} {x}");
            }
        }
    }
}
