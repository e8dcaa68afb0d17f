//! Where a process's memory lies, as far as the session looked (`/proc/PID/numa_maps`).

use serde::{Deserialize, Serialize};

use super::matrix::PerNode;
use crate::ids::NodeId;

/// The readings of a process's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residency {
    /// The first reading of the session or interval; `None` when none succeeded.
    pub first: Option<Resident>,
    /// The last reading. Of a process that ended, the last one with at least half as much memory as
    /// the largest: programs give their memory back on their way out.
    pub last: Option<Resident>,
    /// The CPUs that its main thread might run on, in the kernel's list format (`0-3,8`).
    #[serde(default)]
    pub cpus_allowed: Option<String>,
    /// The nodes of these CPUs.
    #[serde(default)]
    pub nodes_allowed: Option<Vec<NodeId>>,
    /// Why the newest reading is not whole; `None` when it is.
    #[serde(default)]
    pub gap: Option<String>,
}

/// One reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resident {
    /// Its time: nanoseconds of boot time.
    pub at_ns: u64,
    /// Base pages on each node: anonymous memory, huge pages, shared memory without a path.
    pub pages: PerNode,
    /// Base pages of files on each node: page cache and program text, which other processes share.
    pub file_pages: PerNode,
}
