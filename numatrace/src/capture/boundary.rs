//! What is read of the machine where a session or an interval begins or ends.

use serde::{Deserialize, Serialize};

use super::{losses::Losses, numastat::Round, vm_counters::VmCounters};

/// One cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BoundaryReading {
    /// When it was made, ns since boot.
    pub at_ns: u64,
    /// Readings of all nodes' counters.
    pub rounds: Vec<Round>,
    /// The reading of `/proc/vmstat`, and the epoch that began with it.
    pub system: Option<(u64, VmCounters)>,
    /// What only grows, as it stood then.
    pub grown: Grown,
    /// Why there are no counters of the kernel at all.
    pub no_counters: Option<String>,
    /// Somebody wrote to `vm.numa_stat` since the last cut.
    pub switched: bool,
    /// Another interval begins here.
    pub goes_on: bool,
}

/// What grows from the start of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grown {
    /// Runs of the allocation programs that the kernel skipped: of each program, copy by copy.
    pub recursion_misses: Option<Vec<Vec<u64>>>,
    /// Losses of the kernel side.
    pub losses: Losses,
    /// Records of mappings for which the kernel had no room.
    pub mapping_records_lost: u64,
    /// Records of mappings that made no sense.
    pub mapping_records_rejected: u64,
    /// Was the kernel counting? `None` when it does not say.
    pub counting: Option<bool>,
}
