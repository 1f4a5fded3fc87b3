//! The compiled selection networks; the inputs and outputs of any network.

use super::lanes::Lanes;

/// The compiled network of `BLOCK` adjacent windows of `WINDOW` samples in a line.
pub(crate) trait CompiledNetwork {
    /// Samples in a window.
    const WINDOW: usize;
    /// Windows in a block.
    const BLOCK: usize;

    /// Reads vector `v` of the inputs and writes the middle of each window.
    fn run<L: Lanes>(l: L, x: &impl Source<L>, v: usize, to: &mut impl Receiver<L>);
}

/// The compiled network of adjacent windows, one in each lane. It works in stages, which
/// `build/stages.rs` describes.
pub(crate) trait AdjacentNetwork {
    /// Windows in a block, one below the other.
    const BLOCK: usize;
    /// The number of middle ranks that it selects.
    const RANKS: usize;
    /// Values of each window that are kept.
    const KEPT: usize;

    /// Reads `cols` columns of the inputs, and further ones of the last windows, and writes the
    /// middle of each window. Inputs are numbered by their rows.
    fn run<L: Lanes>(
        l: L,
        x: &impl Source<L>,
        kept: &mut impl Kept<L>,
        cols: usize,
        to: &mut impl Receiver<L>,
    );
}

/// The memory for the values that adjacent windows share.
pub(crate) trait Kept<L: Lanes>: Source<L> {
    /// Keeps a value of the windows from column `at` on.
    fn put(&mut self, number: usize, at: usize, value: L::V);
}

/// Values that are read by number: the inputs of a network, or the middle of a window.
///
/// This is a trait and not a closure, because only a method can be marked as inlined. It must be
/// inlined into code that is compiled for the instruction set.
pub(crate) trait Source<L: Lanes> {
    /// Vector `v` of a value, or of adjacent windows the one from column `v` on.
    fn get(&self, number: usize, v: usize) -> L::V;
}

/// The values of one vector.
impl<L: Lanes, const N: usize> Source<L> for [L::V; N] {
    #[inline(always)]
    fn get(&self, number: usize, _: usize) -> L::V {
        self[number]
    }
}

/// Where a network writes the middles of a block's windows.
pub(crate) trait Receiver<L: Lanes> {
    /// Receives the samples of the ranks around the middle one, in ascending order, for window
    /// `which` and vector `v`.
    fn put(&mut self, which: usize, v: usize, middle: &impl Source<L>);
}

/// A function of a compiled network.
pub(crate) trait WithCompiled {
    /// The type of the result.
    type Output;

    /// Runs the function on the network `B`.
    fn call<B: CompiledNetwork>(self) -> Self::Output;
}

/// A function of a network of adjacent windows.
pub(crate) trait WithAdjacent {
    /// The type of the result.
    type Output;

    /// Runs the function on the network `N`.
    fn call<N: AdjacentNetwork>(self) -> Self::Output;
}

pub(crate) use adjacent::with_adjacent;
pub(crate) use written::with_compiled;

/// The networks that the build script writes.
#[allow(clippy::pedantic, clippy::too_many_lines)]
mod written {
    use super::{CompiledNetwork, Lanes, Receiver, Source, WithCompiled};

    include!(concat!(env!("OUT_DIR"), "/compiled.rs"));
}

/// The networks of adjacent windows that the build script writes.
#[allow(clippy::pedantic, clippy::too_many_lines)]
mod adjacent {
    use super::{AdjacentNetwork, Kept, Lanes, Receiver, Source, WithAdjacent};
    use crate::median::network::builder::Shape;

    include!(concat!(env!("OUT_DIR"), "/adjacent.rs"));
}
