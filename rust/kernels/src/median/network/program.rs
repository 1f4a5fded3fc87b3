//! The program of a window: its selection network, compiled or as a table.

use super::builder::Shape;
use super::compiled::{CompiledNetwork, WithCompiled, with_compiled};
use super::table::Table;
use std::sync::{Arc, Mutex};

/// The selection network of a window, ready to run.
#[derive(Debug)]
pub(crate) enum Program {
    /// The build script wrote code for this window, which is a line.
    Compiled {
        /// The window.
        window: Shape,
        /// The windows of a block.
        block: Shape,
    },
    /// Any other window has a table.
    Table(Table),
}

/// Reads the number of samples in a window and of windows in a block from a compiled network.
struct Lengths;

impl WithCompiled for Lengths {
    type Output = (usize, usize);

    fn call<B: CompiledNetwork>(self) -> (usize, usize) {
        (B::WINDOW, B::BLOCK)
    }
}

impl Program {
    /// The program of a window of more than one sample; None if its network is too large.
    ///
    /// The programs built last are kept. No thread waits for their lock: in a process that is
    /// forked while another thread holds the lock, it stays locked. Such a process builds its
    /// programs for each call.
    pub(crate) fn of(window: Shape) -> Option<Arc<Self>> {
        const KEPT: usize = 8;
        static PROGRAMS: Mutex<Vec<Arc<Program>>> = Mutex::new(Vec::new());
        if let Ok(programs) = PROGRAMS.try_lock()
            && let Some(program) = programs.iter().find(|program| program.window() == window)
        {
            return Some(Arc::clone(program));
        }
        let program = Arc::new(Self::new(window)?);
        if let Ok(mut programs) = PROGRAMS.try_lock() {
            programs.truncate(KEPT - 1);
            programs.insert(0, Arc::clone(&program));
        }
        Some(program)
    }

    fn new(window: Shape) -> Option<Self> {
        if window.rows == 1
            && let Some((samples, windows)) = with_compiled(window.cols, Lengths)
        {
            let [window, block] = [samples, windows].map(Shape::line);
            return Some(Self::Compiled { window, block });
        }
        Table::new(window, best_block(window), margin(window)).map(Self::Table)
    }

    /// Whether there is compiled code for a window of `cols` samples in a line.
    pub(crate) fn has_code(cols: usize) -> bool {
        with_compiled(cols, Lengths).is_some()
    }

    /// Whether the program is compiled code.
    pub(crate) fn is_compiled(&self) -> bool {
        matches!(self, Self::Compiled { .. })
    }

    /// The window.
    pub(crate) fn window(&self) -> Shape {
        match self {
            Self::Compiled { window, .. } => *window,
            Self::Table(table) => table.window,
        }
    }

    /// The windows of a block.
    pub(crate) fn block(&self) -> Shape {
        match self {
            Self::Compiled { block, .. } => *block,
            Self::Table(table) => table.block,
        }
    }
}

/// The block that needs about the fewest operations for each window, with a table that stays small.
///
/// For lines that is about four fifths of the window. For rectangles, larger blocks save little
/// and take long to build.
fn best_block(window: Shape) -> Shape {
    const LONGEST_BLOCK_SIDE: usize = 8;
    let power_of_two = |most: usize| 1 << most.max(1).ilog2();
    if window.rows == 1 {
        return Shape::line(power_of_two((window.cols * 4 / 5).max(2)));
    }
    let side = |length: usize| power_of_two(length.div_ceil(2).min(LONGEST_BLOCK_SIDE));
    Shape { rows: side(window.rows), cols: side(window.cols) }
}

/// How many ranks on either side of the middle one the network selects.
///
/// NaNs are replaced by infinities of both signs. In a line their numbers differ by at most one.
/// In a rectangle the difference grows about as the square root of its side. Windows with a larger
/// difference are computed one by one.
fn margin(window: Shape) -> usize {
    let side = window.rows.max(window.cols);
    if window.rows == 1 { 1 } else { side.isqrt() }
}
