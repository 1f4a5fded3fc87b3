//! A selection network as a table of steps over rows in memory, for windows of any length.

use super::block::Put;
use super::lanes::{Lanes, Row, VECTORS};
use super::network::{Known, Network, Node};

/// A network whose values have places in memory: first its inputs, which stay, then slots, which
/// are used again once their value is no longer needed.
#[derive(Debug)]
pub(super) struct Table {
    /// Samples in a window.
    pub(super) window: usize,
    /// Windows in a block.
    pub(super) block: usize,
    /// Slots behind the inputs.
    pub(super) slots: usize,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The lesser and the greater of two values.
    Both {
        a: u32,
        b: u32,
        low: u32,
        high: u32,
    },
    Min {
        a: u32,
        b: u32,
        to: u32,
    },
    Max {
        a: u32,
        b: u32,
        to: u32,
    },
    /// The middle of a window is there.
    Put {
        which: u32,
        middle: [u32; 3],
    },
}

impl Table {
    /// The table of the network that serves `window` best.
    pub(super) fn new(window: usize) -> Self {
        let block = best_block(window);
        Allocation::of(&Network::new(window, block), window, block)
    }

    /// Samples that a block takes in.
    pub(super) fn inputs(&self) -> usize {
        self.window + self.block - 1
    }

    /// Runs one block.
    ///
    /// `memory` holds the rows of the image from `first` on and, from `slots` on, the slots.
    /// `to` takes each window's middle. Returns whether all places were right.
    #[must_use]
    #[inline(always)]
    pub(super) fn run<L: Lanes>(
        &self,
        l: L,
        memory: &mut [Row<L>],
        (first, slots): (usize, usize),
        to: &mut impl Put<L>,
    ) -> bool {
        let inputs = self.inputs();
        let at = |place: u32| {
            let place = place as usize;
            if place < inputs { first + place } else { slots + place - inputs }
        };
        for step in &self.steps {
            match *step {
                Step::Both { a, b, low, high } => {
                    let places = [a, b, low, high].map(at);
                    let Ok([a, b, low, high]) = memory.get_disjoint_mut(places) else {
                        return false;
                    };
                    for v in 0..VECTORS {
                        low[v] = l.min(a[v], b[v]);
                        high[v] = l.max(a[v], b[v]);
                    }
                }
                Step::Min { a, b, to } => {
                    let Ok([a, b, to]) = memory.get_disjoint_mut([a, b, to].map(at)) else {
                        return false;
                    };
                    for v in 0..VECTORS {
                        to[v] = l.min(a[v], b[v]);
                    }
                }
                Step::Max { a, b, to } => {
                    let Ok([a, b, to]) = memory.get_disjoint_mut([a, b, to].map(at)) else {
                        return false;
                    };
                    for v in 0..VECTORS {
                        to[v] = l.max(a[v], b[v]);
                    }
                }
                Step::Put { which, middle } => {
                    let [low, middle, high] = middle.map(at);
                    let (low, middle, high) = (&memory[low], &memory[middle], &memory[high]);
                    for v in 0..VECTORS {
                        to.put(which as usize, v, [low[v], middle[v], high[v]]);
                    }
                }
            }
        }
        true
    }
}

/// The number of windows that share a block: of the powers of two the one with about the fewest
/// operations per window, which lies at about four fifths of the window.
fn best_block(window: usize) -> usize {
    let most = (window * 4 / 5).max(2);
    1 << most.ilog2()
}

/// The allocation of slots to values, in one pass.
struct Allocation<'a> {
    network: &'a Network,
    inputs: usize,
    /// For each value its place, once it has one.
    place: Vec<Option<u32>>,
    free: Vec<u32>,
    slots: usize,
}

