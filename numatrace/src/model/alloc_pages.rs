//! Allocations weighed in base pages: a huge page is one allocation and 512 pages of x86.

use serde::{Deserialize, Serialize};

use super::matrix::PerNode;
use super::remote_by_cause::RemoteByCause;

/// Base pages and huge pages of an owner's allocations, by the node that was preferred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocPages {
    /// Base pages that were wanted of this node.
    pub wanted: PerNode,
    /// Of these, base pages that a different node gave.
    pub foreign: PerNode,
    /// Transparent huge pages that were wanted of this node.
    pub huge_wanted: PerNode,
    /// Of these, huge pages that a different node gave.
    pub huge_foreign: PerNode,
    /// Base pages of the allocations that were remote or missed, by cause.
    pub remote_by_cause: RemoteByCause,
}

impl AllocPages {
    /// Nothing counted, on `nodes` nodes.
    #[must_use]
    pub fn zeros(nodes: usize) -> Self {
        let zeros = || PerNode::zeros(nodes);
        Self {
            wanted: zeros(),
            foreign: zeros(),
            huge_wanted: zeros(),
            huge_foreign: zeros(),
            remote_by_cause: RemoteByCause::default(),
        }
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        self.wanted.add(&other.wanted);
        self.foreign.add(&other.foreign);
        self.huge_wanted.add(&other.huge_wanted);
        self.huge_foreign.add(&other.huge_foreign);
        self.remote_by_cause.add(&other.remote_by_cause);
    }
}
