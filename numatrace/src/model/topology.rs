//! What `numatrace topology` prints, as plain data: the JSON document `numatrace.topology/1`.

use serde::{Deserialize, Serialize};

use crate::ids::{CpuId, NodeId};

/// The value of [`Machine::schema`].
pub const SCHEMA: &str = "numatrace.topology/1";

/// The machine's nodes and what governs placement on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// `false` on a kernel built without NUMA, whose one node 0 stands for the whole machine.
    pub kernel_has_numa: bool,
    /// Bytes of a base page.
    pub page_size: u64,
    /// The online nodes, ascending; `distance` arrays run parallel to it.
    pub nodes: Vec<MachineNode>,
    /// Nodes that could come online and are not.
    pub offline_nodes: Vec<NodeId>,
    /// Settings that decide about placement, with what they imply.
    pub knobs: Vec<Knob>,
    /// What a reader should know about this machine before reading any other output.
    pub notes: Vec<String>,
    /// What could not be read, and why.
    pub missing: Vec<MissingFact>,
}

/// One online node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineNode {
    /// Its number.
    pub node: NodeId,
    /// What it is made of.
    pub kind: NodeKind,
    /// Its online CPUs.
    pub cpus: Vec<CpuId>,
    /// Memory in KiB; `null` when it could not be read.
    pub mem_kb: Option<u64>,
    /// Free memory in KiB.
    pub free_kb: Option<u64>,
    /// Distances to `nodes`, as firmware claims them; 10 is local. `null` when they could not be read.
    pub distance: Option<Vec<u32>>,
    /// Whether ordinary kernel memory comes from it; `false` for memoryless and movable-only nodes.
    pub has_normal_memory: bool,
    /// Where allocations go that ask for this node, when it has no memory.
    pub falls_back_to: Option<NodeId>,
}

/// What a node is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// CPUs and memory.
    Ordinary,
    /// Memory only, such as CXL or persistent memory.
    Cpuless,
    /// CPUs only: all their memory is remote.
    Memoryless,
    /// Neither.
    Empty,
}

/// One setting in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knob {
    /// Its usual name: `vm.zone_reclaim_mode`.
    pub name: String,
    /// The file it was read from.
    pub path: String,
    /// Its value as the kernel prints it; `null` when it could not be read.
    pub value: Option<String>,
    /// Why it could not be read.
    pub reason: Option<String>,
    /// What the value means for placement, in a few words.
    pub implies: String,
}

/// A fact that could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingFact {
    /// The fact.
    pub what: String,
    /// Why it could not be had.
    pub why: String,
}
