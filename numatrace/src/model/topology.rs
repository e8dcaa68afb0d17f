//! The output of `numatrace topology` as plain data: the JSON document `numatrace.topology/1`.

use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::name::Name;
use super::stat::pressure::HugePages;
use crate::ids::{CpuId, NodeId, Pid};

/// The value of [`Machine::schema`].
pub const SCHEMA: &str = "numatrace.topology/1";

/// The machine's nodes and the settings that govern placement on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// `false` on a kernel built without NUMA, whose only node 0 stands for the whole machine.
    pub kernel_has_numa: bool,
    /// Bytes of a base page.
    pub page_size: u64,
    /// The online nodes, ascending; `distance` arrays run parallel to it.
    pub nodes: Vec<MachineNode>,
    /// Possible nodes that are not online.
    pub offline_nodes: Vec<NodeId>,
    /// Settings that decide about placement, with their meaning.
    pub knobs: Vec<Knob>,
    /// Last-level caches; empty where sysfs describes none.
    #[serde(default)]
    pub caches: Vec<Cache>,
    /// Memory tiers, fastest first; empty where the kernel has none.
    #[serde(default)]
    pub tiers: Vec<Tier>,
    /// Speed of memory as firmware states it (ACPI HMAT); empty where it states nothing.
    #[serde(default)]
    pub access: Vec<Access>,
    /// Devices that belong to a node, or could.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// CPUs and memory that a process may use: numatrace itself, or the process asked for.
    #[serde(default)]
    pub process: Option<ProcessLimits>,
    /// Peculiarities of this machine that affect every other output.
    pub notes: Vec<String>,
    /// Facts that could not be read, with the reason.
    pub missing: Vec<MissingFact>,
}

/// One online node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineNode {
    /// Number of the node.
    pub node: NodeId,
    /// Kind of the node: with CPUs, memory or both.
    pub kind: NodeKind,
    /// Kind of its memory; `null` for a node without.
    #[serde(default)]
    pub memory: Option<MemoryKind>,
    /// Online CPUs.
    pub cpus: Vec<CpuId>,
    /// Memory in KiB; `null` when it could not be read.
    pub mem_kb: Option<u64>,
    /// Free memory in KiB.
    pub free_kb: Option<u64>,
    /// Memory that programs can get without swapping, in KiB: free and reclaimable memory above the
    /// watermarks. `null` when a part could not be read.
    #[serde(default)]
    pub available_kb: Option<u64>,
    /// Pools of huge pages, smallest pages first.
    #[serde(default)]
    pub huge_pages: Vec<HugePages>,
    /// Distances to `nodes`, as firmware claims them; 10 is local. `null` when they could not be
    /// read.
    pub distance: Option<Vec<u32>>,
    /// True when kernel memory can come from the node; `false` for memoryless and movable-only
    /// nodes.
    pub has_normal_memory: bool,
    /// For a node without memory: the node that satisfies its allocations.
    pub falls_back_to: Option<NodeId>,
    /// Nodes with memory in the order in which the kernel tries them for an allocation here. Empty
    /// when the distances are not known.
    #[serde(default)]
    pub fallback_order: Vec<NodeId>,
}

/// Composition of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// CPUs and memory.
    Ordinary,
    /// Memory only, such as CXL or persistent memory.
    Cpuless,
    /// CPUs only: all their memory is remote.
    Memoryless,
    /// Neither CPUs nor memory.
    Empty,
}

/// Kind of a node's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryKind {
    /// Ordinary memory, beside CPUs or without.
    Dram,
    /// Memory without CPUs that is faster than that beside CPUs.
    Hbm,
    /// Memory without CPUs of a slower tier: CXL, persistent memory.
    Slow,
    /// Memory of a GPU or an accelerator.
    Gpu,
}

/// One setting in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knob {
    /// Usual name: `vm.zone_reclaim_mode`.
    pub name: String,
    /// File that it was read from.
    pub path: String,
    /// Value as the kernel prints it; `null` when it could not be read.
    pub value: Option<String>,
    /// Reason why it could not be read.
    pub reason: Option<String>,
    /// Meaning of the value for placement, in a few words.
    pub implies: String,
}

/// A memory tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// The kernel's number; lower is faster.
    pub tier: u32,
    /// Nodes of the tier.
    pub nodes: Vec<NodeId>,
}

/// Speed of a node's memory for the CPUs nearest to it, as firmware states it; `null` where
/// firmware states nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The node with the memory.
    pub target: NodeId,
    /// The nodes whose CPUs have this speed.
    pub initiators: Vec<NodeId>,
    /// Nanoseconds of a read.
    pub read_latency_ns: Option<u64>,
    /// Nanoseconds of a write.
    pub write_latency_ns: Option<u64>,
    /// MB/s of reads.
    pub read_bandwidth_mb: Option<u64>,
    /// MB/s of writes.
    pub write_bandwidth_mb: Option<u64>,
}

/// A device, its node and the nodes that handle its interrupts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Name: `eth0`, `nvme0`, `card0`.
    pub name: Name,
    /// `network`, `nvme`, `gpu`, `accelerator` or `infiniband`.
    pub kind: String,
    /// Node; `null` when firmware does not state it.
    pub node: Option<NodeId>,
    /// Number of interrupts.
    pub irqs: usize,
    /// Nodes whose CPUs handle the interrupts.
    pub irq_nodes: Vec<NodeId>,
    /// Interrupts handled on other nodes only; `null` when the device has no node.
    pub remote_irqs: Option<usize>,
}

/// CPUs and memory that a process may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLimits {
    /// The process; `null` for numatrace itself.
    pub pid: Option<Pid>,
    /// Memory policy that child processes inherit, as numactl sets it; `null` for a different
    /// process, whose policy the kernel does not show (`stat -p PID --kinds` shows the policies of
    /// its mappings).
    pub policy: Option<String>,
    /// Allowed CPUs.
    pub cpus: Vec<CpuId>,
    /// Nodes of those CPUs.
    pub cpu_nodes: Vec<NodeId>,
    /// Nodes from which it may allocate.
    pub mems: Vec<NodeId>,
    /// The cgroup; `null` when it has none.
    pub cgroup: Option<Name>,
    /// CPUs of the cgroup's cpuset as a list; `null` without one.
    pub cpuset_cpus: Option<String>,
    /// Nodes of the cgroup's cpuset as a list.
    pub cpuset_mems: Option<String>,
}

/// A fact that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingFact {
    /// The fact.
    pub what: String,
    /// Reason why it could not be read.
    pub why: String,
}
