//! Running medians of seven or eight samples along rows, with adjacent windows in the lanes.
//!
//! For other windows along rows, `lines` transposes the samples, so that each lane has a line. For
//! these that takes longer than to select from each window by itself.
//!
//! NaNs are replaced by +inf, which sorts behind the samples, and are counted. Of k - n valid
//! samples, the middle ranks are (k - 1 - n) / 2 and (k - n) / 2, rounded down.

use super::edge::Border;
use super::network::lanes::{Lanes, set_nans_apart};
use super::of_samples;
use crate::instructions::arch;
use crate::{Error, Image, Sample, memory};
use pulp::{Simd, WithSimd};

/// Samples in the longer window. The other one has one fewer.
const EIGHT: usize = 8;

/// Whether windows of `length` samples are computed here.
pub(super) fn has_code(length: usize) -> bool {
    length == EIGHT || length == EIGHT - 1
}

/// The running median of seven or eight samples along the rows of an image.
pub(super) struct Short<'a, T> {
    pub(super) image: Image<'a, T>,
    /// The places of the windows in a row.
    pub(super) border: Border,
    /// Samples in the window.
    pub(super) length: usize,
    /// Whether the medians are those of the magnitudes.
    pub(super) of_magnitudes: bool,
}

impl<T: Sample> Short<'_, T> {
    /// Writes some rows of medians, from row `first` on.
    pub(super) fn rows(&self, first: usize, out: &mut [T]) -> Result<(), Error> {
        arch().dispatch(SomeRows { short: self, first, out })
    }
}

/// Some rows of medians, from row `first` on.
struct SomeRows<'a, T> {
    short: &'a Short<'a, T>,
    first: usize,
    out: &'a mut [T],
}

impl<T: Sample> WithSimd for SomeRows<'_, T> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<(), Error> {
        let Self { short: &Short { image, border, length, of_magnitudes }, first, out } = self;
        let l = T::lanes(simd);
        let mut row = Row::new(border, length, T::Lanes::<S>::WIDTH)?;
        for (y, out) in out.chunks_exact_mut(image.cols()).enumerate() {
            row.read(image.row(first + y), of_magnitudes);
            row.pair(l);
            if length == EIGHT {
                row.write::<_, true>(l, out)?;
            } else {
                row.write::<_, false>(l, out)?;
            }
        }
        Ok(())
    }
}

/// A row of samples, in pairs with those to their right.
struct Row<T> {
    /// The samples with those beyond the border, and so many zeros that all vectors are whole.
    samples: Vec<T>,
    /// The places of the samples.
    border: Border,
    /// Samples in the window.
    length: usize,
    /// The same with +inf for NaN.
    filled: Vec<T>,
    /// 1 for each NaN, else 0.
    nans: Vec<T>,
    lesser: Vec<T>,
    greater: Vec<T>,
    /// NaNs in each pair.
    nans_of_two: Vec<T>,
}

impl<T: Sample> Row<T> {
    fn new(border: Border, length: usize, width: usize) -> Result<Self, Error> {
        let Border { before, n, edge } = border;
        let len = n.next_multiple_of(width) + EIGHT + width;
        let zeros = || memory::zeros(len);
        let mut samples: Vec<T> = zeros()?;
        samples[..before].fill(edge.beyond());
        samples[before + n..n + length - 1].fill(edge.beyond());
        Ok(Self {
            samples,
            border,
            length,
            filled: zeros()?,
            nans: zeros()?,
            lesser: zeros()?,
            greater: zeros()?,
            nans_of_two: zeros()?,
        })
    }

    /// Reads the samples.
    #[inline(always)]
    fn read(&mut self, row: &[T], of_magnitudes: bool) {
        let Border { before, n, edge } = self.border;
        let samples = &mut self.samples[before..before + n];
        if of_magnitudes {
            samples.iter_mut().zip(row).for_each(|(to, sample)| *to = sample.magnitude());
        } else {
            samples.copy_from_slice(row);
        }
        if edge.repeats() {
            for place in (0..before).chain(before + n..n + self.length - 1) {
                if let Some(at) = self.border.sample(place) {
                    self.samples[place] = self.samples[before + at];
                }
            }
        }
        set_nans_apart(&self.samples, &mut self.filled, &mut self.nans);
    }

