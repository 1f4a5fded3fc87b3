//! Rows of values in memory.

use super::COLS;
use crate::median::network::compiled::{Kept, Source};
use crate::median::network::lanes::Lanes;
use crate::{Error, memory};

/// Bytes of a cache line.
const LINE: usize = 64;

/// Values in a row behind those of `COLS` windows. A stage begins at most one vector behind them,
/// since adjacent windows keep values for the last ones, and reads it up to a window further.
const FURTHER: usize = 32;

/// Rows of values. Each starts with a cache line.
pub(super) struct Rows<L: Lanes> {
    l: L,
    values: Vec<L::T>,
    /// The place of the first value.
    start: usize,
}

impl<L: Lanes> Rows<L> {
    /// Values of a cache line.
    const LINE: usize = LINE / size_of::<L::T>();

    /// The distance of rows, which the compiler knows: an odd number of cache lines, so that the lines
    /// of one column have different places in the nearest cache.
    const PITCH: usize = ((COLS + FURTHER).div_ceil(Self::LINE) | 1) * Self::LINE;

    /// Zeros.
    #[inline(always)]
    pub(super) fn new(l: L, rows: usize) -> Result<Self, Error> {
        let values: Vec<L::T> = memory::zeros(rows * Self::PITCH + Self::LINE)?;
        let start = values.as_ptr().align_offset(LINE).min(Self::LINE);
        Ok(Self { l, values, start })
    }

    #[inline(always)]
    pub(super) fn row_mut(&mut self, row: usize) -> &mut [L::T] {
        &mut self.values[self.start + row * Self::PITCH..][..Self::PITCH]
    }

    /// The rows from `first` on.
    #[inline(always)]
    pub(super) fn from(&self, first: usize) -> View<'_, L> {
        View { l: self.l, values: &self.values[self.start + first * Self::PITCH..] }
    }

    /// All rows.
    #[inline(always)]
    pub(super) fn view_mut(&mut self) -> ViewMut<'_, L> {
        ViewMut { l: self.l, values: &mut self.values[self.start..] }
    }
}

/// Some rows.
#[derive(Clone, Copy)]
pub(super) struct View<'r, L: Lanes> {
    l: L,
    values: &'r [L::T],
}

impl<L: Lanes> Source<L> for View<'_, L> {
    #[inline(always)]
    fn get(&self, row: usize, at: usize) -> L::V {
        debug_assert!(at + L::WIDTH <= Rows::<L>::PITCH, "a vector lies in two rows");
        self.l.load(&self.values[row * Rows::<L>::PITCH + at..])
    }
}

/// Rows that are written.
pub(super) struct ViewMut<'r, L: Lanes> {
    l: L,
    values: &'r mut [L::T],
}

impl<L: Lanes> Source<L> for ViewMut<'_, L> {
    #[inline(always)]
    fn get(&self, row: usize, at: usize) -> L::V {
        View { l: self.l, values: self.values }.get(row, at)
    }
}

impl<L: Lanes> Kept<L> for ViewMut<'_, L> {
    #[inline(always)]
    fn put(&mut self, row: usize, at: usize, value: L::V) {
        debug_assert!(at + L::WIDTH <= Rows::<L>::PITCH, "a vector lies in two rows");
        store::<L>(&mut self.values[row * Rows::<L>::PITCH + at..], value);
    }
}

/// Writes a vector to the first values.
#[inline(always)]
pub(super) fn store<L: Lanes>(to: &mut [L::T], value: L::V) {
    L::vectors_mut(&mut to[..L::WIDTH]).0[0] = value;
}
