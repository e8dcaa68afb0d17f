//! The counts of a session or interval that has ended.

use serde::{Deserialize, Serialize};

use super::{
    accumulators::Accumulators, failures::Failures, mapping::Mappings, timeline::Timeline,
    window::Window,
};
use crate::{capture::losses::Losses, enrich::process::Folded};

/// All counts between two boundaries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counted {
    /// The boundaries.
    pub window: Window,
    /// When the last boundary was read, ns since boot.
    pub until_ns: u64,
    /// The counts between the boundaries.
    pub inside: Accumulators,
    /// Moves of threads and pages in order.
    pub timeline: Timeline,
    /// Kills, refused calls and the like.
    pub failures: Failures,
    /// When the first boundary was read, ns since boot.
    pub began_ns: u64,
    /// Memory by mapping, from runs that ended between the boundaries.
    pub mappings: Mappings,
    /// Runs of the allocation programs that the kernel skipped; `None` where it does not count
    /// them.
    pub recursion_misses: Option<u64>,
    /// Runs of the programs of other hooks likewise, by hook.
    pub other_misses: Vec<(String, u64)>,
    /// Processes and threads that ended and are folded into rows of their commands.
    pub folded: Folded,
    /// Losses of the kernel side.
    pub losses: Losses,
    /// Malformed records.
    pub rejected: u64,
    /// Records of mappings for which the kernel or numatrace had no room.
    pub mapping_records_lost: u64,
    /// Whether counts would not stand still while a sweep read them.
    pub unsettled: bool,
    /// Why there are no counters of the kernel to compare with: `vm.numa_stat` was off, or the
    /// kernel has none.
    pub uncounted: Option<String>,
    /// Whether somebody wrote to `vm.numa_stat`, which may have set the kernel's counters to zero.
    pub switched: bool,
}
