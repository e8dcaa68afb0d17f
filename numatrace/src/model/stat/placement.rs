//! Where a process ran and where its memory lies.

use serde::{Deserialize, Serialize};

/// CPU time and memory of a process by node, and how far they are apart.
///
/// /proc has no CPU time by node. So the CPU time of each living thread since it started counts for
/// the node of the CPU that the thread ran on last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessPlacement {
    /// ½ Σ over the nodes of |share of CPU time − share of memory|: 0 when both are spread alike, 1
    /// when no node has both. `null` without CPU time, without such memory, or where the nodes of
    /// the threads are not known.
    #[serde(default)]
    pub placement_mismatch: Option<f64>,
    /// CPU time per node in ms, user and system; `null` where the node of a thread with CPU time is
    /// not known.
    #[serde(default)]
    pub cpu_ms: Option<Vec<u64>>,
    /// Share of the CPU time per node, 0 to 1; `null` without CPU time.
    #[serde(default)]
    pub cpu_share: Option<Vec<f64>>,
    /// Resident KiB per node without memory of files: heap, stack, anonymous memory, hugetlb, and
    /// memfd, SysV, POSIX and anonymous shared memory.
    #[serde(default)]
    pub without_files_kib: Vec<u64>,
}
