//! Changes since a saved reading.

use serde::{Deserialize, Serialize};

use crate::ids::Pid;
use crate::model::name::Name;

/// Changes since a saved reading; the growth of the counters is in the counter section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinceSection {
    /// Time of the saved reading, RFC 3339.
    pub time: String,
    /// Seconds from then to now by the wall clock.
    pub seconds: f64,
    /// Memory rows that changed, in the kernel's order.
    pub meminfo: Vec<RowChange>,
    /// Processes in both readings.
    pub processes: Vec<ProcessChange>,
    /// Processes of the saved reading that are not in this one.
    pub gone: Vec<Pid>,
}

/// A memory row that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowChange {
    /// The kernel's name.
    pub name: String,
    /// Change in KiB per node; `null` where one of the readings has no value.
    pub kib: Vec<Option<i64>>,
}

/// Memory of a process per node, before and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessChange {
    /// The process. PID and name identify it across the readings.
    pub pid: Pid,
    /// Name of the process.
    pub comm: Name,
    /// Resident KiB per node in the saved reading.
    pub before_kib: Vec<u64>,
    /// Resident KiB per node now.
    pub now_kib: Vec<u64>,
}