impl Allocation<'_> {
    fn of(network: &Network, window: usize, block: usize) -> Table {
        let mut allocation = Allocation {
            network,
            inputs: window + block - 1,
            place: vec![None; network.nodes.len()],
            free: Vec::new(),
            slots: 0,
        };
        let steps = allocation.steps();
        Table { window, block, slots: allocation.slots, steps }
    }

    fn steps(&mut self) -> Vec<Step> {
        let twins = twins(self.network);
        let ready = ready(self.network);
        let ends = ends(self.network, &ready, &twins);
        let mut steps = Vec::with_capacity(self.network.nodes.len());
        for (number, &node) in self.network.nodes.iter().enumerate() {
            if self.place[number].is_none() {
                steps.extend(self.step(number, node, twins[number]));
            }
            for &which in &ready[number] {
                let middle = self.network.middles[which].map(|value| self.place_of(value));
                steps.push(Step::Put { which: index(which), middle });
            }
            for &value in &ends[number] {
                let place = self.place_of(value);
                if place as usize >= self.inputs {
                    self.free.push(place);
                }
            }
        }
        steps
    }

    fn step(&mut self, number: usize, node: Node, twin: Option<usize>) -> Option<Step> {
        let (a, b) = match node {
            Node::Input(input) => {
                self.place[number] = Some(index(input));
                return None;
            }
            Node::Min(a, b) | Node::Max(a, b) => (self.place_of(a), self.place_of(b)),
        };
        let to = self.allocate(number);
        let lesser = matches!(node, Node::Min(..));
        Some(match twin.map(|twin| self.allocate(twin)) {
            Some(other) if lesser => Step::Both { a, b, low: to, high: other },
            Some(other) => Step::Both { a, b, low: other, high: to },
            None if lesser => Step::Min { a, b, to },
            None => Step::Max { a, b, to },
        })
    }

    fn allocate(&mut self, value: usize) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            index(self.inputs + self.slots - 1)
        });
        self.place[value] = Some(place);
        place
    }

    fn place_of(&self, value: usize) -> u32 {
        // Every value comes after those it is made of, so they have places.
        self.place[value].unwrap_or_default()
    }
}

/// For each value those that nothing needs after it.
fn ends(network: &Network, ready: &[Vec<usize>], twins: &[Option<usize>]) -> Vec<Vec<usize>> {
    let mut last: Vec<usize> = (0..network.nodes.len()).collect();
    for (number, node) in network.nodes.iter().enumerate() {
        if let Node::Min(a, b) | Node::Max(a, b) = *node {
            // Both of a pair are made when the first is.
            let made = twins[number].map_or(number, |twin| twin.min(number));
            last[a] = last[a].max(made);
            last[b] = last[b].max(made);
        }
    }
    for (number, windows) in ready.iter().enumerate() {
        for &value in windows.iter().flat_map(|&which| &network.middles[which]) {
            last[value] = last[value].max(number);
        }
    }
    let mut ends = vec![Vec::new(); network.nodes.len()];
    for (value, &number) in last.iter().enumerate() {
        ends[number].push(value);
    }
    ends
}

/// For each value the other of the lesser and the greater of a pair, if that is needed too.
fn twins(network: &Network) -> Vec<Option<usize>> {
    let numbers: Known =
        network.nodes.iter().enumerate().map(|(number, &node)| (node, number)).collect();
    let twin = |node: &Node| match *node {
        Node::Input(_) => None,
        Node::Min(a, b) => numbers.get(&Node::Max(a, b)).copied(),
        Node::Max(a, b) => numbers.get(&Node::Min(a, b)).copied(),
    };
    network.nodes.iter().map(twin).collect()
}

/// For each value the windows whose middle is complete with it.
fn ready(network: &Network) -> Vec<Vec<usize>> {
    let mut ready = vec![Vec::new(); network.nodes.len()];
    for (which, &[low, middle, high]) in network.middles.iter().enumerate() {
        ready[low.max(middle).max(high)].push(which);
    }
    ready
}

#[allow(clippy::cast_possible_truncation)] // networks have far fewer values
fn index(value: usize) -> u32 {
    value as u32
}
