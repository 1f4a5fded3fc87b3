//! Infinite medians, which may be wrong: the mean of two finite samples may have overflowed, or the
//! ranks of a network do not suffice for a window.

use super::network::lanes::Lanes;
use crate::{Error, Sample, memory};

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

/// Adds the pixels of infinite medians to `pixels`. The medians are those of every `step`th pixel of
/// a row, from `first` on.
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
