//! Which kernel computes the medians of a window.

use super::network::builder::Shape;
use super::network::program::Program;
use super::{Method, adjacent};
use crate::instructions::arch;
use pulp::Arch;
use std::fmt;

/// A kernel of the running median.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kernel {
    /// A selection network that is compiled for the window.
    CompiledNetwork,
    /// A selection network in a table, which is built when its window is first used.
    NetworkTable,
    /// The double heap.
    DoubleHeap,
    /// None is needed: the window has one sample, or the image has none.
    Copy,
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CompiledNetwork => "compiled network",
            Self::NetworkTable => "network table",
            Self::DoubleHeap => "double heap",
            Self::Copy => "copy",
        })
    }
}

/// A kernel, with what it needs to run.
pub(super) enum Choice {
    /// Every median is the sample at its place.
    Copy,
    /// The double heap.
    Heap,
    /// The selection network of a small square.
    Adjacent,
    /// A selection network. Windows along a column use the network of windows along a row.
    Network(Program),
}

impl Choice {
    /// The kernel for a window, which is fitted to the image.
    pub(super) fn of(window: Shape, image: Shape, method: Method) -> Self {
        if window.len() == 1 || image.len() == 0 {
            return Self::Copy;
        }
        let window = if window.cols == 1 { Shape::line(window.rows) } else { window };
        let is_wanted = match method {
            Method::Auto => vectors_are_wide() && pays(window, image.len()),
            Method::Heap => false,
            Method::Network => window.rows > 1 || window.cols <= LONGEST_LINE,
        };
        if !is_wanted {
            return Self::Heap;
        }
        if adjacent::has_code(window) {
            return Self::Adjacent;
        }
        Program::of(window).map_or(Self::Heap, Self::Network)
    }

    /// The name of the kernel.
    pub(super) fn kernel(&self) -> Kernel {
        match self {
            Self::Copy => Kernel::Copy,
            Self::Heap => Kernel::DoubleHeap,
            Self::Adjacent | Self::Network(Program::Compiled { .. }) => Kernel::CompiledNetwork,
            Self::Network(Program::Table(_)) => Kernel::NetworkTable,
        }
    }
}

/// The longest window of one line for which a network is built: its values fit into the places of
/// a table.
const LONGEST_LINE: usize = 1501;

/// Whether the network is the faster kernel on an image of so many samples.
///
/// A compiled network nearly always is; that of a square needs some memory first. A table must be
/// built first, which takes longer than filtering a small image with the double heap. For large
/// rectangles the double heap is faster: it moves along the longer side. `make bench` measures both.
fn pays(window: Shape, samples: usize) -> bool {
    const LEAST_COMPILED: usize = 128;
    const LEAST_PER_PLACE: usize = 25;
    const LEAST_PER_LINE: usize = 400;
    const LEAST_PER_SIDE: usize = 1500;
    const LONGEST_RECTANGLE_SIDE: usize = 61;
    let side = window.rows.max(window.cols);
    if adjacent::has_code(window) {
        samples >= LEAST_PER_PLACE * window.len()
    } else if window.rows == 1 && Program::has_code(side) {
        samples >= LEAST_COMPILED
    } else if window.rows > 1 {
        side <= LONGEST_RECTANGLE_SIDE && samples >= LEAST_PER_SIDE * side
    } else {
        side <= LONGEST_LINE && samples >= LEAST_PER_LINE * side
    }
}

/// Whether this machine has vector instructions that the kernels are compiled for.
fn vectors_are_wide() -> bool {
    !matches!(arch(), Arch::Scalar)
}

#[cfg(test)]
mod tests {
    use super::{Kernel, vectors_are_wide};
    use crate::Median;
    use crate::median::Method;

    fn of(height: usize, width: usize, rows: usize, cols: usize, method: Method) -> Kernel {
        Median::rectangle(height, width).method(method).kernel(rows, cols).unwrap()
    }

    #[test]
    fn the_faster_kernel_is_chosen() {
        let on_detector = |height, width| of(height, width, 1024, 1032, Method::Auto);
        if !vectors_are_wide() {
            assert_eq!(on_detector(1, 15), Kernel::DoubleHeap);
            return;
        }
        assert_eq!(on_detector(15, 1), Kernel::CompiledNetwork);
        assert_eq!(on_detector(1, 32), Kernel::CompiledNetwork);
        assert_eq!(on_detector(33, 1), Kernel::NetworkTable);
        assert_eq!(on_detector(2, 2), Kernel::CompiledNetwork);
        assert_eq!(on_detector(8, 8), Kernel::CompiledNetwork);
        assert_eq!(on_detector(7, 8), Kernel::NetworkTable);
        assert_eq!(on_detector(9, 9), Kernel::NetworkTable);
        assert_eq!(on_detector(1, 1503), Kernel::DoubleHeap);
        assert_eq!(on_detector(63, 63), Kernel::DoubleHeap);
        assert_eq!(of(9, 9, 100, 100, Method::Auto), Kernel::DoubleHeap);
        assert_eq!(of(3, 3, 10, 10, Method::Auto), Kernel::DoubleHeap);
        assert_eq!(of(3, 3, 20, 20, Method::Auto), Kernel::CompiledNetwork);
        assert_eq!(of(1, 33, 100, 100, Method::Auto), Kernel::DoubleHeap);
        assert_eq!(of(3, 1, 10, 10, Method::Auto), Kernel::DoubleHeap);
    }

    #[test]
    fn a_method_is_used_where_possible() {
        assert_eq!(of(1, 15, 10, 10, Method::Heap), Kernel::DoubleHeap);
        assert_eq!(of(1, 15, 10, 10, Method::Network), Kernel::CompiledNetwork);
        assert_eq!(of(5, 5, 10, 10, Method::Network), Kernel::CompiledNetwork);
        assert_eq!(of(5, 9, 10, 10, Method::Network), Kernel::NetworkTable);
        assert_eq!(of(1, 1503, 1, 10_000, Method::Network), Kernel::DoubleHeap);
        assert_eq!(of(1001, 1001, 5000, 5000, Method::Network), Kernel::DoubleHeap);
    }

    #[test]
    fn the_window_is_fitted_to_the_image() {
        assert_eq!(of(15, 15, 1, 10_000, Method::Network), Kernel::NetworkTable);
        assert_eq!(of(1, 10_001, 3, 7, Method::Network), Kernel::CompiledNetwork);
    }

    #[test]
    fn one_sample_or_none_is_copied() {
        for method in [Method::Auto, Method::Heap, Method::Network] {
            assert_eq!(of(1, 1, 10, 10, method), Kernel::Copy);
            assert_eq!(of(9, 9, 0, 10, method), Kernel::Copy);
            assert_eq!(of(9, 9, 10, 0, method), Kernel::Copy);
        }
    }

    #[test]
    fn images_beyond_all_bounds() {
        let most = usize::MAX;
        assert_eq!(of(most, most, most, most, Method::Auto), Kernel::DoubleHeap);
        assert_eq!(of(most, most, most, most, Method::Network), Kernel::DoubleHeap);
    }
}
