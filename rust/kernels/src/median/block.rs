//! The compiled selection networks, and what they give their results to.

use super::lanes::{Lanes, Row};

/// A compiled network of `BLOCK` windows of `WINDOW` samples.
pub(super) trait Block {
    /// Samples in a window.
    const WINDOW: usize;
    /// Windows in a block.
    const BLOCK: usize;

    /// Puts each window's middle, in vector `v` of the rows `x`; false if there are too few rows.
    #[must_use]
    fn run<L: Lanes>(l: L, x: &[Row<L>], v: usize, to: &mut impl Put<L>) -> bool;
}

/// What takes the middles of a block's windows.
///
/// A trait and no closure, since only a method can be made to be inlined where the instruction
/// set is known.
pub(super) trait Put<L: Lanes> {
    /// Takes ranks h - 1, h and h + 1 of window `which`, in vector `v`.
    fn put(&mut self, which: usize, v: usize, middle: [L::V; 3]);
}

/// Something to call with a compiled network.
pub(super) trait WithBlock {
    /// What it gives.
    type Output;
    /// Calls it.
    fn call<B: Block>(self) -> Self::Output;
}

pub(super) use written::choose;

/// The networks, as the build script writes them.
#[allow(clippy::pedantic, clippy::too_many_lines)]
mod written {
    use super::{Block, Lanes, Put, Row, WithBlock};

    include!(concat!(env!("OUT_DIR"), "/blocks.rs"));
}
