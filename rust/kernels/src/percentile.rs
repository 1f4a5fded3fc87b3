//! Percentiles by selection, interpolated as NumPy does.
//!
//! The results equal those of `numpy.nanpercentile(..., method="linear")` to the last bit, because
//! the arithmetic has the same order and precision. The position `(n - 1) q / 100` is in double
//! precision. The neighbours are subtracted in the precision of the samples. The interpolation is
//! in double precision and starts from the nearer neighbour.

use crate::instructions::arch;
use crate::{CHUNK, Error, Sample, memory};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::mem;

/// The percentiles `q` (0 to 100) of the samples that are not NaN; NaN if there are none.
///
/// For a `q` below 0 or above 100 it is the least or the greatest sample. For a `q` of NaN it is
/// NaN.
///
/// # Errors
/// [`Error::Memory`] if there is too little.
pub fn percentiles<T: Sample>(samples: &[T], q: &[f64]) -> Result<Vec<f64>, Error> {
    match brackets(samples, q)? {
        Some(brackets) => match in_brackets(samples, q, &brackets)? {
            Some(found) => Ok(found),
            None => of_all(samples, q),
        },
        None => of_all(samples, q),
    }
}

fn of_all<T: Sample>(samples: &[T], q: &[f64]) -> Result<Vec<f64>, Error> {
    let mut valid = memory::with_capacity(samples.len())?;
    valid.extend(samples.iter().copied().filter(|sample| !sample.is_nan()));
    of_valid(valid, q)
}

/// Two bounds, between which a percentile very probably lies.
type Bracket<T> = (T, T);

/// The number of samples from which brackets are estimated.
const DRAWN: usize = 4096;
/// With fewer samples for each one drawn, brackets do not pay.
const SAMPLES_PER_DRAWN: usize = 8;
/// For more percentiles, brackets do not pay.
const MOST_PERCENTILES: usize = 8;

/// A bracket for each percentile, from samples drawn at equal distances; None if they do not pay.
#[allow(
    clippy::cast_precision_loss,      // a few thousand samples
    clippy::cast_possible_truncation, // the positions are limited to them
    clippy::cast_sign_loss
)]
fn brackets<T: Sample>(samples: &[T], q: &[f64]) -> Result<Option<Vec<Bracket<T>>>, Error> {
    if samples.len() < SAMPLES_PER_DRAWN * DRAWN || q.len() > MOST_PERCENTILES {
        return Ok(None);
    }
    // An odd distance, so that the drawn samples lie in different columns.
    let distance = (samples.len() / DRAWN) | 1;
    let drawn = samples.iter().step_by(distance).copied();
    let mut drawn: Vec<T> = memory::collected(drawn.filter(|sample| !sample.is_nan()))?;
    drawn.sort_unstable_by(T::order);
    let Some(last) = drawn.len().checked_sub(1) else { return Ok(None) };
    let last = last as f64;
    let bracket = |&q: &f64| {
        let fraction = (q / 100.0).clamp(0.0, 1.0);
        let margin = 4.0 * (last * fraction * (1.0 - fraction)).sqrt() + 4.0;
        let (low, high) = (last * fraction - margin, last * fraction + margin);
        let low = if low < 0.0 { T::ZERO - T::INFINITY } else { drawn[low as usize] };
        let high = if high > last { T::INFINITY } else { drawn[high as usize] };
        (low, high)
    };
    memory::collected(q.iter().map(bracket)).map(Some)
}

/// The percentiles, from one pass that counts the samples below each bracket and keeps those
/// inside; None if a percentile lies outside its bracket.
fn in_brackets<T: Sample>(
    samples: &[T],
    q: &[f64],
    brackets: &[Bracket<T>],
) -> Result<Option<Vec<f64>>, Error> {
    let arch = arch();
    let chunks =
        samples.par_chunks(CHUNK).map(|samples| arch.dispatch(Count { samples, brackets }));
    let mut census = chunks.try_reduce(Census::nothing, Census::joined)?;
    let Some(last) = census.valid.checked_sub(1) else { return Ok(None) };
    let percentile = |(&q, (below, inside)): (&f64, &mut (usize, Vec<T>))| {
        let position = Position::of(q, last);
        let ranks = [position.below.checked_sub(*below)?, position.above.checked_sub(*below)?];
        if ranks[1] >= inside.len() {
            return None;
        }
        let (_, &mut low, above) = inside.select_nth_unstable_by(ranks[0], T::order);
        let high = if ranks[1] > ranks[0] { above.iter().copied().min_by(T::order)? } else { low };
        Some(position.interpolate(low, high))
    };
    let mut found = memory::with_capacity(q.len())?;
    for percentile in q.iter().zip(&mut census.brackets).map(percentile) {
        let Some(percentile) = percentile else { return Ok(None) };
        found.push(percentile);
    }
    Ok(Some(found))
}

