//! Resident memory of a process by kind (heap, stacks, files, shared memory, huge pages), node and
//! policy.

use serde::{Deserialize, Serialize};

use crate::ids::{CpuId, NodeId, Tid};
use crate::model::name::Name;

/// Kind of a mapping. Each mapping has one kind, so the kinds add up to the resident memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The brk heap.
    Heap,
    /// The main thread's stack; to the kernel, stacks of other threads are anonymous mappings.
    Stack,
    /// Private memory without a file: malloc's large blocks, arenas, thread stacks.
    Anon,
    /// Persistent huge pages.
    Hugetlb,
    /// Executable file mappings: programs and libraries.
    Text,
    /// Private writable file mappings: initialized data and private copies of it.
    Data,
    /// Other file mappings: mapped page cache.
    File,
    /// memfd, SysV, POSIX and shared anonymous memory.
    Shmem,
}

impl Kind {
    /// All kinds, in the order of the output.
    pub const ALL: [Self; 8] = [
        Self::Heap,
        Self::Stack,
        Self::Anon,
        Self::Hugetlb,
        Self::Text,
        Self::Data,
        Self::File,
        Self::Shmem,
    ];

    /// Returns the name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Stack => "stack",
            Self::Anon => "anon",
            Self::Hugetlb => "hugetlb",
            Self::Text => "text",
            Self::Data => "data",
            Self::File => "file",
            Self::Shmem => "shmem",
        }
    }
}

/// One process's memory by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessKinds {
    /// The kinds that the process has, in the order of [`Kind::ALL`].
    pub kinds: Vec<KindMemory>,
    /// Transparent huge pages among all kinds.
    pub thp: Thp,
    /// Each mapping with resident pages, by address; only with `--by-mapping`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mappings: Option<Vec<MappingMemory>>,
}

/// Resident memory of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindMemory {
    /// The kind.
    pub kind: Kind,
    /// KiB per node.
    pub kib: Vec<u64>,
    /// Policies in force on its mappings, most memory first.
    pub policies: Vec<PolicyMemory>,
}

/// Part of a kind under one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyMemory {
    /// Policy as the kernel prints it: `default`, `bind:0`, `interleave:0-3`.
    pub policy: Name,
    /// Resident KiB under the policy.
    pub kib: u64,
}

/// Transparent huge pages: the kernel says how many a mapping has, and on which nodes the mapping's
/// pages are, but not both together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thp {
    /// KiB per node of huge pages whose node is certain: the mapping is on one node, or is all
    /// huge.
    pub kib: Vec<u64>,
    /// KiB of huge pages in mappings that are on several nodes and only partly huge.
    pub somewhere_kib: u64,
}

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingMemory {
    /// First address, `0x…`.
    pub start: String,
    /// Address after the last byte; `null` when the mapping changed while it was read.
    pub end: Option<String>,
    /// Kind of the mapping.
    pub kind: Kind,
    /// Path or the kernel's name; empty for plain anonymous memory.
    pub name: Name,
    /// Policy in force.
    pub policy: Name,
    /// Resident KiB per node.
    pub kib: Vec<u64>,
    /// KiB in transparent huge pages.
    pub thp_kib: u64,
}

/// CPU and node of a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadPlace {
    /// The thread.
    pub tid: Tid,
    /// Name of the thread.
    pub comm: Name,
    /// CPU that it ran on last.
    pub cpu: CpuId,
    /// Node of that CPU; `null` when the CPU went offline.
    pub node: Option<NodeId>,
    /// CPU time since the thread started, in ms.
    pub cpu_ms: u64,
}

/// A cgroup's memory by kind and node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupMemory {
    /// The path asked for.
    pub path: Name,
    /// The kernel's rows.
    pub rows: Vec<CgroupRow>,
}

/// One row of a cgroup's `memory.numa_stat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupRow {
    /// The kernel's name.
    pub name: String,
    /// `bytes` for memory in use, `events` for events since the cgroup was created.
    pub unit: CgroupUnit,
    /// Numbers per node; `null` where the cgroup has none.
    pub nodes: Vec<Option<u64>>,
}

/// Unit of a cgroup row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupUnit {
    /// Bytes in use.
    Bytes,
    /// Events since the cgroup was created.
    Events,
}
