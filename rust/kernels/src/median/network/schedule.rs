//! The order of a network's steps: a step comes some time after the steps that it depends on.
//!
//! A value that has just been written to memory can be read only several cycles later. In the order
//! in which a network is built, most steps directly follow one that they depend on and have to
//! wait. In this order they rarely wait. Steps that store the same results follow each other where that
//! costs no wait.

use super::builder::{Network, Node};
use super::table::{Kind, kind, twins};
use crate::{Error, memory};
use std::collections::VecDeque;

/// The number of steps after which a value can be read without waiting.
const APART: usize = 8;

/// The number of steps among which the next is chosen: few, so that the places of values are soon
/// free again.
const AHEAD: usize = 48;

/// The network with its values in an order in which none comes soon after its operands.
///
/// # Errors
/// [`Error::Memory`] if there is too little.
pub(super) fn scheduled(network: &Network) -> Result<Network, Error> {
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