/// Takes a census with the instruction set of this machine.
struct Count<'a, T> {
    samples: &'a [T],
    brackets: &'a [Bracket<T>],
}

impl<T: Sample> WithSimd for Count<'_, T> {
    type Output = Result<Census<T>, Error>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Result<Census<T>, Error> {
        Census::of(self.samples, self.brackets)
    }
}

/// The number of samples of a short slice for which `holds` is true.
#[inline(always)]
fn count<T: Sample>(slice: &[T], holds: impl Fn(T) -> bool) -> usize {
    slice.iter().map(|&sample| u32::from(holds(sample))).sum::<u32>() as usize
}

/// Counts of some samples, and those inside the brackets.
struct Census<T> {
    /// Samples that are not NaN.
    valid: usize,
    /// For each bracket the number of samples below it and the samples inside.
    brackets: Vec<(usize, Vec<T>)>,
}

impl<T: Sample> Census<T> {
    /// The census of no sample, without brackets.
    fn nothing() -> Self {
        Self { valid: 0, brackets: Vec::new() }
    }

    fn none(brackets: usize) -> Result<Self, Error> {
        Ok(Self { valid: 0, brackets: memory::filled((0, Vec::new()), brackets)? })
    }

    #[inline(always)]
    fn of(samples: &[T], brackets: &[Bracket<T>]) -> Result<Self, Error> {
        // The number of samples for which memory is reserved at a time, in case all are inside.
        const RESERVED: usize = 2048;
        let mut census = Self::none(brackets.len())?;
        for samples in samples.chunks(RESERVED) {
            for (_, inside) in &mut census.brackets {
                memory::reserve(inside, samples.len())?;
            }
            census.count(samples, brackets);
        }
        Ok(census)
    }

    /// Counts samples, for which there is memory.
    #[inline(always)]
    fn count(&mut self, samples: &[T], brackets: &[Bracket<T>]) {
        // The number of samples that are compared at a time, without a branch.
        const AT_ONCE: usize = 64;
        for slice in samples.chunks(AT_ONCE) {
            self.valid += count(slice, |sample| !sample.is_nan());
            for (&(low, high), (below, inside)) in brackets.iter().zip(&mut self.brackets) {
                *below += count(slice, |sample| sample < low);
                let is_inside = |sample| (sample >= low) & (sample <= high);
                if count(slice, is_inside) > 0 {
                    inside.extend(slice.iter().copied().filter(|&sample| is_inside(sample)));
                }
            }
        }
    }

    fn joined(mut self, mut other: Self) -> Result<Self, Error> {
        if self.brackets.is_empty() {
            mem::swap(&mut self.brackets, &mut other.brackets);
        }
        self.valid += other.valid;
        for (bracket, (below, inside)) in self.brackets.iter_mut().zip(other.brackets) {
            bracket.0 += below;
            memory::reserve(&mut bracket.1, inside.len())?;
            bracket.1.extend(inside);
        }
        Ok(self)
    }
}

/// [`percentiles`] of samples without NaN.
pub(crate) fn of_valid<T: Sample>(mut samples: Vec<T>, q: &[f64]) -> Result<Vec<f64>, Error> {
    let Some(last) = samples.len().checked_sub(1) else {
        return memory::filled(f64::NAN, q.len());
    };
    let positions = memory::collected(q.iter().map(|&q| Position::of(q, last)))?;
    let mut ranks = memory::collected(positions.iter().flat_map(|at| [at.below, at.above]))?;
    ranks.sort_unstable();
    ranks.dedup();
    let selected = select(&mut samples, &ranks)?;
    let at_rank = |rank| match ranks.binary_search(&rank) {
        Ok(found) => selected[found],
        Err(_) => unreachable!("the ranks of all positions are selected"),
    };
    memory::collected(positions.iter().map(|at| {
        let (below, above) = (at_rank(at.below), at_rank(at.above));
        at.interpolate(below, above)
    }))
}