    /// Sorts the pairs and counts their NaNs.
    #[inline(always)]
    fn pair<L: Lanes<T = T>>(&mut self, l: L) {
        let Self { filled, nans, lesser, greater, nans_of_two, .. } = self;
        let samples = shifted::<L>(filled, 0).iter().zip(shifted::<L>(filled, 1));
        let nans = shifted::<L>(nans, 0).iter().zip(shifted::<L>(nans, 1));
        let out = L::vectors_mut(lesser).0.iter_mut().zip(L::vectors_mut(greater).0);
        let out = out.zip(L::vectors_mut(nans_of_two).0);
        for (((lesser, greater), count), ((&a, &b), (&m, &n))) in out.zip(samples.zip(nans)) {
            *lesser = l.min(a, b);
            *greater = l.max(a, b);
            *count = l.add(m, n);
        }
    }

    /// Writes the medians of eight samples, or of seven.
    #[inline(always)]
    fn write<L: Lanes<T = T>, const IS_EIGHT: bool>(
        &self,
        l: L,
        out: &mut [T],
    ) -> Result<(), Error> {
        let pairs = |from| {
            let [lesser, greater] =
                [&self.lesser, &self.greater].map(|all| shifted::<L>(all, from));
            lesser.iter().zip(greater).zip(shifted::<L>(&self.nans_of_two, from))
        };
        let seventh = shifted::<L>(&self.filled, 6).iter().zip(shifted::<L>(&self.nans, 6));
        let end = seventh.zip(pairs(6));
        let inputs = pairs(0).zip(pairs(2)).zip(pairs(4).zip(end)).enumerate();
        for (out, (i, ((a, b), (c, ((&d, &n), e))))) in out.chunks_mut(L::WIDTH).zip(inputs) {
            let pair = |((&lesser, &greater), _): ((&L::V, &L::V), &L::V)| [lesser, greater];
            let four = merge_pairs(l, pair(a), pair(b));
            let nans = l.add(l.add(*a.1, *b.1), *c.1);
            let medians = if IS_EIGHT {
                let least = least_five(l, four, merge_pairs(l, pair(c), pair(e)));
                [select::<_, 8, 5>(l, least, l.add(nans, *e.1))]
            } else {
                let least = least_four(l, four, insert(l, pair(c), d));
                [select::<_, 7, 4>(l, least, l.add(nans, n))]
            };
            let is_infinite = l.equal(l.magnitude(medians[0]), l.splat(T::INFINITY));
            out.copy_from_slice(&bytemuck::cast_slice(&medians)[..out.len()]);
            if l.any(is_infinite) {
                self.compute_again(i * L::WIDTH, out)?;
            }
        }
        Ok(())
    }

    /// Computes infinite medians again: the mean of two finite samples may have overflowed.
    #[cold]
    fn compute_again(&self, x: usize, out: &mut [T]) -> Result<(), Error> {
        for (window, out) in self.samples[x..].windows(self.length).zip(out) {
            if out.magnitude() == T::INFINITY {
                *out = of_samples(memory::copied(window)?);
            }
        }
        Ok(())
    }
}

/// The vectors of the samples from one on.
#[inline(always)]
fn shifted<L: Lanes>(samples: &[L::T], from: usize) -> &[L::V] {
    L::vectors(&samples[from..]).0
}

