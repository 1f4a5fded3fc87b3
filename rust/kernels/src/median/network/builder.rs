//! The selection network: how it is built.
//!
//! A network is a straight-line program of minima and maxima that takes the samples that a block
//! of adjacent windows can see and gives, for each of the windows, the samples whose ranks lie
//! around the middle one. Three ideas keep it small:
//!
//! - The windows share samples. What all have in common is sorted once; then the first half of the
//!   windows takes in the samples before, the last half those after, and so on down to single
//!   windows, by rows and by columns in turn. Rectangles are sorted by halves, so that the halves
//!   the children need are already there.
//! - Of a sorted list, only the middle can still reach the ranks asked for: the rest is dropped.
//! - Equal operations are made once, and those that nothing asks for are left out.
//!
//! Lists are merged by Batcher's odd-even merge (Knuth, The Art of Computer Programming 3,
//! 5.3.4), for lists of any length. (Adams 2021, ACM Trans. Graph. 40, 4, shares sorted cores
//! between the windows of a tile in a like way.)

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// One value of a network: an input or an operation on two earlier values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// The input of that number.
    Input(usize),
    /// The lesser of two values.
    Min(usize, usize),
    /// The greater of two values.
    Max(usize, usize),
}

/// Rows and columns: of a window, or of a block of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// Rows.
    pub(crate) rows: usize,
    /// Columns.
    pub(crate) cols: usize,
}

impl Shape {
    /// Places in it.
    pub(crate) fn len(self) -> usize {
        self.rows * self.cols
    }

    /// What the windows of a block see together.
    pub(crate) fn seen_by(self, block: Self) -> Self {
        Self { rows: self.rows + block.rows - 1, cols: self.cols + block.cols - 1 }
    }
}

/// A selection network; see the module.
///
/// Inputs and windows are numbered row by row.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    /// All values that are needed, each after those it is made of.
    pub(crate) nodes: Vec<Node>,
    /// For each window the values of its middle ranks, the least first.
    pub(crate) middles: Vec<Vec<usize>>,
}

impl Network {
    /// The network of a block of windows, and of the ranks up to `reach` from the middle one.
    ///
    /// Both sides of the window are odd, `reach` is at most half of its samples, and both sides
    /// of the block are powers of two and at most the window's.
    pub(crate) fn new(window: Shape, block: Shape, reach: usize) -> Self {
        let mut builder = Builder {
            window,
            reach,
            width: window.seen_by(block).cols,
            nodes: Vec::new(),
            known: Known::default(),
            sorted: HashMap::new(),
            middles: Vec::new(),
        };
        let all = Part { y0: 0, y1: block.rows, x0: 0, x1: block.cols };
        let core = builder.sort(builder.shared(all));
        builder.descend(all, Sorted { values: core, dropped: 0 });
        builder.live(block)
    }
}

/// A part of a sorted list: `dropped` lesser values are left out, and any number of greater ones.
struct Sorted {
    values: Vec<usize>,
    dropped: usize,
}

/// A rectangle of inputs or of windows, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Part {
    y0: usize,
    y1: usize,
    x0: usize,
    x1: usize,
}

impl Part {
    fn rows(self) -> usize {
        self.y1 - self.y0
    }

    fn cols(self) -> usize {
        self.x1 - self.x0
    }

    fn len(self) -> usize {
        self.rows() * self.cols()
    }

    /// The two halves on either side of a cut across the longer side.
    fn halves(self) -> [Self; 2] {
        if self.cols() >= self.rows() {
            let middle = self.x0 + self.cols() / 2;
            [Self { x1: middle, ..self }, Self { x0: middle, ..self }]
        } else {
            let middle = self.y0 + self.rows() / 2;
            [Self { y1: middle, ..self }, Self { y0: middle, ..self }]
        }
    }
}

struct Builder {
    window: Shape,
    reach: usize,
    width: usize,
    nodes: Vec<Node>,
    known: Known,
    sorted: HashMap<Part, Vec<usize>>,
    middles: Vec<(usize, usize, Vec<usize>)>,
}

impl Builder {
    /// The inputs that all `windows` see.
    fn shared(&self, windows: Part) -> Part {
        Part {
            y0: windows.y1 - 1,
            y1: windows.y0 + self.window.rows,
            x0: windows.x1 - 1,
            x1: windows.x0 + self.window.cols,
        }
    }

