//! Memory per node: the kernel's own rows, huge page pools, and resident memory of processes.

use serde::{Deserialize, Serialize};

use super::kinds::{ProcessKinds, ThreadPlace};
use super::placement::ProcessPlacement;
use crate::ids::Pid;
use crate::model::name::Name;

/// The name of our own row of [`MeminfoSection::rows`]: memory that no row of the kernel explains.
pub const UNEXPLAINED: &str = "Unexplained";

/// `nodeN/meminfo` of all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeminfoSection {
    /// The rows of all nodes in the kernel's order, in KiB. The `HugePages_*` rows, which the
    /// kernel gives in pages of the default size only, are the sum over the pools of all sizes.
    /// The last row is [`UNEXPLAINED`].
    pub rows: Vec<MeminfoRow>,
    /// The huge page pools, one entry per page size.
    pub huge_page_pools: Vec<HugePagePool>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeminfoRow {
    /// The kernel's name: `MemTotal`, `Active(anon)`; or [`UNEXPLAINED`].
    pub name: String,
    /// KiB per node; `null` where the node does not have the row or could not be read.
    pub kib: Vec<Option<u64>>,
}

/// The pools of one page size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HugePagePool {
    /// Size of a page in KiB.
    pub page_kb: u64,
    /// Pages in the pool per node; `null` where it could not be read.
    pub total: Vec<Option<u64>>,
    /// Free pages per node.
    pub free: Vec<Option<u64>>,
    /// Surplus pages per node.
    pub surplus: Vec<Option<u64>>,
}

/// Resident memory of the chosen processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessSection {
    /// The processes that could be read, by PID.
    pub processes: Vec<ProcessMemory>,
    /// Number of processes that ended before they could be read.
    pub vanished: u64,
    /// Number of processes left out by `--sample`.
    #[serde(default)]
    pub left_out: u64,
    /// Number of processes that this user may not read; `missing` names each.
    pub denied: u64,
    /// Processes that run far from their memory, in words.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// One process's resident memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessMemory {
    /// The process.
    pub pid: Pid,
    /// Name of the process.
    pub comm: Name,
    /// Resident memory in numastat's four categories.
    pub numastat: NumastatCategories,
    /// CPU time and memory by node.
    #[serde(flatten)]
    pub placement: ProcessPlacement,
    /// Resident memory by kind and policy; only with `--kinds` or `--by-mapping`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<ProcessKinds>,
    /// CPU and node of its threads; only with `--by-thread-node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<Vec<ThreadPlace>>,
}

/// numastat's division of resident memory, KiB per node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumastatCategories {
    /// Persistent huge pages (hugetlb), not transparent ones.
    pub huge: Vec<u64>,
    /// The brk heap.
    pub heap: Vec<u64>,
    /// The main thread's stack.
    pub stack: Vec<u64>,
    /// Everything else: anonymous memory with transparent huge pages, files, libraries and shared
    /// memory.
    pub private: Vec<u64>,
}

impl NumastatCategories {
    /// Zeros for `nodes` nodes.
    #[must_use]
    pub fn zeros(nodes: usize) -> Self {
        let zeros = || vec![0; nodes];
        Self {
            huge: zeros(),
            heap: zeros(),
            stack: zeros(),
            private: zeros(),
        }
    }

    /// Returns the categories by numastat's names and in its order.
    #[must_use]
    pub fn rows(&self) -> [(&'static str, &[u64]); 4] {
        [
            ("Huge", &self.huge),
            ("Heap", &self.heap),
            ("Stack", &self.stack),
            ("Private", &self.private),
        ]
    }

    /// Returns KiB per node over all categories.
    #[must_use]
    pub fn totals(&self) -> Vec<u64> {
        let sum = |node: usize| {
            self.rows()
                .iter()
                .filter_map(|(_, kib)| kib.get(node))
                .fold(0u64, |a, &b| a.saturating_add(b))
        };
        (0..self.huge.len()).map(sum).collect()
    }
}
