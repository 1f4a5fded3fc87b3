//! The pixels that may belong to groups.

use crate::median::Lanes;
use crate::{Error, Sample, memory};

/// A little more than 1, for a comparison that rounding must not turn.
const ABOUT_ONE: f64 = 1.0 + 1e-5;

/// A pixel that may belong to a group, and the base of its noise.
#[derive(Debug, Clone, Copy)]
pub(in crate::significance) struct Candidate<T> {
    pub(in crate::significance) at: usize,
    pub(in crate::significance) base: T,
}

/// Appends the pixels of a row whose brightness, in either image, may be above the cut in units of
/// the base. `start` is the first of them.
#[inline(always)]
pub(in crate::significance) fn add_candidates<L: Lanes>(
    l: L,
    images: [&[L::T]; 2],
    bases: &[L::T],
    (cut, start): (L::T, usize),
    candidates: &mut Vec<Candidate<L::T>>,
) -> Result<(), Error> {
    let part = l.splat(L::T::nearest(ABOUT_ONE) / cut);
    let (zero, one) = (l.splat(L::T::ZERO), l.splat(L::T::from(1)));
    for x in (0..bases.len()).step_by(L::WIDTH) {
        let end = bases.len().min(x + L::WIDTH);
        if end - x == L::WIDTH {
            let [residual, contrast] = images.map(|image| l.load(&image[x..]));
            let residual = l.select(l.less(zero, residual), residual, zero);
            let brightest = l.select(l.less(residual, contrast), contrast, residual);
            let is_faint = l.less(l.mul(brightest, part), l.load(&bases[x..]));
            if !l.any(l.less(zero, l.select(is_faint, zero, one))) {
                continue;
            }
        }
        for at in x..end {
            let base = bases[at];
            if images.into_iter().any(|image| image[at] / base > cut) {
                memory::push(candidates, Candidate { at: start + at, base })?;
            }
        }
    }
    Ok(())
}
