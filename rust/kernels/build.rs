//! Writes the selection networks of the common windows as straight-line code.
//!
//! Compiled this way their values stay in registers; the table that serves any other window keeps
//! them in memory.

#[allow(dead_code)]
#[path = "src/median/network.rs"]
mod network;

use network::{Network, Node};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

/// Windows, and how many of them share a block: the fastest of several measured.
const COMPILED: [(usize, usize); 15] = [
    (3, 2),
    (5, 4),
    (7, 4),
    (9, 4),
    (11, 8),
    (13, 8),
    (15, 8),
    (17, 8),
    (19, 8),
    (21, 8),
    (23, 8),
    (25, 8),
    (27, 8),
    (29, 8),
    (31, 8),
];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/median/network.rs");
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let blocks: String = COMPILED.iter().map(|&(window, block)| code(window, block)).collect();
    fs::write(folder.join("blocks.rs"), blocks + &choice())
}

/// The code of one network.
fn code(window: usize, block: usize) -> String {
    let network = Network::new(window, block);
    let inputs = window + block - 1;
    let mut steps = String::new();
    for (number, node) in network.nodes.iter().enumerate() {
        let value = match node {
            Node::Input(input) => format!("x[{input}][v]"),
            Node::Min(a, b) => format!("l.min(v{a}, v{b})"),
            Node::Max(a, b) => format!("l.max(v{a}, v{b})"),
        };
        let _ = writeln!(steps, "        let v{number} = {value};");
        for (which, [low, middle, high]) in network.middles.iter().enumerate() {
            if number == *low.max(middle).max(high) {
                let _ =
                    writeln!(steps, "        to.put({which}, v, [v{low}, v{middle}, v{high}]);");
            }
        }
    }
    format!(
        "/// {block} windows of {window} samples.
pub(in crate::median) struct Block{window};

impl Block for Block{window} {{
    const WINDOW: usize = {window};
    const BLOCK: usize = {block};

    #[inline(always)]
    fn run<L: Lanes>(l: L, x: &[Row<L>], v: usize, to: &mut impl Put<L>) -> bool {{
        let Some(x) = x.first_chunk::<{inputs}>() else {{ return false }};
{steps}        true
    }}
}}

"
    )
}

/// The function that picks a window's compiled network.
fn choice() -> String {
    let mut arms = String::new();
    for (window, _) in COMPILED {
        let _ = writeln!(arms, "        {window} => Some(with.call::<Block{window}>()),");
    }
    format!(
        "/// Calls `with` the compiled network of `window`; None where there is no such network.
pub(in crate::median) fn choose<W: WithBlock>(window: usize, with: W) -> Option<W::Output> {{
    match window {{
{arms}        _ => None,
    }}
}}
"
    )
}
