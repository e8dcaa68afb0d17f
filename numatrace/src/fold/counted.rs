//! What a session or an interval of it counted, closed at both ends.

use super::{accumulators::Accumulators, mapping::Mappings, timeline::Timeline, window::Window};
use crate::capture::losses::Losses;

/// Everything between two cuts.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Both cuts.
    pub window: Window,
    /// When the last one was made, ns since boot.
    pub until_ns: u64,
    /// The counts between them.
    pub inside: Accumulators,
    /// What happened when.
    pub timeline: Timeline,
    /// When it began, ns since boot.
    pub began_ns: u64,
    /// The same by mapping, as far as runs ended meanwhile.
    pub mappings: Mappings,
    /// Runs of the allocation programs that the kernel skipped meanwhile.
    pub recursion_misses: Option<u64>,
    /// Losses of the kernel side meanwhile.
    pub losses: Losses,
    /// Records that made no sense.
    pub rejected: u64,
    /// Records of mappings for which the kernel, or we, had no room.
    pub mapping_records_lost: u64,
    /// A sweep did not settle.
    pub unsettled: bool,
    /// `vm.numa_stat` was off, or the kernel has no such counters: why there is nothing to compare with.
    pub uncounted: Option<String>,
    /// Somebody wrote to `vm.numa_stat` meanwhile, which may have set the kernel's counters to zero.
    pub switched: bool,
}
