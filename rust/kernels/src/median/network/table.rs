//! A selection network as a table of steps over places in memory, for windows of any shape.

use super::builder::{Known, Network, Node, Shape};
use super::compiled::{Receiver, Source};
use super::lanes::{Lanes, Vectors};
use super::schedule::scheduled;
use crate::{Error, Sample, memory};

/// Vectors in a place: few, so that the places in use stay in the nearest cache, but enough to keep
/// the processor busy while it waits for the values of the previous step.
pub(crate) const PLACE_VECTORS: usize = 4;

/// A place: one value of the network in each lane.
pub(crate) type Place<L> = Vectors<<L as Lanes>::V, PLACE_VECTORS>;

/// The number of places of a table: a power of two, so that no step needs a bounds check.
const PLACES: usize = 1 << 13;

/// The memory in which a table runs.
pub(crate) type Places<L> = [Place<L>; PLACES];

/// A network whose values have places in memory: first the inputs, then the other values.
///
/// A place is used again when its value is no longer needed.
#[derive(Debug)]
pub(crate) struct Table {
    /// The window.
    pub(crate) window: Shape,
    /// The windows of a block.
    pub(crate) block: Shape,
    /// How many ranks on either side of the middle it selects.
    margin: usize,
    steps: Vec<Step>,
    stages: Vec<Stage>,
}

/// The places of two operands, of the lesser and of the greater of them.
type Step = [u16; 4];

/// Some steps, and the window whose middle is known after them.
#[derive(Debug)]
struct Stage {
    steps: usize,
    which: usize,
    middle: Vec<u16>,
}

impl Table {
    /// The table of a network; None if it needs more places than there are, or if there is too
    /// little memory to build it.
    pub(crate) fn new(window: Shape, block: Shape, margin: usize) -> Option<Self> {
        let inputs = window.inputs_of(block).len();
        if inputs >= PLACES {
            return None;
        }
        let network = Network::new(window, block, margin).ok()?;
        let (steps, stages) = Allocation::of(&scheduled(&network).ok()?, inputs)?;
        Some(Self { window, block, margin, steps, stages })
    }

    /// A table that computes nothing.
    #[cfg(test)]
    pub(super) fn without_steps(window: Shape) -> Self {
        let block = Shape::line(1);
        Self { window, block, margin: 0, steps: Vec::new(), stages: Vec::new() }
    }

    /// Memory in which tables run.
    pub(crate) fn places<L: Lanes>(l: L) -> Result<Box<Places<L>>, Error> {
        let place = Vectors([l.splat(L::T::ZERO); PLACE_VECTORS]);
        let Ok(places) = memory::filled(place, PLACES)?.into_boxed_slice().try_into() else {
            unreachable!("there are as many places as were asked for")
        };
        Ok(places)
    }

    /// The number of samples that a block contains.
    pub(crate) fn inputs(&self) -> usize {
        self.window.inputs_of(self.block).len()
    }

    /// The number of middle ranks that it selects.
    pub(crate) fn ranks(&self) -> usize {
        2 * self.margin + self.window.len() % 2
    }

    /// Runs the network on the inputs in the first places.
    #[inline(always)]
    pub(crate) fn run<L: Lanes>(&self, l: L, places: &mut Places<L>, to: &mut impl Receiver<L>) {
        let mut rest = self.steps.as_slice();
        for stage in &self.stages {
            let steps;
            (steps, rest) = rest.split_at(stage.steps);
            for &step in steps {
                let [a, b, low, high] = step.map(|place| usize::from(place) % PLACES);
                let (a, b) = (places[a], places[b]);
                for v in 0..PLACE_VECTORS {
                    places[low][v] = l.min(a[v], b[v]);
                }
                for v in 0..PLACE_VECTORS {
                    places[high][v] = l.max(a[v], b[v]);
                }
            }
            let middle = Middle::<L> { places, of: &stage.middle };
            for v in 0..PLACE_VECTORS {
                to.put(stage.which, v, &middle);
            }
        }
    }
}

/// The middle of a window.
struct Middle<'t, L: Lanes> {
    places: &'t Places<L>,
    of: &'t [u16],
}

impl<L: Lanes> Source<L> for Middle<'_, L> {
    #[inline(always)]
    fn get(&self, number: usize, v: usize) -> L::V {
        self.places[usize::from(self.of[number]) % PLACES][v]
    }
}

/// The allocation of places to values, in one pass.
struct Allocation<'a> {
    network: &'a Network,
    /// For each value its place, as soon as it has one.
    place: Vec<u16>,
    free: Vec<u16>,
    /// The number of places used so far. One place after the inputs takes unneeded results.
    used: usize,
}

