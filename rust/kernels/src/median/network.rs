//! The selection network: how it is built.
//!
//! A network is a straight-line program of minima and maxima that takes `window + block - 1`
//! consecutive samples and gives, for each of the `block` windows among them, the samples of rank
//! h - 1, h and h + 1, where h is the middle rank. Three ideas keep it small:
//!
//! - The windows share samples. What all have in common is sorted once; then the first half of the
//!   windows takes in the samples before, the last half those after, and so on down to single
//!   windows. Runs are sorted by halves, so that the halves the children need are already there.
//! - Of a sorted list, only the middle can still reach the ranks asked for: the rest is dropped.
//! - Equal operations are made once, and those that nothing asks for are left out.
//!
//! Lists are merged by Batcher's odd-even merge (Knuth, The Art of Computer Programming 3,
//! 5.3.4), for lists of any length.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

/// One value of a network: an input or an operation on two earlier values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// The input of that number.
    Input(usize),
    /// The lesser of two values.
    Min(usize, usize),
    /// The greater of two values.
    Max(usize, usize),
}

/// The samples of rank h - 1, h and h + 1 of one window.
pub(super) type Middle = [usize; 3];

/// A selection network; see the module.
#[derive(Debug, Clone)]
pub(super) struct Network {
    /// All values that are needed, each after those it is made of.
    pub(super) nodes: Vec<Node>,
    /// For each window its middle values.
    pub(super) middles: Vec<Middle>,
}

impl Network {
    /// The network of `block` windows of `window` samples each.
    ///
    /// `window` is odd and at least 3, `block` a power of two and at most `window`.
    pub(super) fn new(window: usize, block: usize) -> Self {
        let mut builder = Builder { window, ..Builder::default() };
        let core = builder.sort(block - 1..window);
        builder.descend(0..block, Sorted { values: core, dropped: 0 });
        builder.live()
    }
}

/// A part of a sorted list: `dropped` lesser values are left out, and any number of greater ones.
struct Sorted {
    values: Vec<usize>,
    dropped: usize,
}

#[derive(Default)]
struct Builder {
    window: usize,
    nodes: Vec<Node>,
    known: Known,
    middles: Vec<Middle>,
}

impl Builder {
    /// From what is sorted of the samples that `windows` share, down to each window's middle.
    fn descend(&mut self, windows: Range<usize>, shared: Sorted) {
        let middle = self.window / 2;
        if windows.len() == 1 {
            let at = middle - shared.dropped;
            self.middles.push([shared.values[at - 1], shared.values[at], shared.values[at + 1]]);
            return;
        }
        let shared = drop_ends(shared, middle, windows.len());
        let half = windows.len() / 2;
        let (first, last) = (windows.start, windows.end - 1);
        let before = self.sort(first + half - 1..last);
        let after = self.sort(first + self.window..first + half + self.window);
        for (windows, run) in [(first..first + half, before), (first + half..last + 1, after)] {
            let values = self.merge(&run, &shared.values);
            self.descend(windows, Sorted { values, dropped: shared.dropped });
        }
    }

    fn sort(&mut self, inputs: Range<usize>) -> Vec<usize> {
        if inputs.len() <= 1 {
            return inputs.map(|input| self.node(Node::Input(input))).collect();
        }
        let middle = inputs.start + inputs.len() / 2;
        let low = self.sort(inputs.start..middle);
        let high = self.sort(middle..inputs.end);
        self.merge(&low, &high)
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
    fn live(self) -> Network {
        let numbers = vec![None; self.nodes.len()];
        let mut order = Order { all: &self.nodes, nodes: Vec::new(), numbers };
        let middles =
            self.middles.iter().map(|middle| middle.map(|value| order.visit(value))).collect();
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
pub(super) type Known = HashMap<Node, usize, BuildHasherDefault<Mixer>>;

/// A hash of a few small numbers that nobody chooses to collide: quicker than the standard one,
/// which takes most of the time to build a network.
#[derive(Default)]
pub(super) struct Mixer(u64);

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

/// Drops what cannot reach the middle ranks of a window.
///
/// Each of the `windows` takes in `windows - 1` more samples, so a value of rank r ends up with a
/// rank from r to r + windows - 1.
fn drop_ends(sorted: Sorted, middle: usize, windows: usize) -> Sorted {
    let Sorted { mut values, dropped } = sorted;
    let least = middle.saturating_sub(windows).max(dropped);
    let most = (middle + 2 - dropped).min(values.len());
    values.truncate(most);
    values.drain(..least - dropped);
    Sorted { values, dropped: least }
}

fn every_other(list: &[usize], first: usize) -> Vec<usize> {
    list.iter().skip(first).step_by(2).copied().collect()
}
