//! What `numatrace topology` prints, as plain data: the JSON document `numatrace.topology/1`.

use serde::{Deserialize, Serialize};

use super::name::Name;
use crate::ids::{CpuId, NodeId, Pid};

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
    /// Last-level caches; empty where sysfs describes none.
    #[serde(default)]
    pub caches: Vec<Cache>,
    /// Memory tiers, fastest first; empty where the kernel has none.
    #[serde(default)]
    pub tiers: Vec<Tier>,
    /// Speed of memory as firmware states it (ACPI HMAT); empty where it states nothing.
    #[serde(default)]
    pub access: Vec<Access>,
    /// Devices with a place.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// What a process may use: ours, or the one asked for.
    #[serde(default)]
    pub process: Option<ProcessLimits>,
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

/// A cache of the highest level that its CPUs have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// 3 on most machines.
    pub level: u64,
    /// Size in KiB.
    pub size_kb: Option<u64>,
    /// CPUs that share it.
    pub cpus: Vec<CpuId>,
    /// Their nodes.
    pub nodes: Vec<NodeId>,
}

/// A memory tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// The kernel's number; lower is faster.
    pub tier: u32,
    /// Its nodes.
    pub nodes: Vec<NodeId>,
}

/// Speed of a node's memory for the CPUs nearest to it, as firmware states it; `null` where it does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The node with the memory.
    pub target: NodeId,
    /// The nodes it holds for.
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

/// A device with a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name: `eth0`, `nvme0`, `card0`.
    pub name: Name,
    /// `network`, `nvme`, `gpu`, `accelerator` or `infiniband`.
    pub kind: String,
    /// Its node; `null` when firmware does not say.
    pub node: Option<NodeId>,
    /// How many interrupts it has.
    pub irqs: usize,
    /// Nodes whose CPUs handle them.
    pub irq_nodes: Vec<NodeId>,
    /// How many of them are handled on other nodes only; `null` when the device has no node.
    pub remote_irqs: Option<usize>,
}

/// What a process may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLimits {
    /// The process; `null` for ours.
    pub pid: Option<Pid>,
    /// Memory policy that new processes inherit from us, as numactl sets it; `null` for another process, whose policy the
    /// kernel does not show (its mappings' policies are in `stat -p PID --kinds`).
    pub policy: Option<String>,
    /// CPUs it may run on.
    pub cpus: Vec<CpuId>,
    /// Nodes of those CPUs.
    pub cpu_nodes: Vec<NodeId>,
    /// Nodes it may take memory from.
    pub mems: Vec<NodeId>,
    /// Its cgroup; `null` when it has none.
    pub cgroup: Option<Name>,
    /// CPUs of the cgroup's cpuset as a list; `null` without one.
    pub cpuset_cpus: Option<String>,
    /// Nodes of the cgroup's cpuset as a list.
    pub cpuset_mems: Option<String>,
}

/// A fact that could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingFact {
    /// The fact.
    pub what: String,
    /// Why it could not be had.
    pub why: String,
}