impl Allocation<'_> {
    fn of(network: &Network, inputs: usize) -> Option<(Vec<Step>, Vec<Stage>)> {
        let mut place = memory::zeros(network.nodes.len()).ok()?;
        let mut is_needed = memory::zeros(inputs).ok()?;
        for (place, node) in place.iter_mut().zip(&network.nodes) {
            if let Node::Input(input) = *node {
                *place = u16::try_from(input).ok()?;
                is_needed[input] = true;
            }
        }
        // The places of inputs that no window needs are free.
        let unused = (0..inputs).filter(|&input| !is_needed[input]);
        let free = memory::collected(unused.filter_map(|input| u16::try_from(input).ok())).ok()?;
        let mut allocation = Allocation { network, place, free, used: inputs + 1 };
        allocation.steps(u16::try_from(inputs).ok()?)
    }

    fn steps(&mut self, spare: u16) -> Option<(Vec<Step>, Vec<Stage>)> {
        let twins = twins(self.network).ok()?;
        let ready = ready(self.network).ok()?;
        let ends = Ends::of(self.network, &ready, &twins).ok()?;
        let (mut steps, mut stages, mut before) = (Vec::new(), Vec::new(), 0);
        for (number, &node) in self.network.nodes.iter().enumerate() {
            let made = twins[number].is_some_and(|twin| twin < number);
            if let (Node::Min(a, b) | Node::Max(a, b), false) = (node, made) {
                let [a, b] = [self.place[a], self.place[b]];
                // A step reads both values before it writes, so it may write over them.
                self.release(&ends.in_steps[number]).ok()?;
                let to = self.allocate(Some(number), spare)?;
                let other = self.allocate(twins[number], spare)?;
                let lesser = matches!(node, Node::Min(..));
                let [low, high] = if lesser { [to, other] } else { [other, to] };
                memory::push(&mut steps, [a, b, low, high]).ok()?;
            }
            for &which in &ready[number] {
                let middle = &self.network.middles[which];
                let middle = middle.iter().map(|&value| self.place[value]);
                let middle = memory::collected(middle).ok()?;
                let stage = Stage { steps: steps.len() - before, which, middle };
                memory::push(&mut stages, stage).ok()?;
                before = steps.len();
            }
            self.release(&ends.after[number]).ok()?;
        }
        Some((steps, stages))
    }

    fn release(&mut self, values: &[usize]) -> Result<(), Error> {
        memory::extend(&mut self.free, values.iter().map(|&value| self.place[value]))
    }

    /// A place for a value, `spare` for no value; None if no place is left.
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

/// For each value, the values that are no longer needed from then on.
struct Ends {
    /// As soon as the step that computes it has read its operands.
    in_steps: Vec<Vec<usize>>,
    /// As soon as it is computed and the middles that are then complete are written.
    after: Vec<Vec<usize>>,
}

impl Ends {
    fn of(network: &Network, ready: &[Vec<usize>], twins: &[Option<usize>]) -> Result<Self, Error> {
        // The last value that needs it, and whether it is still needed after that step.
        let mut last = memory::collected((0..network.nodes.len()).map(|number| (number, true)))?;
        for (number, node) in network.nodes.iter().enumerate() {
            if let Node::Min(a, b) | Node::Max(a, b) = *node {
                // One step computes both values of a pair.
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
        let none = || memory::filled(Vec::new(), network.nodes.len());
        let mut ends = Self { in_steps: none()?, after: none()? };
        for (value, (number, after)) in last.into_iter().enumerate() {
            let ends = if after { &mut ends.after } else { &mut ends.in_steps };
            memory::push(&mut ends[number], value)?;
        }
        Ok(ends)
    }
}

/// For each value the other result of the same step, if it is needed too.
fn twins(network: &Network) -> Result<Vec<Option<usize>>, Error> {
    let mut numbers = Known::default();
    memory::make_room(&mut numbers, network.nodes.len())?;
    numbers.extend(network.nodes.iter().enumerate().map(|(number, &node)| (node, number)));
    let twin = |node: &Node| match *node {
        Node::Input(_) => None,
        Node::Min(a, b) => numbers.get(&Node::Max(a, b)).copied(),
        Node::Max(a, b) => numbers.get(&Node::Min(a, b)).copied(),
    };
    memory::collected(network.nodes.iter().map(twin))
}

/// For each value the windows whose middle it completes.
fn ready(network: &Network) -> Result<Vec<Vec<usize>>, Error> {
    let mut ready = memory::filled(Vec::new(), network.nodes.len())?;
    for (which, middle) in network.middles.iter().enumerate() {
        if let Some(&last) = middle.iter().max() {
            memory::push(&mut ready[last], which)?;
        }
    }
    Ok(ready)
}
