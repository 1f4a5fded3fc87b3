//! Networks of adjacent windows: the values that they share are computed once, in stages.
//!
//! Adjacent windows lie in the lanes of a vector, and each has a network of the same steps. What a
//! step computes from columns 2 and 3 of a window, it computes from columns 0 and 1 of the window
//! two columns to the right. Steps are therefore numbered without regard to their columns, and each
//! value is a step at a column. A step that several columns of a window need is made in an early
//! stage, for all windows, and kept in memory. The last stage loads it at those columns.

use crate::network::{Network, Node};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

/// A step at a column, counted from the first column of a window or of another step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Value {
    step: usize,
    col: usize,
}

/// A step. Its first column is the first column of its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    /// The sample of that row.
    Input(usize),
    Min(Value, Value),
    Max(Value, Value),
}

impl Step {
    fn operands(self) -> Vec<Value> {
        match self {
            Self::Input(_) => Vec::new(),
            Self::Min(a, b) | Self::Max(a, b) => vec![a, b],
        }
    }
}

/// The names of the values of a stage.
type Names = HashMap<Value, String>;

/// The steps of a network, each in a stage.
pub struct Stages {
    steps: Vec<Step>,
    /// The columns of a window that need the step.
    cols: Vec<BTreeSet<usize>>,
    /// The stage of each step.
    stage: Vec<usize>,
    /// The place in memory of each step that a later stage loads.
    kept: Vec<Option<usize>>,
    /// For each window of the block the values of its middle ranks.
    middles: Vec<Vec<Value>>,
}

