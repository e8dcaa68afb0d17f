//! Readings of the kernel's counters at a boundary: the start or end of a session or an interval.

use serde::{Deserialize, Serialize};

use super::{losses::Losses, numastat::Round, vm_counters::VmCounters};

/// The readings at one boundary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BoundaryReading {
    /// Time of the readings, ns since boot.
    pub at_ns: u64,
    /// Readings of all nodes' numastat counters, several in a row.
    pub rounds: Vec<Round>,
    /// The reading of `/proc/vmstat`, and the epoch that began with it.
    pub system: Option<(u64, VmCounters)>,
    /// The counters that only grow, at that time.
    pub grown: Grown,
    /// Why the kernel's counters could not be read; `None` when they were.
    pub no_counters: Option<String>,
    /// `vm.numa_stat` was written since the previous boundary.
    pub switched: bool,
    /// An interval begins at this boundary: it is not the end of the session.
    #[serde(rename = "goes_on")]
    pub another_follows: bool,
}

/// Counters that only grow from the start of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grown {
    /// Executions of the allocation programs that the kernel skipped: for each program, of each
    /// copy.
    pub recursion_misses: Option<Vec<Vec<u64>>>,
    /// Skipped runs of the programs of each other hook.
    pub other_misses: Vec<(String, Vec<Vec<u64>>)>,
    /// Losses of the kernel side.
    pub losses: Losses,
    /// Mapping records for which the kernel's buffers had no room.
    pub mapping_records_lost: u64,
    /// Mapping records that could not be read.
    pub mapping_records_rejected: u64,
    /// The value of `vm.numa_stat`: true while the kernel counts; `None` on kernels without the
    /// switch.
    pub counting: Option<bool>,
}
