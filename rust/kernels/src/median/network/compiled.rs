//! The compiled selection networks, and what networks take from and give to.

use crate::median::network::lanes::Lanes;

/// A compiled network of `BLOCK` windows of `WINDOW` samples in a line.
pub(crate) trait Block {
    /// Samples in a window.
    const WINDOW: usize;
    /// Windows in a block.
    const BLOCK: usize;

    /// Puts the middle of each window, in vector `v` of the inputs.
    fn run<L: Lanes>(l: L, x: &impl Take<L>, v: usize, to: &mut impl Put<L>);
}

/// What gives some values by their numbers: the inputs of a network, or the middle of a window.
///
/// Traits and no closures, since only a method can be made to be inlined where the instruction
/// set is known.
pub(crate) trait Take<L: Lanes> {
    /// Vector `v` of a value.
    fn take(&self, number: usize, v: usize) -> L::V;
}

/// Values of one vector.
impl<L: Lanes, const N: usize> Take<L> for [L::V; N] {
    #[inline(always)]
    fn take(&self, number: usize, _: usize) -> L::V {
        self[number]
    }
}

/// What takes the middles of a block's windows.
pub(crate) trait Put<L: Lanes> {
    /// Takes the samples of window `which` whose ranks lie around the middle one, the least first,
    /// in vector `v`.
    fn put(&mut self, which: usize, v: usize, middle: &impl Take<L>);
}

/// Something to call with a compiled network.
pub(crate) trait WithBlock {
    /// What it gives.
    type Output;
    /// Calls it.
    fn call<B: Block>(self) -> Self::Output;
}

pub(crate) use written::choose;

/// The networks, as the build script writes them.
#[allow(clippy::pedantic, clippy::too_many_lines)]
mod written {
    use super::{Block, Lanes, Put, Take, WithBlock};

    include!(concat!(env!("OUT_DIR"), "/blocks.rs"));
}
