//! Which network serves a window.

use super::block::{Block, WithBlock, choose};
use super::table::Table;
use std::cell::RefCell;
use std::rc::Rc;

/// Medians down a tile, at least: enough to make the `window - 1` further samples that it takes
/// in a small part.
const HEIGHT: usize = 128;

/// The network of a window.
#[derive(Debug)]
pub(super) enum Plan {
    /// There is code for it.
    Compiled {
        /// Samples in a window.
        window: usize,
        /// Windows in a block.
        block: usize,
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

impl Plan {
    /// The network of a window, which is at least 3.
    ///
    /// Each thread keeps the plans it used last: no lock that a forked process could inherit.
    pub(super) fn of(window: usize) -> Rc<Self> {
        const KEPT: usize = 4;
        thread_local! {
            static PLANS: RefCell<Vec<Rc<Plan>>> = const { RefCell::new(Vec::new()) };
        }
        PLANS.with_borrow_mut(|plans| {
            if let Some(plan) = plans.iter().find(|plan| plan.window() == window) {
                return Rc::clone(plan);
            }
            let plan = Rc::new(Self::new(window));
            plans.truncate(KEPT - 1);
            plans.insert(0, Rc::clone(&plan));
            plan
        })
    }

    fn new(window: usize) -> Self {
        match choose(window, Size) {
            Some((window, block)) => Self::Compiled { window, block },
            None => Self::Table(Table::new(window)),
        }
    }

    /// Whether there is code for a window.
    pub(super) fn is_compiled(window: usize) -> bool {
        choose(window, Size).is_some()
    }

    /// Medians down a tile of lines of `length` samples.
    pub(super) fn height(&self, length: usize) -> usize {
        HEIGHT.min(length).next_multiple_of(self.block())
    }

    /// Samples in a window.
    pub(super) fn window(&self) -> usize {
        match self {
            Self::Compiled { window, .. } => *window,
            Self::Table(table) => table.window,
        }
    }

    fn block(&self) -> usize {
        match self {
            Self::Compiled { block, .. } => *block,
            Self::Table(table) => table.block,
        }
    }

    /// Slots that a table needs.
    pub(super) fn slots(&self) -> usize {
        match self {
            Self::Compiled { .. } => 0,
            Self::Table(table) => table.slots,
        }
    }
}
