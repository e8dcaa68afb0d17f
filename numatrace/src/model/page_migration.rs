//! Page migrations between nodes, charged to the owner of the memory.

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
    /// Base pages by the kernel's `enum migrate_reason` in lower case without its prefix
    /// (`numa_misplaced`, `syscall`, …). The names come from the running kernel's BTF, so they are
    /// text and not an enum of ours.
    pub by_reason: Option<BTreeMap<String, u64>>,
    /// Base pages that could not be migrated; charged to the process that requested it.
    pub failed: Option<u64>,
    /// `failed` by cause.
    #[serde(default)]
    pub failed_by_cause: Option<FailedByCause>,
    /// Time to copy one folio, in microseconds.
    #[serde(default)]
    pub latency_us: Latency,
    /// Time of one call of the kernel's `migrate_pages` by this process, in microseconds: the time
    /// that the process waited.
    #[serde(default)]
    pub call_latency_us: Latency,
    /// Processes that requested the migrations, largest first; often not the owner.
    #[serde(default)]
    pub moved_by: Option<Vec<MovedBy>>,
}

/// Base pages that could not be migrated, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedByCause {
    /// References held elsewhere: pinned for a device, under I/O, in a pipe.
    pub busy: u64,
    /// Other causes: locked, no room on the target, a kind of page that cannot move.
    pub other: u64,
}

/// Quantiles of a time in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Median.
    pub p50: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// Longest time.
    pub max: Option<f64>,
    /// Histogram, shortest times first; times are exact to an eighth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub histogram: Vec<LatencyBucket>,
}

/// Events of about the same length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyBucket {
    /// The middle of the bucket, microseconds.
    pub us: f64,
    /// Events in the bucket.
    pub count: u64,
}

/// A process that migrated pages of another, or of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedBy {
    /// The process, in the initial PID namespace.
    pub pid: Pid,
    /// Name; `None` when the process ended before it could be read.
    #[serde(default)]
    pub comm: Option<Name>,
    /// Base pages that it migrated.
    pub pages: u64,
}
