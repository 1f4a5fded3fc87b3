//! How a selection network is built.
//!
//! A network is a sequence of minima and maxima without branches. Its inputs are the samples in a
//! block of adjacent windows. Its outputs are, for each window, the samples of the ranks around the
//! middle one. Three ideas keep it small:
//!
//! - The windows share samples. The samples common to all windows are sorted once. Then the windows
//!   are divided into two halves, and the samples common to each half are merged in. This repeats
//!   for rows and columns in turn, down to single windows. Rectangles are sorted by parts, and
//!   later steps use these parts again.
//! - Only the middle of a sorted list can still become one of the wanted ranks. The rest is
//!   dropped.
//! - Each operation is made once. Operations that no output needs are left out.
//!
//! Lists are merged by Batcher's odd-even merge (Knuth, The Art of Computer Programming 3,
//! 5.3.4), for lists of any length. (Adams 2021, ACM Trans. Graph. 40, 4, also shares sorted
//! samples between adjacent windows.)

use crate::{Error, memory};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

/// One value of a network: an input, or the result of an operation on two earlier values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// The input of that number.
    Input(usize),
    /// The lesser of two values.
    Min(usize, usize),
    /// The greater of two values.
    Max(usize, usize),
}

/// Rows and columns of an image, a window or a block of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// Rows.
    pub(crate) rows: usize,
    /// Columns.
    pub(crate) cols: usize,
}

impl Shape {
    /// A single row.
    pub(crate) fn line(cols: usize) -> Self {
        Self { rows: 1, cols }
    }

    /// The number of places in it.
    pub(crate) fn len(self) -> usize {
        self.rows.saturating_mul(self.cols)
    }

    /// The rectangle of samples that the windows of a block contain together.
    pub(crate) fn inputs_of(self, block: Self) -> Self {
        let side = |window: usize, block: usize| window.saturating_add(block - 1);
        Self { rows: side(self.rows, block.rows), cols: side(self.cols, block.cols) }
    }
}

/// A selection network, as the module describes it. Inputs and windows are numbered row by row.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    /// All values that the outputs need, each after its operands.
    pub(crate) nodes: Vec<Node>,
    /// The outputs: for each window the values of its middle ranks, in ascending order.
    pub(crate) middles: Vec<Vec<usize>>,
}

impl Network {
    /// The network of a block of windows, for the middle rank and `margin` ranks on either side. A
    /// window of an even number of samples has no middle rank, only those on either side.
    ///
    /// `margin` is at most half of the window's samples. Both sides of the block are powers of two
    /// and at most those of the window.
    ///
    /// # Errors
    /// [`Error::Memory`] if there is too little. A line of 1501 samples needs 35 MB, a square of
    /// 61 x 61 samples 90 MB.
    pub(crate) fn new(window: Shape, block: Shape, margin: usize) -> Result<Self, Error> {
        Self::build(window, block, margin, false)
    }

    /// The network of a block of one column, sorted by columns, so that adjacent blocks can share
    /// them.
    ///
    /// # Errors
    /// As [`Network::new`].
    #[allow(dead_code)] // only the build script needs it
    pub(crate) fn adjacent(window: Shape, rows: usize, margin: usize) -> Result<Self, Error> {
        Self::build(window, Shape { rows, cols: 1 }, margin, true)
    }

    fn build(window: Shape, block: Shape, margin: usize, by_columns: bool) -> Result<Self, Error> {
        let mut builder = Builder {
            window,
            margin,
            width: window.inputs_of(block).cols,
            by_columns,
            nodes: Vec::new(),
            known: Known::default(),
            sorted: HashMap::new(),
            middles: Vec::new(),
        };
        let all = Rectangle { y0: 0, y1: block.rows, x0: 0, x1: block.cols };
        let core = builder.sort(builder.shared(all))?;
        builder.descend(all, Sorted { values: core, dropped: 0 })?;
        builder.live(block)
    }
}

/// The middle of a sorted list, without `dropped` lesser values and any number of greater ones.
struct Sorted {
    values: Vec<usize>,
    dropped: usize,
}

/// A rectangle of inputs or of windows, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Rectangle {
    y0: usize,
    y1: usize,
    x0: usize,
    x1: usize,
}

