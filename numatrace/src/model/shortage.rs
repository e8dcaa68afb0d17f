//! Nodes that could not give a page that was wanted of them, and the state they were in.

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;

/// Looks at a node at moments at which a request for it was served by a different one. One look a
/// second and CPU is taken at most, so their number is no count of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// The node.
    pub node: NodeId,
    /// Size of the request in one piece, KiB.
    pub block_kb: u64,
    /// Memory of programs and files, which may lie in a movable zone; false for the kernel's own.
    pub movable: bool,
    /// The first look, ns since boot.
    pub at_ns: u64,
    /// Looks.
    pub looks: u64,
    /// Of these: hardly more memory was free than the zone keeps back (low watermark with its
    /// boost, reserve for atomic requests).
    pub full: u64,
    /// Of these: more was free, but in pieces that were too small.
    pub fragmented: u64,
    /// Of these: the cpuset of the asking task leaves the node out.
    pub closed: u64,
    /// Least free memory of the zone that was asked first, KiB.
    pub least_free_kb: u64,
    /// Most free memory of that zone, KiB.
    pub most_free_kb: u64,
    /// Free memory of the whole node when the first look was read, KiB.
    pub node_free_kb: Option<u64>,
}
