//! The samples of some windows with NaNs replaced, and the surplus of each window.

use super::rows::Rows;
use crate::median::network::builder::Shape;
use crate::median::network::compiled::Source;
use crate::median::network::lanes::Lanes;
use crate::median::strip::Strip;
use crate::{Error, Sample, memory};

/// The samples of some medians.
pub(super) struct Tile<L: Lanes> {
    l: L,
    window: Shape,
    /// The samples, with NaNs replaced.
    pub(super) samples: Rows<L>,
    /// Half the sign of the infinity that replaces the next NaN of each column, in one row.
    signs: Rows<L>,
    /// The sums of the signs over the columns of each window, as they were after some rows.
    sums: Rows<L>,
    /// The row of the sums before each row of samples, and after the last.
    sums_of: Vec<usize>,
}

impl<L: Lanes> Tile<L> {
    /// The memory for up to so many rows of windows.
    #[inline(always)]
    pub(super) fn new(l: L, window: Shape, rows: usize) -> Result<Self, Error> {
        let rows = rows + window.rows - 1;
        Ok(Self {
            l,
            window,
            samples: Rows::new(l, rows)?,
            signs: Rows::new(l, 1)?,
            sums: Rows::new(l, rows + 1)?,
            sums_of: memory::zeros(rows + 1)?,
        })
    }

    /// Reads the samples of a strip, and replaces NaNs.
    #[inline(always)]
    pub(super) fn read(&mut self, strip: &Strip<'_, L::T>) {
        let cols = strip.medians.cols;
        let width = cols + self.window.cols - 1;
        let all = width.next_multiple_of(L::WIDTH);
        for (x, sign) in self.signs.row_mut(0)[..all].iter_mut().enumerate() {
            *sign = if x % 2 == 0 { L::T::HALF } else { L::T::ZERO - L::T::HALF };
        }
        self.sum_signs(0, cols);
        self.sums_of[0] = 0;
        for row in 0..strip.medians.rows + self.window.rows - 1 {
            let samples = &mut self.samples.row_mut(row)[..all];
            strip.copy_row(row, 0, &mut samples[..width]);
            self.sums_of[row + 1] = self.sums_of[row];
            if may_have_nans(self.l, samples) {
                replace_nans(self.l, samples, self.signs.row_mut(0));
                self.sums_of[row + 1] += 1;
                self.sum_signs(self.sums_of[row + 1], cols);
            }
        }
    }

    /// Writes the sums of the signs over the columns of each window to row `to`.
    #[inline(always)]
    fn sum_signs(&mut self, to: usize, windows: usize) {
        let (l, signs) = (self.l, self.signs.from(0));
        let sums = &mut self.sums.row_mut(to)[..windows.next_multiple_of(L::WIDTH)];
        for (number, sum) in L::vectors_mut(sums).0.iter_mut().enumerate() {
            let at = number * L::WIDTH;
            *sum = signs.get(0, at);
            for col in 1..self.window.cols {
                *sum = l.add(*sum, signs.get(0, at + col));
            }
        }
    }

    /// Whether a row of windows may have NaNs.
    #[inline(always)]
    pub(super) fn may_have_nans(&self, row: usize) -> bool {
        self.sums_of[row] != self.sums_of[row + self.window.rows]
    }

    /// The surplus of the windows of a row, from column `at` on.
    #[inline(always)]
    pub(super) fn surplus(&self, row: usize, at: usize) -> L::V {
        let before = self.sums.from(self.sums_of[row]).get(0, at);
        let after = self.sums.from(self.sums_of[row + self.window.rows]).get(0, at);
        self.l.sub(before, after)
    }
}

/// Whether there are NaNs. A sum without NaN has no NaN, unless it overflows.
#[inline(always)]
fn may_have_nans<L: Lanes>(l: L, samples: &[L::T]) -> bool {
    // Sums that are made at the same time, since each addition waits for the one before.
    const SUMS: usize = 4;
    let (zero, mut sums) = (l.splat(L::T::ZERO), [l.splat(L::T::ZERO); SUMS]);
    let (groups, rest) = L::vectors(samples).0.as_chunks::<SUMS>();
    for samples in groups {
        for (sum, &sample) in sums.iter_mut().zip(samples) {
            *sum = l.add(*sum, sample);
        }
    }
    let sum = sums.iter().chain(rest).fold(zero, |all, &sum| l.add(all, sum));
    l.any(l.differ(l.equal(sum, sum), l.equal(zero, zero)))
}

/// Replaces NaNs by infinities of the columns' signs, which then change.
#[inline(always)]
fn replace_nans<L: Lanes>(l: L, samples: &mut [L::T], signs: &mut [L::T]) {
    let infinity = l.splat(L::T::INFINITY);
    let signs = L::vectors_mut(signs).0;
    for (sample, sign) in L::vectors_mut(samples).0.iter_mut().zip(signs) {
        let valid = l.equal(*sample, *sample);
        *sample = l.select(valid, *sample, l.mul(*sign, infinity));
        *sign = l.select(valid, *sign, l.negated(*sign));
    }
}