impl Rectangle {
    fn rows(self) -> usize {
        self.y1 - self.y0
    }

    fn cols(self) -> usize {
        self.x1 - self.x0
    }

    fn len(self) -> usize {
        self.rows() * self.cols()
    }

    /// The two halves, divided across the longer side.
    fn halves(self) -> [Self; 2] {
        if self.cols() >= self.rows() {
            self.divided_at_column(self.cols() / 2)
        } else {
            let middle = self.y0 + self.rows() / 2;
            [Self { y1: middle, ..self }, Self { y0: middle, ..self }]
        }
    }

    /// Parts that adjacent windows share: first columns, in powers of two, and each column by
    /// halves.
    fn columns(self) -> [Self; 2] {
        match self.cols() {
            ..2 => self.halves(),
            cols => self.divided_at_column(1 << (cols - 1).ilog2()),
        }
    }

    fn divided_at_column(self, col: usize) -> [Self; 2] {
        let middle = self.x0 + col;
        [Self { x1: middle, ..self }, Self { x0: middle, ..self }]
    }
}

struct Builder {
    window: Shape,
    margin: usize,
    width: usize,
    /// Whether rectangles are sorted by columns.
    by_columns: bool,
    nodes: Vec<Node>,
    known: Known,
    sorted: HashMap<Rectangle, Vec<usize>>,
    middles: Vec<(usize, usize, Vec<usize>)>,
}

impl Builder {
    /// The inputs that all `windows` contain.
    fn shared(&self, windows: Rectangle) -> Rectangle {
        Rectangle {
            y0: windows.y1 - 1,
            y1: windows.y0 + self.window.rows,
            x0: windows.x1 - 1,
            x1: windows.x0 + self.window.cols,
        }
    }

    /// Finds the middle of each of `windows`, from the sorted samples that they share.
    fn descend(&mut self, windows: Rectangle, sorted: Sorted) -> Result<(), Error> {
        let shared = self.shared(windows);
        let sorted = self.drop_ends(sorted, self.window.len() - shared.len());
        if windows.len() == 1 {
            return memory::push(&mut self.middles, (windows.y0, windows.x0, sorted.values));
        }
        let [first, last] = windows.halves();
        let (before, after) = if first.y1 == windows.y1 {
            let (left, right) = (self.shared(first).x0, self.shared(last).x1);
            (
                Rectangle { x0: left, x1: shared.x0, ..shared },
                Rectangle { x0: shared.x1, x1: right, ..shared },
            )
        } else {
            let (top, bottom) = (self.shared(first).y0, self.shared(last).y1);
            (
                Rectangle { y0: top, y1: shared.y0, ..shared },
                Rectangle { y0: shared.y1, y1: bottom, ..shared },
            )
        };
        for (windows, further) in [(first, before), (last, after)] {
            let further = self.sort(further)?;
            let values = self.merge(&further, &sorted.values)?;
            self.descend(windows, Sorted { values, dropped: sorted.dropped })?;
        }
        Ok(())
    }

    /// Drops values that cannot have a middle rank in a window with `missing` more samples.
    ///
    /// A value of rank r has a rank from r to r + missing in the window.
    fn drop_ends(&self, sorted: Sorted, missing: usize) -> Sorted {
        let Sorted { mut values, dropped } = sorted;
        let middle = self.window.len() / 2;
        let least = (middle - self.margin).saturating_sub(missing).max(dropped);
        let most = (middle + self.margin + self.window.len() % 2 - dropped).min(values.len());
        values.truncate(most);
        values.drain(..least - dropped);
        Sorted { values, dropped: least }
    }

    fn sort(&mut self, rectangle: Rectangle) -> Result<Vec<usize>, Error> {
        match rectangle.len() {
            0 => Ok(Vec::new()),
            1 => {
                let input = Node::Input(rectangle.y0 * self.width + rectangle.x0);
                memory::copied(&[self.node(input)?])
            }
            _ => {
                if let Some(sorted) = self.sorted.get(&rectangle) {
                    return memory::copied(sorted);
                }
                let by_columns = self.by_columns;
                let [low, high] = if by_columns { rectangle.columns() } else { rectangle.halves() };
                let (low, high) = (self.sort(low)?, self.sort(high)?);
                let sorted = self.merge(&low, &high)?;
                memory::make_room(&mut self.sorted, 1)?;
                self.sorted.insert(rectangle, memory::copied(&sorted)?);
                Ok(sorted)
            }
        }
    }

