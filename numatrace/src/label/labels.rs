//! Properties of a session that all counters and names of its report depend on.

use super::{activity::Measured, alloc};
use crate::ids::NodeId;

/// Properties of a session that its counters and names depend on.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// The quantities that were measured.
    pub measured: &'a Measured,
    /// Nodes of the host, in the report's order.
    pub nodes: &'a [NodeId],
    /// The parts of an allocation that the hooks knew.
    pub known: alloc::Known,
    /// When counting ended, ns since boot: a process born later belongs to the next interval.
    pub until_ns: u64,
}
