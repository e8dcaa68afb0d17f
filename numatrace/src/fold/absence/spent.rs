//! CPU time and remote hinting faults of threads on each node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;

/// CPU time and remote faults of a thread on one node or in one absence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spent {
    /// CPU time, ns.
    pub ran_ns: u64,
    /// Hinting faults on pages of other nodes than the thread's.
    pub remote_faults: u64,
}

impl Spent {
    /// Adds, saturating.
    pub fn add(&mut self, other: Self) {
        self.ran_ns = self.ran_ns.saturating_add(other.ran_ns);
        self.remote_faults = self.remote_faults.saturating_add(other.remote_faults);
    }

    /// Returns what is left without the other; zero where the other is more.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            ran_ns: self.ran_ns.saturating_sub(other.ran_ns),
            remote_faults: self.remote_faults.saturating_sub(other.remote_faults),
        }
    }
}

/// CPU time and remote faults of a thread, by the node it ran on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpentByNode(BTreeMap<NodeId, Spent>);

impl SpentByNode {
    /// Adds what was spent on a node.
    pub fn add(&mut self, node: NodeId, spent: Spent) {
        self.0.entry(node).or_default().add(spent);
    }

    /// Returns what was spent on a node.
    pub fn on(&self, node: NodeId) -> Spent {
        self.0.get(&node).copied().unwrap_or_default()
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        for (node, spent) in &other.0 {
            self.add(*node, *spent);
        }
    }
}
