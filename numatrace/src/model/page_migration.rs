//! Pages that moved between nodes, charged to the owner of the memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::matrix::Matrix;
use super::name::Name;
use crate::ids::Pid;

/// Page migrations of one process's memory, or of the whole system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PageMigrations {
    /// Base pages, `[from][to]`; a folio that moved counts once, however many attempts it took.
    pub matrix: Option<Matrix>,
    /// Base pages by the kernel's `enum migrate_reason` in lower case without its prefix (`numa_misplaced`, `syscall`, …).
    /// The names come from the running kernel's BTF, so they are text and not a type of ours.
    pub by_reason: Option<BTreeMap<String, u64>>,
    /// Base pages that could not be moved; charged to who asked.
    pub failed: Option<u64>,
    /// The same by what kept them.
    #[serde(default)]
    pub failed_by_cause: Option<FailedByCause>,
    /// How long one folio took, in microseconds.
    #[serde(default)]
    pub latency_us: Latency,
    /// How long one call of the kernel's `migrate_pages` took that this process made, in microseconds: what it waited for.
    #[serde(default)]
    pub call_latency_us: Latency,
    /// Who asked for the moves, largest first; often not the owner.
    #[serde(default)]
    pub moved_by: Option<Vec<MovedBy>>,
}

/// What keeps pages where they are, in base pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedByCause {
    /// Somebody else held references to them: pinned for a device, under I/O, in a pipe.
    pub busy: u64,
    /// Anything else: locked, no room on the target, of a kind that cannot be moved.
    pub other: u64,
}

/// Quantiles of a time in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50: Option<f64>,
    /// 99 of 100 took no longer.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
    /// How many took how long, shortest first; times are known to an eighth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub histogram: Vec<LatencyBucket>,
}

/// Events that took about as long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyBucket {
    /// The middle of the bucket, microseconds.
    pub us: f64,
    /// Events.
    pub count: u64,
}

/// One process that moved pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedBy {
    /// The mover, in the initial PID namespace.
    pub pid: Pid,
    /// Its name; `None` when it was gone before anybody could look.
    #[serde(default)]
    pub comm: Option<Name>,
    /// Base pages it moved.
    pub pages: u64,
}
