//! Writes the selection networks of frequent windows as code without branches.
//!
//! The values of compiled code stay in registers. Other windows use a table, which keeps its values
//! in memory and is slower.

#[allow(dead_code)]
#[path = "src/error.rs"]
mod error;
#[allow(dead_code)]
#[path = "src/memory.rs"]
mod memory;
#[allow(dead_code)]
#[path = "src/median/network/builder.rs"]
mod network;
#[path = "build/stages.rs"]
mod stages;

use error::Error;
use network::{Network, Node, Shape};
use stages::Stages;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

/// The lines with code: that of the step (15), those of the sigma cut (7 and 31), and other short
/// ones with a middle, which are the most frequent ones of the drop-ins.
const LINES: [usize; 8] = [3, 5, 7, 9, 11, 13, 15, 31];

/// The squares with code: that of outlier detection (7), and smaller ones with a middle.
const SQUARES: [usize; 3] = [3, 5, 7];

/// Rows of a block of squares. Four rows are 6 to 13 % faster for 7 x 7, with twice the code.
const ROWS_OF_A_BLOCK: usize = 2;

/// The squares with code, each with the rows of a block and the ranks that are selected on either
/// side of the middle.
fn adjacent() -> impl Iterator<Item = (Shape, usize, usize)> {
    SQUARES.into_iter().map(|side| {
        let margin = side.isqrt(); // as that of a table
        (Shape { rows: side, cols: side }, ROWS_OF_A_BLOCK, margin)
    })
}

/// The number of windows in a block: the fastest of several measured.
fn block_of(window: usize) -> usize {
    match window {
        3 => 2,
        4..=10 => 4,
        _ => 8,
    }
}

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/stages.rs");
    for used in ["error", "memory", "median/network/builder"] {
        println!("cargo::rerun-if-changed=src/{used}.rs");
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let networks = LINES.iter().map(|&window| code(window, block_of(window)));
    let networks = networks.collect::<Result<String, _>>().map_err(io::Error::other)?;
    fs::write(folder.join("compiled.rs"), networks + &dispatch())?;
    let networks = adjacent().map(|(window, rows, margin)| {
        let network = Network::adjacent(window, rows, margin)?;
        Ok(adjacent_code(window, rows, &network))
    });
    let networks = networks.collect::<Result<String, Error>>().map_err(io::Error::other)?;
    fs::write(folder.join("adjacent.rs"), networks + &adjacent_dispatch())
}

/// The code of the network of adjacent windows, in blocks of some rows.
fn adjacent_code(window: Shape, block: usize, network: &Network) -> String {
    let Shape { rows, cols } = window;
    let stages = Stages::new(network, cols);
    let (kept, steps) = (stages.kept(), stages.code());
    let ranks = network.middles.first().map_or(0, Vec::len);
    let name = if kept == 0 { "_" } else { "kept" };
    format!(
        "/// Windows of {rows} x {cols} samples.
pub(crate) struct Adjacent{rows}x{cols};

impl AdjacentNetwork for Adjacent{rows}x{cols} {{
    const BLOCK: usize = {block};
    const RANKS: usize = {ranks};
    const KEPT: usize = {kept};

    #[inline(always)]
    fn run<L: Lanes>(
        l: L,
        x: &impl Source<L>,
        {name}: &mut impl Kept<L>,
        cols: usize,
        to: &mut impl Receiver<L>,
    ) {{
{steps}    }}
}}

"
    )
}

/// The code of the function that calls the network of adjacent windows.
fn adjacent_dispatch() -> String {
    let mut arms = String::new();
    for (Shape { rows, cols }, ..) in adjacent() {
        let network = format!("Adjacent{rows}x{cols}");
        let _ = writeln!(arms, "        ({rows}, {cols}) => Some(with.call::<{network}>()),");
    }
    format!(
        "/// Calls `with` with the network of adjacent windows; None if there is no such network.
pub(crate) fn with_adjacent<W: WithAdjacent>(window: Shape, with: W) -> Option<W::Output> {{
    match (window.rows, window.cols) {{
{arms}        _ => None,
    }}
}}
"
    )
}

/// The code of the network of `block` windows.
fn code(window: usize, block: usize) -> Result<String, Error> {
    let network = Network::new(Shape::line(window), Shape::line(block), 1)?;
    let mut steps = String::new();
    for (number, node) in network.nodes.iter().enumerate() {
        let value = match node {
            Node::Input(input) => format!("x.get({input}, v)"),
            Node::Min(a, b) => format!("l.min(v{a}, v{b})"),
            Node::Max(a, b) => format!("l.max(v{a}, v{b})"),
        };
        let _ = writeln!(steps, "        let v{number} = {value};");
        for (which, middle) in network.middles.iter().enumerate() {
            if middle.iter().max() == Some(&number) {
                let values: Vec<_> = middle.iter().map(|value| format!("v{value}")).collect();
                let _ = writeln!(steps, "        to.put({which}, v, &[{}]);", values.join(", "));
            }
        }
    }
    Ok(format!(
        "/// {block} windows of {window} samples.
pub(crate) struct Compiled{window};

impl CompiledNetwork for Compiled{window} {{
    const WINDOW: usize = {window};
    const BLOCK: usize = {block};

    #[inline(always)]
    fn run<L: Lanes>(l: L, x: &impl Source<L>, v: usize, to: &mut impl Receiver<L>) {{
{steps}    }}
}}

"
    ))
}

/// The code of the function that calls the compiled network of a window.
fn dispatch() -> String {
    let mut arms = String::new();
    for window in LINES {
        let _ = writeln!(arms, "        {window} => Some(with.call::<Compiled{window}>()),");
    }
    format!(
        "/// Calls `with` with the compiled network of `window`; None if there is no such network.
pub(crate) fn with_compiled<W: WithCompiled>(window: usize, with: W) -> Option<W::Output> {{
    match window {{
{arms}        _ => None,
    }}
}}
"
    )
}
