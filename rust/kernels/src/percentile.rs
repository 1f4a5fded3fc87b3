//! Percentiles by selection, interpolated with NumPy's rule.
//!
//! The arithmetic is that of `numpy.nanpercentile(..., method="linear")`, in its order and its
//! precisions: the position `(n - 1) q / 100` in double precision, the neighbours subtracted in
//! the samples' own, the interpolation in double precision and from the nearer neighbour.

use crate::Sample;

/// The percentiles `q` (0 to 100) of the samples that are not NaN; NaN if there are none.
///
/// A `q` outside 0 to 100 gives the extreme sample on its side, a `q` of NaN gives NaN.
#[must_use]
pub fn percentiles<T: Sample>(samples: &[T], q: &[f64]) -> Vec<f64> {
    of_valid(samples.iter().copied().filter(|sample| !sample.is_nan()).collect(), q)
}

/// [`percentiles`] of samples among which there is no NaN.
pub(crate) fn of_valid<T: Sample>(mut samples: Vec<T>, q: &[f64]) -> Vec<f64> {
    let Some(last) = samples.len().checked_sub(1) else {
        return vec![f64::NAN; q.len()];
    };
    let positions: Vec<_> = q.iter().map(|&q| Position::of(q, last)).collect();
    let mut ranks: Vec<_> = positions.iter().flat_map(|at| [at.below, at.above]).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let selected = select(&mut samples, &ranks);
    let at_rank = |rank| match ranks.binary_search(&rank) {
        Ok(found) => selected[found],
        Err(_) => T::NAN,
    };
    positions.iter().map(|at| at.interpolate(at_rank(at.below), at_rank(at.above))).collect()
}

/// The samples of the given ranks, which ascend.
fn select<T: Sample>(samples: &mut [T], ranks: &[usize]) -> Vec<T> {
    let mut rest = samples;
    let mut passed = 0;
    let mut selected = Vec::with_capacity(ranks.len());
    for &rank in ranks {
        let (_, &mut sample, above) = rest.select_nth_unstable_by(rank - passed, T::order);
        selected.push(sample);
        rest = above;
        passed = rank + 1;
    }
    selected
}

/// Where a percentile lies among the sorted samples.
struct Position {
    below: usize,
    above: usize,
    fraction: f64,
}

impl Position {
    #[allow(
        clippy::cast_precision_loss,      // sample counts lie far below 2^53
        clippy::cast_possible_truncation, // the position is clipped to the ranks
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
    use super::percentiles;

    #[test]
    fn linear_between_neighbours() {
        let samples = [3.0f64, f64::NAN, 1.0, 2.0, 5.0];
        assert_eq!(percentiles(&samples, &[0.0, 50.0, 75.0, 100.0]), [1.0, 2.5, 3.5, 5.0]);
        assert_eq!(percentiles(&samples, &[-1.0, 101.0]), [1.0, 5.0]);
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