/// The samples of the given ranks, which ascend.
fn select<T: Sample>(samples: &mut [T], ranks: &[usize]) -> Result<Vec<T>, Error> {
    let mut rest = samples;
    let mut passed = 0;
    let mut selected = memory::with_capacity(ranks.len())?;
    for &rank in ranks {
        let (_, &mut sample, above) = rest.select_nth_unstable_by(rank - passed, T::order);
        selected.push(sample);
        rest = above;
        passed = rank + 1;
    }
    Ok(selected)
}

/// The position of a percentile among the sorted samples.
struct Position {
    below: usize,
    above: usize,
    fraction: f64,
}

impl Position {
    #[allow(
        clippy::cast_precision_loss,      // sample counts lie far below 2^53
        clippy::cast_possible_truncation, // the position is limited to the ranks
        clippy::cast_sign_loss
    )]
    fn of(q: f64, last: usize) -> Self {
        let position = last as f64 * (q / 100.0);
        if position >= last as f64 {
            return Self { below: last, above: last, fraction: 0.0 };
        }
        let below = position.max(0.0).floor();
        let fraction = if position < 0.0 { 0.0 } else { position - below };
        Self { below: below as usize, above: (below as usize + 1).min(last), fraction }
    }

    fn interpolate<T: Sample>(&self, below: T, above: T) -> f64 {
        let step: f64 = (above - below).into();
        if self.fraction >= 0.5 {
            above.into() - step * (1.0 - self.fraction)
        } else {
            below.into() + step * self.fraction
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Sample;

    fn percentiles<T: Sample>(samples: &[T], q: &[f64]) -> Vec<f64> {
        super::percentiles(samples, q).unwrap()
    }

    #[test]
    fn linear_between_neighbours() {
        let samples = [3.0f64, f64::NAN, 1.0, 2.0, 5.0];
        assert_eq!(percentiles(&samples, &[0.0, 50.0, 75.0, 100.0]), [1.0, 2.5, 3.5, 5.0]);
        assert_eq!(percentiles(&samples, &[-1.0, 101.0]), [1.0, 5.0]);
    }

    #[test]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
    fn guessed_brackets_change_nothing() {
        let q = [0.0, 0.1, 3.0, 50.0, 99.9, 100.0];
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32
        };
        let noise: Vec<f32> = (0..100_000).map(|_| random()).collect();
        let kinds: [Vec<f32>; 6] = [
            noise.iter().map(|&x| if x < 1e6 { f32::NAN } else { x }).collect(),
            noise.iter().map(|&x| (x / 1e6).round()).collect(),
            vec![3.0; 100_000],
            vec![f32::NAN; 100_000],
            // None of the infinities is drawn.
            (0..100_000).map(|i| if i % 50 == 7 { f32::INFINITY } else { -(i as f32) }).collect(),
            (0..100_000).map(|i| if i % 25 == 0 { 9.0 } else { noise[i] }).collect(),
        ];
        for samples in kinds {
            // One percentile outside its bracket would hide a wrong one.
            let each = q.iter().flat_map(|&q| percentiles(&samples, &[q]));
            let fast = each.chain(percentiles(&samples, &q));
            let slow = super::of_all(&samples, &q).unwrap();
            for (fast, slow) in fast.zip(slow.iter().cycle()) {
                assert!(fast == *slow || fast.is_nan() && slow.is_nan(), "{fast} is not {slow}");
            }
        }
    }

    #[test]
    fn nothing_valid_or_asked() {
        assert!(percentiles(&[f32::NAN], &[50.0])[0].is_nan());
        assert!(percentiles::<f32>(&[], &[0.0])[0].is_nan());
        assert!(percentiles(&[1.0f32], &[]).is_empty());
        assert_eq!(percentiles(&[7.0f32], &[0.0, 33.0, 100.0]), [7.0; 3]);
        assert!(percentiles(&[7.0f32, 8.0], &[f64::NAN])[0].is_nan());
    }
}
