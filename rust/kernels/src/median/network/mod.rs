//! Selection networks: how they are built (`builder`), and the two forms in which they run.
//!
//! Common windows have compiled code, which the build script writes. Other windows have a table of
//! steps (`table`). Both work on vectors.

pub(super) mod builder;
pub(super) mod table;

use crate::Error;
use crate::lanes::Lanes;
use builder::Shape;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use table::Table;

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
    use super::Shape;
    use super::{AdjacentNetwork, Kept, Lanes, Receiver, Source, WithAdjacent};

    include!(concat!(env!("OUT_DIR"), "/adjacent.rs"));
}

/// The selection network of a window, ready to run.
#[derive(Debug, Clone)]
pub(crate) enum Program {
    /// The build script wrote code for this window, which is a line.
    Compiled {
        /// The window.
        window: Shape,
        /// The windows of a block.
        block: Shape,
    },
    /// Any other window has a table, but small squares, which `adjacent` computes.
    Table(Arc<Table>),
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
    /// The tables used last are kept. No thread waits long for their lock: in a process that is
    /// forked while another thread holds the lock, it stays locked. Such a process builds its
    /// tables for each call.
    ///
    /// # Errors
    /// [`Error::Memory`] if there is too little to build it.
    pub(crate) fn of(window: Shape) -> Result<Option<Self>, Error> {
        static TABLES: Mutex<KeptTables> = Mutex::new(KeptTables(Vec::new()));
        Self::with_tables(window, &TABLES)
    }

    fn with_tables(window: Shape, tables: &Mutex<KeptTables>) -> Result<Option<Self>, Error> {
        if let Some(program) = Self::compiled(window) {
            return Ok(Some(program));
        }
        if let Some(mut kept) = locked(tables)
            && let Some(table) = kept.find(window)
        {
            return Ok(Some(Self::Table(table)));
        }
        let table = Table::new(window, best_block(window), margin(window))?;
        let Some(table) = table.map(Arc::new) else { return Ok(None) };
        if let Some(mut kept) = locked(tables) {
            kept.keep(&table);
        }
        Ok(Some(Self::Table(table)))
    }

    fn compiled(window: Shape) -> Option<Self> {
        let is_line = window.rows == 1;
        let lengths = is_line.then(|| with_compiled(window.cols, Lengths)).flatten();
        let (window, block) = lengths?;
        Some(Self::Compiled { window: Shape::line(window), block: Shape::line(block) })
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

/// The kept tables, unless another thread holds them for longer than it takes to find one.
fn locked(tables: &Mutex<KeptTables>) -> Option<MutexGuard<'_, KeptTables>> {
    const TRIES: usize = 100;
    (0..TRIES).find_map(|_| {
        let kept = tables.try_lock().ok();
        if kept.is_none() {
            thread::yield_now();
        }
        kept
    })
}

/// The tables that were used last, the latest first.
struct KeptTables(Vec<Arc<Table>>);

impl KeptTables {
    /// The largest tables need about 2 MB, that of 15 x 15 samples 0.2 MB.
    const MOST: usize = 16;

    /// The table of a window, which is now the latest one.
    fn find(&mut self, window: Shape) -> Option<Arc<Table>> {
        let place = self.0.iter().position(|table| table.window == window)?;
        self.0[..=place].rotate_right(1);
        self.0.first().map(Arc::clone)
    }

    /// Keeps a table, unless another thread has kept one for the same window, or there is no
    /// memory.
    fn keep(&mut self, table: &Arc<Table>) {
        if self.find(table.window).is_none() && self.0.try_reserve(1).is_ok() {
            self.0.truncate(Self::MOST - 1);
            self.0.insert(0, Arc::clone(table));
        }
    }
}

/// The block that needs about the fewest operations for each window, with a table that stays small.
///
/// That is about four fifths of each side. For rectangles, blocks of longer sides than eight save
/// little and take long to build.
fn best_block(window: Shape) -> Shape {
    const LONGEST_BLOCK_SIDE: usize = 8;
    let power_of_two = |most: usize| 1 << most.max(1).ilog2();
    if window.rows == 1 {
        return Shape::line(power_of_two((window.cols.saturating_mul(4) / 5).max(2)));
    }
    let side = |length: usize| power_of_two((length.saturating_mul(4) / 5).min(LONGEST_BLOCK_SIDE));
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

#[cfg(test)]
mod tests {
    use super::{KeptTables, Program, Shape, Table};
    use std::sync::{Arc, Mutex};
    use std::thread;

    /// A stand-in for a table, which would take long to build.
    fn table(window: Shape) -> Arc<Table> {
        Arc::new(Table::without_steps(window))
    }

    #[test]
    fn the_tables_used_last_are_kept() {
        let mut kept = KeptTables(Vec::new());
        let window = |cols| Shape { rows: 2, cols };
        (0..KeptTables::MOST).for_each(|cols| kept.keep(&table(window(cols))));
        let [first, second] = [0, 1].map(window);
        assert!(kept.find(first).is_some());
        kept.keep(&table(Shape { rows: 3, cols: 3 }));
        assert!(kept.find(first).is_some());
        assert!(kept.find(second).is_none());
        assert_eq!(kept.0.len(), KeptTables::MOST);
    }

    #[test]
    fn a_window_is_kept_once() {
        let mut kept = KeptTables(Vec::new());
        let window = Shape { rows: 3, cols: 3 };
        (0..2).for_each(|_| kept.keep(&table(window)));
        assert_eq!(kept.0.len(), 1);
    }

    #[test]
    fn many_threads_use_one_table() {
        let kept = Mutex::new(KeptTables(Vec::new()));
        let window = Shape { rows: 3, cols: 5 };
        let table = || match Program::with_tables(window, &kept) {
            Ok(Some(Program::Table(table))) => Arc::as_ptr(&table) as usize,
            _ => 0,
        };
        let first = table();
        thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(|| (0..2000).all(|_| table() == first)));
            assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        });
    }

    #[test]
    fn tables_that_stay_locked_are_built() {
        let kept = Mutex::new(KeptTables(Vec::new()));
        let _held = kept.lock().unwrap();
        assert!(Program::with_tables(Shape { rows: 3, cols: 3 }, &kept).unwrap().is_some());
    }

    #[test]
    fn alternating_windows_use_the_same_tables() {
        let kept = Mutex::new(KeptTables(Vec::new()));
        let get = |windows: &[Shape]| -> Vec<_> {
            let program = |&window| Program::with_tables(window, &kept).unwrap();
            windows.iter().filter_map(program).collect()
        };
        let tables: Vec<_> = (2..11).map(|cols| Shape { rows: 3, cols }).collect();
        let compiled = [3, 5, 7, 15, 31].map(Shape::line);
        let before = get(&tables);
        assert!(get(&compiled).iter().all(Program::is_compiled));
        let after = get(&tables);
        assert_eq!((before.len(), after.len()), (9, 9));
        for pair in before.iter().zip(&after) {
            let (Program::Table(before), Program::Table(after)) = pair else { unreachable!() };
            assert!(Arc::ptr_eq(before, after));
        }
    }
}
