//! A selection network as a table of steps over places in memory, for windows of any shape.
//!
//! A step comes some time after the steps that it depends on. A value that has just been written to
//! memory can be read only several cycles later. In the order in which a network is built, most
//! steps directly follow one that they depend on and have to wait. In this order they rarely wait.
//! Steps that store the same results follow each other where that costs no wait.

use super::builder::{Known, Network, Node, Shape};
use super::{Receiver, Source};
use crate::lanes::{Lanes, Vectors};
use crate::{Error, Sample, memory};
use std::collections::VecDeque;

/// Vectors in a place: few, so that the places in use stay in the nearest cache, but enough to keep
/// the processor busy while it waits for the values of the previous step.
pub(crate) const PLACE_VECTORS: usize = 4;

/// A place: one value of the network in each lane.
pub(crate) type Place<L> = Vectors<<L as Lanes>::V, PLACE_VECTORS>;

/// The most places of a table: with 512-bit vectors, they are 2 MB.
const MOST_PLACES: usize = 1 << 13;

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
    /// The number of places.
    places: usize,
    steps: Steps,
    stages: Vec<Stage>,
}

/// The steps of a table, run by run.
#[derive(Debug, Default)]
struct Steps {
    /// The places of two operands, of the lesser and of the greater of them.
    pairs: Vec<[u16; 4]>,
    /// The places of two operands and of one result: in each run first the lesser ones, then the
    /// greater ones. A step that stores one result only is faster.
    singles: Vec<[u16; 3]>,
    runs: Vec<Run>,
}

/// The number of steps of each kind that follow each other.
#[derive(Debug, Default, Clone, Copy)]
struct Run {
    pairs: u32,
    lesser: u32,
    greater: u32,
}

/// Some runs, and the window whose middle is known after them.
#[derive(Debug)]
struct Stage {
    runs: usize,
    which: usize,
    middle: Vec<u16>,
}

/// The results of a step that are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Both.
    Pair,
    /// The lesser.
    Lesser,
    /// The greater.
    Greater,
}

impl Table {
    /// The table of a network; None if it needs more places than there are.
    ///
    /// # Errors
    /// [`Error::Memory`] if there is too little to build it.
    pub(crate) fn new(window: Shape, block: Shape, margin: usize) -> Result<Option<Self>, Error> {
        let inputs = window.inputs_of(block).len();
        if inputs >= MOST_PLACES {
            return Ok(None);
        }
        let network = Network::new(window, block, margin)?;
        let allocated = Allocation::of(&scheduled(&network)?, inputs)?;
        Ok(allocated.map(|(places, steps, stages)| Self {
            window,
            block,
            margin,
            places,
            steps,
            stages,
        }))
    }

    /// A table that computes nothing.
    #[cfg(test)]
    pub(super) fn without_steps(window: Shape) -> Self {
        let block = Shape::line(1);
        Self { window, block, margin: 0, places: 0, steps: Steps::default(), stages: Vec::new() }
    }

