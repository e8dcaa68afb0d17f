//! Coverage: the records that a session has, and the losses that it knows of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of records and losses. Totals do not depend on records: a lost record costs detail, the
/// sums stay exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Records written to the ring buffer.
    pub records: Option<u64>,
    /// Records that the ring buffer had no room for.
    pub records_lost: Option<u64>,
    /// Runs of our programs that the kernel skipped because one was active on that CPU.
    pub recursion_misses: Option<u64>,
    /// Lost records of new mappings (`PERF_RECORD_MMAP2`); `None` where the session does not get
    /// such records.
    #[serde(default)]
    pub mapping_records_lost: Option<u64>,
    /// Malformed records.
    pub rejected: Option<u64>,
    /// Pages whose process, mapping or node is unknown.
    pub unattributed: Option<u64>,
    /// `records_lost` by kind of record.
    #[serde(default)]
    pub lost_by_kind: BTreeMap<String, u64>,
    /// `unattributed` by reason.
    #[serde(default)]
    pub unattributed_by_reason: BTreeMap<String, u64>,
    /// Number of times that a bounded table had no room, by table. Each table loses something
    /// different:
    ///
    /// - `totals`: events are counted under `[overflow]`, without their process: sums stay exact;
    /// - `scope`: a child process is not taken into the scope and counts as `[out of scope]`;
    /// - `movers`: moves are counted, but ping-pong and reasons that depend on an earlier event
    ///   (exec, affinity, NUMA balancer) are not seen;
    /// - `parked faults`: pages that a fault makes after its task was switched out are not counted
    ///   as first touches;
    /// - `balancer times`: a scan or hinting fault is missing from the balancer's counts and times;
    /// - `mapping names`: a mapping has no name.
    /// - `readings of memory`: where a process's memory lies is not known.
    #[serde(default)]
    pub full_tables: BTreeMap<String, u64>,
    /// Moves of threads and pages that happened when the list of them was full: no incident has
    /// them.
    #[serde(default, rename = "untold")]
    pub unlisted_moves: u64,
    /// Runs that the kernel skipped in the first copy of a program and the second copy made up for.
    #[serde(default)]
    pub caught_by_twin: u64,
    /// Events whose count is uncertain, by kind.
    #[serde(default)]
    pub uncertain: BTreeMap<String, u64>,
    /// Base pages that came past the allocator, so that neither numastat nor `alloc` has them, by
    /// the way they came.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_in_numastat: BTreeMap<String, u64>,
    /// Files with code that stacks have no names from, because reading them failed or took too
    /// much, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unnamed_files: BTreeMap<String, u64>,
    /// Processes and threads that ended and of which only sums are kept; `None` when each has its
    /// entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folded: Option<Folded>,
    /// Reason why the recording behind this report holds less than its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

/// Processes and threads that ended and that have no entries of their own (`--keep-processes`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folded {
    /// Most ended processes, and most ended threads, that keep theirs.
    pub keep: u64,
    /// Processes in entries of their command.
    pub processes: u64,
    /// Threads of processes with entries of their own, in one entry of each process.
    pub threads: u64,
}

impl Coverage {
    /// Adds pages to `unattributed`, under a reason.
    pub fn unattributed(&mut self, reason: &str, pages: u64) {
        if pages > 0 {
            *self.unattributed.get_or_insert(0) += pages;
            *self
                .unattributed_by_reason
                .entry(reason.into())
                .or_default() += pages;
        }
    }

    /// Everything measured, no records, no losses. `Coverage::default()` is the opposite: nothing
    /// measured.
    #[must_use]
    pub fn zeros() -> Self {
        Self {
            records: Some(0),
            records_lost: Some(0),
            recursion_misses: Some(0),
            mapping_records_lost: Some(0),
            rejected: Some(0),
            unattributed: Some(0),
            ..Self::default()
        }
    }
}