impl Stages {
    /// The stages of a network for windows of `width` columns, in blocks of one column.
    pub fn new(network: &Network, width: usize) -> Self {
        let (mut steps, mut cols, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut known = HashMap::new();
        for node in &network.nodes {
            let (step, col) = shifted(*node, width, &values);
            let number = *known.entry(step).or_insert_with(|| {
                steps.push(step);
                cols.push(BTreeSet::new());
                steps.len() - 1
            });
            cols[number].insert(col);
            values.push(Value { step: number, col });
        }
        let middle = |middle: &Vec<usize>| middle.iter().map(|&value| values[value]).collect();
        let middles = network.middles.iter().map(middle).collect();
        let kept = vec![None; steps.len()];
        let mut stages = Self { stage: vec![0; steps.len()], steps, cols, kept, middles };
        stages.arrange();
        stages.keep();
        stages
    }

    /// The number of steps that are kept.
    pub fn kept(&self) -> usize {
        self.kept.iter().flatten().count()
    }

    /// Gives each step its stage.
    fn arrange(&mut self) {
        for number in 0..self.steps.len() {
            let after = |value: &Value| {
                if self.is_input(value.step) {
                    0
                } else {
                    self.stage[value.step] + usize::from(value.col > 0)
                }
            };
            let operands = self.steps[number].operands();
            self.stage[number] = operands.iter().map(after).max().unwrap_or(0);
        }
        let is_shared = |number: usize| self.cols[number].len() > 1 && !self.is_input(number);
        let shared = (0..self.steps.len()).filter(|&number| is_shared(number));
        let last = shared.map(|number| self.stage[number] + 1).max().unwrap_or(0);
        for number in 0..self.steps.len() {
            if self.cols[number].len() == 1 {
                self.stage[number] = last;
            }
        }
    }

    /// Gives a place to each step that a later stage loads.
    fn keep(&mut self) {
        let mut places = 0;
        for number in 0..self.steps.len() {
            for value in self.steps[number].operands() {
                if self.is_loaded(value, number) && self.kept[value.step].is_none() {
                    self.kept[value.step] = Some(places);
                    places += 1;
                }
            }
        }
    }

    /// Whether a step loads its operand from memory: an earlier stage made it.
    fn is_loaded(&self, operand: Value, by: usize) -> bool {
        let (made, used) = (self.stage[operand.step], self.stage[by]);
        !self.is_input(operand.step) && made < used
    }

    fn is_input(&self, step: usize) -> bool {
        matches!(self.steps[step], Step::Input(_))
    }

    fn last(&self) -> usize {
        self.stage.iter().copied().max().unwrap_or(0)
    }

    /// The column at which a stage makes a step: column 0, but in the last stage the only one that
    /// needs it.
    fn col(&self, number: usize) -> usize {
        let is_last = self.stage[number] == self.last();
        if is_last { self.cols[number].first().copied().unwrap_or(0) } else { 0 }
    }

    /// How many columns further than the medians each stage must compute.
    fn further(&self) -> Vec<usize> {
        let mut further = vec![0; self.last() + 1];
        for number in (0..self.steps.len()).rev() {
            for operand in self.steps[number].operands() {
                if self.is_loaded(operand, number) {
                    let col = self.col(number) + operand.col + further[self.stage[number]];
                    let made = self.stage[operand.step];
                    further[made] = further[made].max(col);
                }
            }
        }
        further
    }

    /// The code of all stages, each a loop over the windows of a row.
    pub fn code(&self) -> String {
        let mut code = String::new();
        for (stage, further) in self.further().into_iter().enumerate() {
            let cols = plus("cols", further);
            let _ = writeln!(code, "        for at in (0..{cols}).step_by(L::WIDTH) {{");
            let mut known = HashMap::new();
            for number in (0..self.steps.len()).filter(|&number| self.stage[number] == stage) {
                if !self.is_input(number) {
                    self.write_step(number, &mut known, &mut code);
                }
                self.write_middles(number, &mut known, &mut code);
            }
            code += "        }\n";
        }
        code
    }

    /// Writes the middle of each window that a step completes.
    fn write_middles(&self, number: usize, known: &mut Names, code: &mut String) {
        for (which, middle) in self.middles.iter().enumerate() {
            if middle.iter().map(|value| value.step).max() == Some(number) {
                let names = middle.iter().map(|&value| self.name(value, known, code));
                let names: Vec<_> = names.collect();
                let _ = writeln!(code, "            to.put({which}, at, &[{}]);", names.join(", "));
            }
        }
    }

    fn write_step(&self, number: usize, known: &mut Names, code: &mut String) {
        let (step, col) = (self.steps[number], self.col(number));
        let operation = if matches!(step, Step::Min(..)) { "min" } else { "max" };
        let at = |value: Value| Value { col: value.col + col, ..value };
        let operands = step.operands().into_iter().map(at);
        let names: Vec<_> = operands.map(|value| self.name(value, known, code)).collect();
        let name = format!("v{number}");
        let _ = writeln!(code, "            let {name} = l.{operation}({});", names.join(", "));
        if let Some(place) = self.kept[number] {
            let _ = writeln!(code, "            kept.put({place}, at, {name});");
        }
        known.insert(Value { step: number, col }, name);
    }

    /// The name of a value, which is loaded unless it has one.
    fn name(&self, value: Value, known: &mut Names, code: &mut String) -> String {
        if let Some(name) = known.get(&value) {
            return name.clone();
        }
        let Value { step, col } = value;
        let (name, at) = (format!("v{step}_{col}"), plus("at", col));
        let _ = match (self.steps[step], self.kept[step]) {
            (Step::Input(row), _) => {
                writeln!(code, "            let {name} = x.get({row}, {at});")
            }
            (_, Some(place)) => {
                writeln!(code, "            let {name} = kept.get({place}, {at});")
            }
            (step, None) => unreachable!("{step:?} is neither made in this stage nor kept"),
        };
        known.insert(value, name.clone());
        name
    }
}

/// The code of a sum.
fn plus(name: &str, number: usize) -> String {
    if number == 0 { name.to_owned() } else { format!("{name} + {number}") }
}

/// The step of a node, and the first column of its operands. `values` are those of earlier nodes.
fn shifted(node: Node, width: usize, values: &[Value]) -> (Step, usize) {
    let pair = |a: usize, b: usize| {
        let (a, b) = (values[a].min(values[b]), values[a].max(values[b]));
        let col = a.col.min(b.col);
        let from = |value: Value| Value { col: value.col - col, ..value };
        (from(a), from(b), col)
    };
    match node {
        Node::Input(input) => (Step::Input(input / width), input % width),
        Node::Min(a, b) => {
            let (a, b, col) = pair(a, b);
            (Step::Min(a, b), col)
        }
        Node::Max(a, b) => {
            let (a, b, col) = pair(a, b);
            (Step::Max(a, b), col)
        }
    }
}