    fn merge(&mut self, a: &[usize], b: &[usize]) -> Result<Vec<usize>, Error> {
        match (a, b) {
            ([], list) | (list, []) => memory::copied(list),
            (&[a], &[b]) => memory::copied(&[self.min(a, b)?, self.max(a, b)?]),
            _ => {
                let even = self.merge(&every_other(a, 0)?, &every_other(b, 0)?)?;
                let odd = self.merge(&every_other(a, 1)?, &every_other(b, 1)?)?;
                self.interleave(&even, &odd)
            }
        }
    }

    /// Merges the list of the values at even indices with that of the values at odd indices.
    fn interleave(&mut self, even: &[usize], odd: &[usize]) -> Result<Vec<usize>, Error> {
        let mut merged = memory::with_capacity(even.len() + odd.len())?;
        merged.push(even[0]);
        let pairs = even.len().max(odd.len() + 1) - 1;
        for i in 0..pairs {
            match (odd.get(i), even.get(i + 1)) {
                (Some(&o), Some(&e)) => merged.extend([self.min(o, e)?, self.max(o, e)?]),
                (o, e) => merged.extend(o.or(e)),
            }
        }
        Ok(merged)
    }

    fn min(&mut self, a: usize, b: usize) -> Result<usize, Error> {
        self.node(Node::Min(a.min(b), a.max(b)))
    }

    fn max(&mut self, a: usize, b: usize) -> Result<usize, Error> {
        self.node(Node::Max(a.min(b), a.max(b)))
    }

    fn node(&mut self, node: Node) -> Result<usize, Error> {
        memory::make_room(&mut self.known, 1)?;
        match self.known.entry(node) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(new) => {
                memory::push(&mut self.nodes, node)?;
                Ok(*new.insert(self.nodes.len() - 1))
            }
        }
    }

    /// The network of the values that the outputs need, in the order of their first use.
    fn live(self, block: Shape) -> Result<Network, Error> {
        let numbers = memory::filled(None, self.nodes.len())?;
        let mut order = Order { all: &self.nodes, nodes: Vec::new(), numbers };
        let mut middles = memory::filled(Vec::new(), block.len())?;
        for (y, x, mut middle) in self.middles {
            for value in &mut middle {
                *value = order.visit(*value)?;
            }
            middles[y * block.cols + x] = middle;
        }
        Ok(Network { nodes: order.nodes, middles })
    }
}

struct Order<'a> {
    all: &'a [Node],
    nodes: Vec<Node>,
    numbers: Vec<Option<usize>>,
}

impl Order<'_> {
    fn visit(&mut self, value: usize) -> Result<usize, Error> {
        if let Some(number) = self.numbers[value] {
            return Ok(number);
        }
        let node = match self.all[value] {
            Node::Input(input) => Node::Input(input),
            Node::Min(a, b) => Node::Min(self.visit(a)?, self.visit(b)?),
            Node::Max(a, b) => Node::Max(self.visit(a)?, self.visit(b)?),
        };
        memory::push(&mut self.nodes, node)?;
        self.numbers[value] = Some(self.nodes.len() - 1);
        Ok(self.nodes.len() - 1)
    }
}

/// The number of each value, by its operation and operands.
pub(crate) type Known = HashMap<Node, usize, BuildHasherDefault<Mixer>>;

/// A hash of a few small numbers. No adversary chooses them, so collisions are rare. The standard
/// hash would take most of the time to build a network.
#[derive(Default)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_usize(usize::from(byte));
        }
    }

    fn write_usize(&mut self, value: usize) {
        self.0 = (self.0.rotate_left(5) ^ value as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_usize(value.cast_unsigned());
    }
}

fn every_other(list: &[usize], first: usize) -> Result<Vec<usize>, Error> {
    memory::collected(list.iter().skip(first).step_by(2).copied())
}