    /// From what is sorted of the samples that `windows` share, down to each window's middle.
    fn descend(&mut self, windows: Part, sorted: Sorted) {
        let shared = self.shared(windows);
        let sorted = self.drop_ends(sorted, self.window.len() - shared.len());
        if windows.len() == 1 {
            self.middles.push((windows.y0, windows.x0, sorted.values));
            return;
        }
        let [first, last] = windows.halves();
        let (before, after) = if first.y1 == windows.y1 {
            let (left, right) = (self.shared(first).x0, self.shared(last).x1);
            (
                Part { x0: left, x1: shared.x0, ..shared },
                Part { x0: shared.x1, x1: right, ..shared },
            )
        } else {
            let (top, bottom) = (self.shared(first).y0, self.shared(last).y1);
            (
                Part { y0: top, y1: shared.y0, ..shared },
                Part { y0: shared.y1, y1: bottom, ..shared },
            )
        };
        for (windows, strip) in [(first, before), (last, after)] {
            let strip = self.sort(strip);
            let values = self.merge(&strip, &sorted.values);
            self.descend(windows, Sorted { values, dropped: sorted.dropped });
        }
    }

    /// Drops what cannot reach the middle ranks of a window, which has `missing` more samples: a
    /// value of rank r ends up with a rank from r to r + missing.
    fn drop_ends(&self, sorted: Sorted, missing: usize) -> Sorted {
        let Sorted { mut values, dropped } = sorted;
        let middle = self.window.len() / 2;
        let least = (middle - self.reach).saturating_sub(missing).max(dropped);
        let most = (middle + self.reach + 1 - dropped).min(values.len());
        values.truncate(most);
        values.drain(..least - dropped);
        Sorted { values, dropped: least }
    }

    fn sort(&mut self, part: Part) -> Vec<usize> {
        match part.len() {
            0 => Vec::new(),
            1 => vec![self.node(Node::Input(part.y0 * self.width + part.x0))],
            _ => {
                if let Some(sorted) = self.sorted.get(&part) {
                    return sorted.clone();
                }
                let [low, high] = part.halves().map(|half| self.sort(half));
                let sorted = self.merge(&low, &high);
                self.sorted.insert(part, sorted.clone());
                sorted
            }
        }
    }

    fn merge(&mut self, a: &[usize], b: &[usize]) -> Vec<usize> {
        match (a, b) {
            ([], list) | (list, []) => list.to_vec(),
            (&[a], &[b]) => vec![self.min(a, b), self.max(a, b)],
            _ => {
                let even = self.merge(&every_other(a, 0), &every_other(b, 0));
                let odd = self.merge(&every_other(a, 1), &every_other(b, 1));
                self.interleave(&even, &odd)
            }
        }
    }

    /// The merged list from those of its even and its odd parts.
    fn interleave(&mut self, even: &[usize], odd: &[usize]) -> Vec<usize> {
        let mut merged = vec![even[0]];
        let pairs = even.len().max(odd.len() + 1) - 1;
        for i in 0..pairs {
            match (odd.get(i), even.get(i + 1)) {
                (Some(&o), Some(&e)) => merged.extend([self.min(o, e), self.max(o, e)]),
                (o, e) => merged.extend(o.or(e)),
            }
        }
        merged
    }

    fn min(&mut self, a: usize, b: usize) -> usize {
        self.node(Node::Min(a.min(b), a.max(b)))
    }

    fn max(&mut self, a: usize, b: usize) -> usize {
        self.node(Node::Max(a.min(b), a.max(b)))
    }

    fn node(&mut self, node: Node) -> usize {
        let nodes = &mut self.nodes;
        *self.known.entry(node).or_insert_with(|| {
            nodes.push(node);
            nodes.len() - 1
        })
    }

    /// What the middles are made of, numbered in the order in which they first ask for it.
    fn live(self, block: Shape) -> Network {
        let numbers = vec![None; self.nodes.len()];
        let mut order = Order { all: &self.nodes, nodes: Vec::new(), numbers };
        let mut middles = vec![Vec::new(); block.len()];
        for (y, x, middle) in self.middles {
            middles[y * block.cols + x] = middle.iter().map(|&value| order.visit(value)).collect();
        }
        Network { nodes: order.nodes, middles }
    }
}

struct Order<'a> {
    all: &'a [Node],
    nodes: Vec<Node>,
    numbers: Vec<Option<usize>>,
}

impl Order<'_> {
    fn visit(&mut self, value: usize) -> usize {
        if let Some(number) = self.numbers[value] {
            return number;
        }
        let node = match self.all[value] {
            Node::Input(input) => Node::Input(input),
            Node::Min(a, b) => Node::Min(self.visit(a), self.visit(b)),
            Node::Max(a, b) => Node::Max(self.visit(a), self.visit(b)),
        };
        self.nodes.push(node);
        self.numbers[value] = Some(self.nodes.len() - 1);
        self.nodes.len() - 1
    }
}

/// The values there are already, by what they are made of.
pub(crate) type Known = HashMap<Node, usize, BuildHasherDefault<Mixer>>;

/// A hash of a few small numbers that nobody chooses to collide: quicker than the standard one,
/// which takes most of the time to build a network.
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

fn every_other(list: &[usize], first: usize) -> Vec<usize> {
    list.iter().skip(first).step_by(2).copied().collect()
}
