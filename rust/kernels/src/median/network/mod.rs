//! Selection networks: how they are built (`builder`), and the two forms in which they run.
//!
//! Common windows have compiled code (`compiled`). Other windows have a table of steps (`table`),
//! in an order that avoids waiting (`schedule`). `program` is the one or the other. Both work on
//! vectors (`lanes`).

pub(super) mod builder;
pub(super) mod compiled;
pub(super) mod lanes;
pub(super) mod program;
mod schedule;
pub(super) mod table;
