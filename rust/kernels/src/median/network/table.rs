//! A selection network as a table of steps over places in memory, for windows of any shape.

use super::schedule::scheduled;
use crate::Sample;
use crate::median::network::builder::{Known, Network, Node, Shape};
use crate::median::network::compiled::{Put, Take};
use crate::median::network::lanes::{Lanes, Vectors};

/// Vectors in a place: few, so that the places in use at a time stay in the nearest cache, but
/// enough to keep a processor busy while it waits for the values of the step before.
pub(crate) const VECTORS: usize = 4;

/// What a place holds: one value of the network in each lane.
pub(crate) type Place<L> = Vectors<<L as Lanes>::V, VECTORS>;

/// Places that a table has: a power of two, so that no step needs a check.
const PLACES: usize = 1 << 13;

/// The memory in which tables run.
pub(crate) type Places<L> = [Place<L>; PLACES];

/// A network whose values have places in memory: first its inputs, then those of other values.
/// A place is used again once its value is no longer needed.
#[derive(Debug)]
pub(crate) struct Table {
    /// The window.
    pub(crate) window: Shape,
    /// The windows of a block.
    pub(crate) block: Shape,
    /// How far the ranks it puts reach from the middle one.
    pub(crate) reach: usize,
    steps: Vec<Step>,
    parts: Vec<Part>,
}

/// The places of two values, of the lesser and of the greater of them.
type Step = [u16; 4];

/// Steps after which a window's middle is there.
#[derive(Debug)]
struct Part {
    steps: usize,
    which: usize,
    middle: Vec<u16>,
}

impl Table {
    /// The table of a network; None if it has too many values at a time.
    pub(crate) fn new(window: Shape, block: Shape, reach: usize) -> Option<Self> {
        let inputs = window.seen_by(block).len();
        if inputs >= PLACES {
            return None;
        }
        let (steps, parts) =
            Allocation::of(&scheduled(&Network::new(window, block, reach)), inputs)?;
        Some(Self { window, block, reach, steps, parts })
    }

    /// Memory to run in.
    pub(crate) fn places<L: Lanes>(l: L) -> Option<Box<Places<L>>> {
        let place = Vectors([l.splat(L::T::ZERO); VECTORS]);
        vec![place; PLACES].into_boxed_slice().try_into().ok()
    }

    /// Samples that a block takes in.
    pub(crate) fn inputs(&self) -> usize {
        self.window.seen_by(self.block).len()
    }

    /// Runs one block, whose inputs are in the first places.
    #[inline(always)]
    pub(crate) fn run<L: Lanes>(&self, l: L, places: &mut Places<L>, to: &mut impl Put<L>) {
        let mut rest = self.steps.as_slice();
        for part in &self.parts {
            let steps;
            (steps, rest) = rest.split_at(part.steps);
            for &step in steps {
                let [a, b, low, high] = step.map(|place| usize::from(place) % PLACES);
                let (a, b) = (places[a], places[b]);
                for v in 0..VECTORS {
                    places[low][v] = l.min(a[v], b[v]);
                }
                for v in 0..VECTORS {
                    places[high][v] = l.max(a[v], b[v]);
                }
            }
            let middle = Middle::<L> { places, of: &part.middle };
            for v in 0..VECTORS {
                to.put(part.which, v, &middle);
            }
        }
    }
}

/// The middle of a window.
struct Middle<'t, L: Lanes> {
    places: &'t Places<L>,
    of: &'t [u16],
}

impl<L: Lanes> Take<L> for Middle<'_, L> {
    #[inline(always)]
    fn take(&self, number: usize, v: usize) -> L::V {
        self.places[usize::from(self.of[number]) % PLACES][v]
    }
}

/// The allocation of places to values, in one pass.
struct Allocation<'a> {
    network: &'a Network,
    /// For each value its place, once it has one.
    place: Vec<u16>,
    free: Vec<u16>,
    /// Places in use so far; the first is for what nobody needs.
    used: usize,
}

