//! NUMA balancing: its cost for a thread, a process or the whole system, and whether it helped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Work of NUMA balancing in one thread, in a process's threads, or in all; `None` is not measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerWork {
    /// Scans of memory (`task_numa_work`).
    pub scans: Option<u64>,
    /// Time of the scans, in nanoseconds.
    pub scan_ns: Option<u64>,
    /// Page table entries that scans made to fault.
    pub pte_updates: Option<u64>,
    /// Time in hinting faults, in nanoseconds: from the kernel's check whether the page is
    /// misplaced to the end of the fault, including migration.
    pub fault_ns: Option<u64>,
    /// Part of `fault_ns` that migrated pages, in nanoseconds.
    pub migrate_ns: Option<u64>,
    /// Mappings that scans skipped, by the kernel's `enum numa_vmaskip_reason` in lower case
    /// without its prefix.
    pub vmas_skipped: Option<BTreeMap<String, u64>>,
}

impl BalancerWork {
    /// Returns the time of scans and faults together, in nanoseconds.
    #[must_use]
    pub fn time_ns(&self) -> Option<u64> {
        Some(self.scan_ns?.saturating_add(self.fault_ns?))
    }
}

/// NUMA balancing of a process or the whole system, with a verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Balancing {
    /// Its work.
    #[serde(flatten)]
    pub work: BalancerWork,
    /// Hinting faults over time: about one entry per second, fewer in long sessions.
    pub slices: Vec<FaultSlice>,
    /// The verdict; `None` when there is too little evidence.
    pub verdict: Option<BalancerVerdict>,
    /// The evidence for the verdict, or the reason for having none; one sentence each.
    pub evidence: Vec<String>,
}

/// Hinting faults in a part of the session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultSlice {
    /// End of the slice, seconds since the session began.
    pub until_s: f64,
    /// Hinting faults in the slice.
    pub faults: u64,
    /// Hinting faults on pages of a different node.
    pub remote: u64,
}

/// The verdict on NUMA balancing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalancerVerdict {
    /// Memory and the threads that use it came together.
    Helping,
    /// Balancing changed little and cost little.
    Neutral,
    /// Balancing cost time without bringing memory and threads together, or moved pages back and
    /// forth.
    Hurting,
}

impl BalancerVerdict {
    /// Returns the verdict's name in JSON and text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Helping => "helping",
            Self::Neutral => "neutral",
            Self::Hurting => "hurting",
        }
    }
}