/// The median of `K` samples from the least `N`, of ranks up to K / 2, and the number of NaNs.
#[inline(always)]
fn select<L: Lanes, const K: i16, const N: usize>(l: L, least: [L::V; N], nans: L::V) -> L::V {
    let at_least = |number: i16| l.less(l.splat(L::T::from(number - 1)), nans);
    let (mut low, mut high) = (least[N - 2 + usize::from(K % 2 == 1)], least[N - 1]);
    // The NaNs with which the higher middle rank becomes this one, and one fewer for the lower.
    let mut wanted = 1 + K % 2;
    for rank in (0..N - 1).rev() {
        high = l.select(at_least(wanted), least[rank], high);
        if wanted > 1 {
            low = l.select(at_least(wanted - 1), least[rank], low);
        }
        wanted += 2;
    }
    l.select(at_least(K), l.splat(L::T::NAN), l.mean(low, high))
}

/// Four samples in ascending order, from two pairs.
#[inline(always)]
fn merge_pairs<L: Lanes>(l: L, a: [L::V; 2], b: [L::V; 2]) -> [L::V; 4] {
    let (middle, other) = (l.max(a[0], b[0]), l.min(a[1], b[1]));
    [l.min(a[0], b[0]), l.min(middle, other), l.max(middle, other), l.max(a[1], b[1])]
}

/// Three samples in ascending order, from a pair and one more.
#[inline(always)]
fn insert<L: Lanes>(l: L, [a, b]: [L::V; 2], c: L::V) -> [L::V; 3] {
    let middle = l.max(a, c);
    [l.min(a, c), l.min(middle, b), l.max(middle, b)]
}

/// The least four of seven samples in ascending order.
#[inline(always)]
fn least_four<L: Lanes>(l: L, a: [L::V; 4], b: [L::V; 3]) -> [L::V; 4] {
    let second = l.min(l.max(a[0], b[0]), l.min(a[1], b[1]));
    let third = l.min(l.max(a[1], b[0]), l.max(a[0], b[1]));
    let fourth = l.min(l.min(l.max(a[2], b[0]), l.max(a[1], b[1])), l.max(a[0], b[2]));
    [l.min(a[0], b[0]), second, l.min(third, l.min(a[2], b[2])), l.min(fourth, a[3])]
}

/// The least five of eight samples in ascending order.
#[inline(always)]
fn least_five<L: Lanes>(l: L, a: [L::V; 4], b: [L::V; 4]) -> [L::V; 5] {
    let [first, second, third, fourth] = least_four(l, a, [b[0], b[1], b[2]]);
    let fifth = l.min(l.max(a[3], b[0]), l.max(a[2], b[1]));
    let fifth = l.min(fifth, l.min(l.max(a[1], b[2]), l.max(a[0], b[3])));
    [first, second, third, l.min(fourth, b[3]), fifth]
}

#[cfg(test)]
mod tests {
    use super::{Short, SomeRows};
    use crate::median::edge::Border;
    use crate::median::network::lanes::{assert_equal_to_the_heap, with_each};
    use crate::{Axis, Median, Sample};
    use pulp::{Simd, WithSimd};

    /// All medians of an image.
    struct AllRows<'a, T>(Short<'a, T>);

    impl<T: Sample> WithSimd for AllRows<'_, T> {
        type Output = Vec<T>;

        fn with_simd<S: Simd>(self, simd: S) -> Vec<T> {
            let mut out = vec![T::ZERO; self.0.image.samples().len()];
            SomeRows { short: &self.0, first: 0, out: &mut out }.with_simd(simd).unwrap();
            out
        }
    }

    fn check<T: Sample>(length: usize, origin: isize, greatest: T) {
        let median = Median::along(Axis::X).window(length).origin(origin);
        let before = (length / 2).checked_add_signed(origin).unwrap();
        assert_equal_to_the_heap(median, greatest, 1..70, |image, edge, of_magnitudes| {
            let border = Border { before, n: image.cols(), edge };
            with_each(|| AllRows(Short { image, border, length, of_magnitudes }))
        });
    }

    #[test]
    fn every_instruction_set_gives_the_medians_of_the_heap() {
        for (length, origin) in [(7, 0), (8, 0), (7, 3), (8, -4)] {
            check(length, origin, f32::MAX);
            check(length, origin, f64::MAX);
        }
    }
}