    /// The memory in which it runs.
    pub(crate) fn memory<L: Lanes>(&self, l: L) -> Result<Vec<Place<L>>, Error> {
        memory::filled(Vectors([l.splat(L::T::ZERO); PLACE_VECTORS]), self.places)
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
    pub(crate) fn run<L: Lanes>(&self, l: L, places: &mut [Place<L>], to: &mut impl Receiver<L>) {
        let (mut pairs, mut singles) = (self.steps.pairs.iter(), self.steps.singles.iter());
        let mut runs = self.steps.runs.iter();
        for stage in &self.stages {
            for run in runs.by_ref().take(stage.runs) {
                for &step in pairs.by_ref().take(run.pairs as usize) {
                    let [a, b, low, high] = step.map(usize::from);
                    let (a, b) = (places[a], places[b]);
                    for v in 0..PLACE_VECTORS {
                        places[low][v] = l.min(a[v], b[v]);
                    }
                    for v in 0..PLACE_VECTORS {
                        places[high][v] = l.max(a[v], b[v]);
                    }
                }
                for &step in singles.by_ref().take(run.lesser as usize) {
                    let [a, b, low] = step.map(usize::from);
                    let (a, b) = (places[a], places[b]);
                    for v in 0..PLACE_VECTORS {
                        places[low][v] = l.min(a[v], b[v]);
                    }
                }
                for &step in singles.by_ref().take(run.greater as usize) {
                    let [a, b, high] = step.map(usize::from);
                    let (a, b) = (places[a], places[b]);
                    for v in 0..PLACE_VECTORS {
                        places[high][v] = l.max(a[v], b[v]);
                    }
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
    places: &'t [Place<L>],
    of: &'t [u16],
}

impl<L: Lanes> Source<L> for Middle<'_, L> {
    #[inline(always)]
    fn get(&self, number: usize, v: usize) -> L::V {
        self.places[usize::from(self.of[number])][v]
    }
}

/// The allocation of places to values, in one pass.
struct Allocation<'a> {
    network: &'a Network,
    /// For each value its place, as soon as it has one.
    place: Vec<u16>,
    free: Vec<u16>,
    /// The number of places used so far.
    used: usize,
}

impl Allocation<'_> {
    /// The number of places, the steps and the stages; None if there are too few places.
    fn of(network: &Network, inputs: usize) -> Result<Option<(usize, Steps, Vec<Stage>)>, Error> {
        let mut place = memory::zeros(network.nodes.len())?;
        let mut is_needed = memory::zeros(inputs)?;
        for (place, node) in place.iter_mut().zip(&network.nodes) {
            if let Node::Input(input) = *node {
                let Ok(input_place) = u16::try_from(input) else { return Ok(None) };
                *place = input_place;
                is_needed[input] = true;
            }
        }
        // The places of inputs that no window needs are free.
        let unused = (0..inputs).filter(|&input| !is_needed[input]);
        let free = memory::collected(unused.filter_map(|input| u16::try_from(input).ok()))?;
        let mut allocation = Allocation { network, place, free, used: inputs };
        allocation.steps()
    }

    fn steps(&mut self) -> Result<Option<(usize, Steps, Vec<Stage>)>, Error> {
        let twins = twins(self.network)?;
        let ready = ready(self.network)?;
        let ends = Ends::of(self.network, &ready, &twins)?;
        let (mut steps, mut stages, mut begun) = (Steps::default(), Vec::new(), 0);
        for (number, &node) in self.network.nodes.iter().enumerate() {
            let made = twins[number].is_some_and(|twin| twin < number);
            if let (Node::Min(a, b) | Node::Max(a, b), false) = (node, made) {
                let [a, b] = [self.place[a], self.place[b]];
                // A step reads both values before it writes, so it may write over them.
                self.release(&ends.in_steps[number])?;
                let Some(to) = self.allocate(number) else { return Ok(None) };
                let is_lesser = matches!(node, Node::Min(..));
                if let Some(twin) = twins[number] {
                    let Some(other) = self.allocate(twin) else { return Ok(None) };
                    let [low, high] = if is_lesser { [to, other] } else { [other, to] };
                    steps.pair([a, b, low, high], begun)?;
                } else {
                    let kind = if is_lesser { Kind::Lesser } else { Kind::Greater };
                    steps.single(kind, [a, b, to], begun)?;
                }
            }
            for &which in &ready[number] {
                let middle = &self.network.middles[which];
                let middle = middle.iter().map(|&value| self.place[value]);
                let middle = memory::collected(middle)?;
                let stage = Stage { runs: steps.runs.len() - begun, which, middle };
                memory::push(&mut stages, stage)?;
                begun = steps.runs.len();
            }
            self.release(&ends.after[number])?;
        }
        Ok(Some((self.used, steps, stages)))
    }

    fn release(&mut self, values: &[usize]) -> Result<(), Error> {
        memory::extend(&mut self.free, values.iter().map(|&value| self.place[value]))
    }

    /// A place for a value; None if no place is left.
    fn allocate(&mut self, value: usize) -> Option<u16> {
        let place = if let Some(place) = self.free.pop() {
            place
        } else {
            self.used += 1;
            u16::try_from(self.used - 1).ok().filter(|&place| usize::from(place) < MOST_PLACES)?
        };
        self.place[value] = place;
        Some(place)
    }
}

impl Steps {
    /// Adds a step with both results. `begun` is the first run of the stage.
    fn pair(&mut self, places: [u16; 4], begun: usize) -> Result<(), Error> {
        self.run_for(Kind::Pair, begun)?.pairs += 1;
        memory::push(&mut self.pairs, places)
    }

    /// Adds a step with one result.
    fn single(&mut self, kind: Kind, places: [u16; 3], begun: usize) -> Result<(), Error> {
        let run = self.run_for(kind, begun)?;
        if kind == Kind::Lesser {
            run.lesser += 1;
        } else {
            run.greater += 1;
        }
        memory::push(&mut self.singles, places)
    }

    /// The run to which a step belongs: the last one, unless it has steps of a later kind.
    fn run_for(&mut self, kind: Kind, begun: usize) -> Result<&mut Run, Error> {
        let follows = |run: &Run| {
            kind == Kind::Greater || run.greater == 0 && (kind == Kind::Lesser || run.lesser == 0)
        };
        if self.runs.len() == begun || !self.runs.last().is_some_and(follows) {
            memory::push(&mut self.runs, Run::default())?;
        }
        let last = self.runs.len() - 1;
        Ok(&mut self.runs[last])
    }
}

/// The kind of the step that makes a value, and its twin if that is needed; None for an input.
fn kind(node: Node, twin: Option<usize>) -> Option<Kind> {
    match node {
        Node::Input(_) => None,
        _ if twin.is_some() => Some(Kind::Pair),
        Node::Min(..) => Some(Kind::Lesser),
        Node::Max(..) => Some(Kind::Greater),
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

/// The number of steps after which a value can be read without waiting.
const APART: usize = 8;

/// The number of steps among which the next is chosen: few, so that the places of values are soon
/// free again.
const AHEAD: usize = 48;

/// The network with its values in an order in which none comes soon after its operands.
///
/// # Errors
/// [`Error::Memory`] if there is too little.
fn scheduled(network: &Network) -> Result<Network, Error> {
    let mut order = memory::with_capacity(network.nodes.len())?;
    let mut readable = memory::filled(usize::MAX, network.nodes.len())?;
    let mut rest = 0..network.nodes.len();
    let mut ahead = VecDeque::from(memory::with_capacity(AHEAD)?);
    let (twins, mut current) = (twins(network)?, Kind::Pair);
    let kind_of = |number: usize| kind(network.nodes[number], twins[number]);
    for now in 0.. {
        while ahead.len() < AHEAD
            && let Some(number) = rest.next()
        {
            ahead.push_back(number);
        }
        // The step with the shortest wait; of several, the first one of the same kind as the step
        // before, since steps of one kind run in one loop.
        let wait = |number: usize| match network.nodes[number] {
            Node::Input(_) => now,
            Node::Min(a, b) | Node::Max(a, b) => readable[a].max(readable[b]).max(now),
        };
        let mut next = (usize::MAX, true, 0);
        for (at, &number) in ahead.iter().enumerate() {
            let is_other = kind_of(number).is_some_and(|kind| kind != current);
            next = next.min((wait(number), is_other, at));
            if next == (now, false, at) {
                break;
            }
        }
        let Some(number) = ahead.remove(next.2) else { break };
        let kind = kind_of(number);
        readable[number] = if kind.is_some() { now + APART } else { now };
        current = kind.unwrap_or(current);
        order.push(number);
    }
    renumbered(network, &order)
}

/// The network with its values in another order.
fn renumbered(network: &Network, order: &[usize]) -> Result<Network, Error> {
    let mut numbers = memory::zeros(order.len())?;
    for (number, &old) in order.iter().enumerate() {
        numbers[old] = number;
    }
    let node = |&old: &usize| match network.nodes[old] {
        Node::Input(input) => Node::Input(input),
        Node::Min(a, b) => Node::Min(numbers[a], numbers[b]),
        Node::Max(a, b) => Node::Max(numbers[a], numbers[b]),
    };
    let mut middles = memory::with_capacity(network.middles.len())?;
    for middle in &network.middles {
        middles.push(memory::collected(middle.iter().map(|&value| numbers[value]))?);
    }
    Ok(Network { nodes: memory::collected(order.iter().map(node))?, middles })
}