impl Allocation<'_> {
    fn of(network: &Network, inputs: usize) -> Option<(Vec<Step>, Vec<Part>)> {
        let mut place = vec![0; network.nodes.len()];
        let mut there = vec![false; inputs];
        for (place, node) in place.iter_mut().zip(&network.nodes) {
            if let Node::Input(input) = *node {
                *place = u16::try_from(input).ok()?;
                there[input] = true;
            }
        }
        // Inputs at places that no window asks for are places to use.
        let unused = (0..inputs).filter(|&input| !there[input]);
        let free = unused.map(|input| u16::try_from(input).ok()).collect::<Option<_>>()?;
        let mut allocation = Allocation { network, place, free, used: inputs + 1 };
        allocation.steps(u16::try_from(inputs).ok()?)
    }

    fn steps(&mut self, spare: u16) -> Option<(Vec<Step>, Vec<Part>)> {
        let twins = twins(self.network);
        let ready = ready(self.network);
        let ends = Ends::of(self.network, &ready, &twins);
        let (mut steps, mut parts, mut before) = (Vec::new(), Vec::new(), 0);
        for (number, &node) in self.network.nodes.iter().enumerate() {
            let made = twins[number].is_some_and(|twin| twin < number);
            if let (Node::Min(a, b) | Node::Max(a, b), false) = (node, made) {
                let [a, b] = [self.place[a], self.place[b]];
                // A step reads both values before it writes, so it may write over them.
                self.release(&ends.in_steps[number]);
                let to = self.allocate(Some(number), spare)?;
                let other = self.allocate(twins[number], spare)?;
                let lesser = matches!(node, Node::Min(..));
                let [low, high] = if lesser { [to, other] } else { [other, to] };
                steps.push([a, b, low, high]);
            }
            for &which in &ready[number] {
                let middle = &self.network.middles[which];
                let middle = middle.iter().map(|&value| self.place[value]).collect();
                parts.push(Part { steps: steps.len() - before, which, middle });
                before = steps.len();
            }
            self.release(&ends.after[number]);
        }
        Some((steps, parts))
    }

    fn release(&mut self, values: &[usize]) {
        self.free.extend(values.iter().map(|&value| self.place[value]));
    }

    /// A place for a value, or `spare` for none; None if there are no more places.
    fn allocate(&mut self, value: Option<usize>, spare: u16) -> Option<u16> {
        let Some(value) = value else { return Some(spare) };
        let place = if let Some(place) = self.free.pop() {
            place
        } else {
            self.used += 1;
            u16::try_from(self.used - 1).ok().filter(|&place| usize::from(place) < PLACES)?
        };
        self.place[value] = place;
        Some(place)
    }
}

/// For each value those that nothing needs any more.
struct Ends {
    /// Once the step that makes it has read them.
    in_steps: Vec<Vec<usize>>,
    /// Once it is made and the windows are put that are ready then.
    after: Vec<Vec<usize>>,
}

impl Ends {
    fn of(network: &Network, ready: &[Vec<usize>], twins: &[Option<usize>]) -> Self {
        // The value whose making needs it last, and whether it is still needed after that.
        let mut last: Vec<_> = (0..network.nodes.len()).map(|number| (number, true)).collect();
        for (number, node) in network.nodes.iter().enumerate() {
            if let Node::Min(a, b) | Node::Max(a, b) = *node {
                // Both of a pair are made when the first is.
                let made = twins[number].map_or(number, |twin| twin.min(number));
                last[a] = last[a].max((made, false));
                last[b] = last[b].max((made, false));
            }
        }
        for (number, windows) in ready.iter().enumerate() {
            for &value in windows.iter().flat_map(|&which| &network.middles[which]) {
                last[value] = last[value].max((number, true));
            }
        }
        let none = vec![Vec::new(); network.nodes.len()];
        let mut ends = Self { in_steps: none.clone(), after: none };
        for (value, (number, after)) in last.into_iter().enumerate() {
            let ends = if after { &mut ends.after } else { &mut ends.in_steps };
            ends[number].push(value);
        }
        ends
    }
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
    for (which, middle) in network.middles.iter().enumerate() {
        if let Some(&last) = middle.iter().max() {
            ready[last].push(which);
        }
    }
    ready
}
