//! What changed since a saved reading.

use serde::{Deserialize, Serialize};

use crate::ids::Pid;
use crate::model::name::Name;

/// Changes since a reading that was saved; the growth of the counters is in the counter section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinceSection {
    /// When the saved reading was taken, RFC 3339.
    pub time: String,
    /// Seconds from then to now by the wall clock.
    pub seconds: f64,
    /// Memory rows that changed, in the kernel's order.
    pub meminfo: Vec<RowChange>,
    /// Processes that are in both readings, with the same name.
    pub processes: Vec<ProcessChange>,
    /// Processes of the saved reading that are not in this one.
    pub gone: Vec<Pid>,
}

/// A memory row that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowChange {
    /// The kernel's name.
    pub name: String,
    /// KiB per node, now less then; `null` where one of the readings has none.
    pub kib: Vec<Option<i64>>,
}

/// Where a process's memory was and is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessChange {
    /// The process. That it is the same one is taken from PID and name.
    pub pid: Pid,
    /// Its name.
    pub comm: Name,
    /// Resident KiB per node then.
    pub before_kib: Vec<u64>,
    /// Resident KiB per node now.
    pub now_kib: Vec<u64>,
}
