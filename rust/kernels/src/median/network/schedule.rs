//! The order of a network's steps: what waits for each other is kept apart.
//!
//! A value just written to memory takes several cycles to be read back. In the order in which a
//! network is built most steps follow one that they depend on; in this order they do not wait.

use crate::median::network::builder::{Network, Node};
use std::collections::VecDeque;

/// Steps after which a value can be read without waiting for it to be written.
const APART: usize = 8;

/// Steps among which the next is chosen: few, so that values still die young.
const AHEAD: usize = 48;

/// The network with its values in an order in which none comes soon after one that it is made of.
pub(crate) fn scheduled(network: &Network) -> Network {
    let mut order = Vec::with_capacity(network.nodes.len());
    let mut readable = vec![usize::MAX; network.nodes.len()];
    let mut rest = 0..network.nodes.len();
    let mut ahead = VecDeque::new();
    for now in 0.. {
        while ahead.len() < AHEAD
            && let Some(number) = rest.next()
        {
            ahead.push_back(number);
        }
        // The first of those that can be read at once, or else of those that wait the shortest.
        let wait = |number: usize| match network.nodes[number] {
            Node::Input(_) => now,
            Node::Min(a, b) | Node::Max(a, b) => readable[a].max(readable[b]).max(now),
        };
        let mut next = (usize::MAX, 0);
        for (at, &number) in ahead.iter().enumerate() {
            next = next.min((wait(number), at));
            if next.0 == now {
                break;
            }
        }
        let Some(number) = ahead.remove(next.1) else { break };
        let written = if let Node::Input(_) = network.nodes[number] { now } else { now + APART };
        readable[number] = written;
        order.push(number);
    }
    renumbered(network, &order)
}

/// The network with its values in another order.
fn renumbered(network: &Network, order: &[usize]) -> Network {
    let mut numbers = vec![0; order.len()];
    for (number, &old) in order.iter().enumerate() {
        numbers[old] = number;
    }
    let node = |&old: &usize| match network.nodes[old] {
        Node::Input(input) => Node::Input(input),
        Node::Min(a, b) => Node::Min(numbers[a], numbers[b]),
        Node::Max(a, b) => Node::Max(numbers[a], numbers[b]),
    };
    Network {
        nodes: order.iter().map(node).collect(),
        middles: network
            .middles
            .iter()
            .map(|middle| middle.iter().map(|&value| numbers[value]).collect())
            .collect(),
    }
}
