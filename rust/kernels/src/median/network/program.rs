//! Which network serves a window.

use crate::median::network::builder::Shape;
use crate::median::network::compiled::{Block, WithBlock, choose};
use crate::median::network::table::Table;
use std::sync::{Arc, Mutex};

/// The network of a window.
#[derive(Debug)]
pub(crate) enum Plan {
    /// There is code for a window of one line.
    Compiled {
        /// The window.
        window: Shape,
        /// The windows of a block.
        block: Shape,
    },
    /// It is a table.
    Table(Table),
}

/// What a compiled network's block is like.
struct Size;

impl WithBlock for Size {
    type Output = (usize, usize);

    fn call<B: Block>(self) -> (usize, usize) {
        (B::WINDOW, B::BLOCK)
    }
}

/// A window of one line.
pub(crate) fn line(cols: usize) -> Shape {
    Shape { rows: 1, cols }
}

impl Plan {
    /// The network of a window, which is no single sample; None if it would be too large.
    ///
    /// The plans used last are kept. Nobody waits for them: a process forked while they are looked
    /// through, in which they would stay locked for ever, makes its own.
    pub(crate) fn of(window: Shape) -> Option<Arc<Self>> {
        const KEPT: usize = 8;
        static PLANS: Mutex<Vec<Arc<Plan>>> = Mutex::new(Vec::new());
        if let Ok(plans) = PLANS.try_lock()
            && let Some(plan) = plans.iter().find(|plan| plan.window() == window)
        {
            return Some(Arc::clone(plan));
        }
        let plan = Arc::new(Self::new(window)?);
        if let Ok(mut plans) = PLANS.try_lock() {
            plans.truncate(KEPT - 1);
            plans.insert(0, Arc::clone(&plan));
        }
        Some(plan)
    }

    fn new(window: Shape) -> Option<Self> {
        if window.rows == 1
            && let Some((samples, block)) = choose(window.cols, Size)
        {
            return Some(Self::Compiled { window: line(samples), block: line(block) });
        }
        Table::new(window, best_block(window), reach(window)).map(Self::Table)
    }

    /// Whether there is code for a window of one line.
    pub(crate) fn is_compiled(window: usize) -> bool {
        choose(window, Size).is_some()
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

/// The block that takes about the fewest operations per window, as far as its table stays small.
///
/// For lines that lies at about four fifths of the window; for rectangles, larger blocks than
/// these save little and take long to build.
fn best_block(window: Shape) -> Shape {
    const MOST: usize = 8;
    let power_of_two = |most: usize| 1 << most.max(1).ilog2();
    if window.rows == 1 {
        return line(power_of_two((window.cols * 4 / 5).max(2)));
    }
    let side = |length: usize| power_of_two(length.div_ceil(2).min(MOST));
    Shape { rows: side(window.rows), cols: side(window.cols) }
}

/// How far from the middle the ranks asked for reach.
///
/// In a line the fillers of NaN are in balance but for one. In a rectangle their balance wanders
/// by about the square root of its side; windows beyond the reach are computed one by one.
fn reach(window: Shape) -> usize {
    let side = window.rows.max(window.cols);
    if window.rows == 1 { 1 } else { side.isqrt() }
}
