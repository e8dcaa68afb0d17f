//! What names and counters depend on beside the counts.

use super::{activity::Measured, alloc};
use crate::ids::NodeId;

/// What labelling needs beside the counts.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// Which stems were measured.
    pub measured: &'a Measured,
    /// Nodes of the host, in the report's order.
    pub nodes: &'a [NodeId],
    /// What the hooks knew of allocations.
    pub known: alloc::Known,
    /// When counting ended, ns since boot: who was born later belongs to the next interval.
    pub until_ns: u64,
}
