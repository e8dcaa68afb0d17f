//! NUMA balancing: what it cost a thread, a process or the whole system, and whether it helped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What NUMA balancing did in one thread, in a process's threads, or in all; `None` is not measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancerWork {
    /// Scans of its memory (`task_numa_work`).
    pub scans: Option<u64>,
    /// Time of these, in nanoseconds.
    pub scan_ns: Option<u64>,
    /// Page table entries that scans made to fault.
    pub pte_updates: Option<u64>,
    /// Time in hinting faults, in nanoseconds: from where the kernel asks whether the page is misplaced to the end, migration included.
    pub fault_ns: Option<u64>,
    /// Time among it that moved pages, in nanoseconds.
    pub migrate_ns: Option<u64>,
    /// Mappings that scans left alone, by the kernel's `enum numa_vmaskip_reason` in lower case without its prefix.
    pub vmas_skipped: Option<BTreeMap<String, u64>>,
}

impl BalancerWork {
    /// All its time, in nanoseconds: scans and faults.
    #[must_use]
    pub fn time_ns(&self) -> Option<u64> {
        Some(self.scan_ns?.saturating_add(self.fault_ns?))
    }
}

/// Whether it helped a process, or the whole system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Balancing {
    /// What it did.
    #[serde(flatten)]
    pub work: BalancerWork,
    /// Hinting faults over time: one entry for each second or so, fewer in long sessions.
    pub slices: Vec<FaultSlice>,
    /// What it comes to; `None` when there is too little to say.
    pub verdict: Option<BalancerVerdict>,
    /// What the verdict rests on, or why there is none; one sentence each.
    pub evidence: Vec<String>,
}

/// Hinting faults in a part of the session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultSlice {
    /// When it ended, seconds since the session began.
    pub until_s: f64,
    /// Hinting faults in it.
    pub faults: u64,
    /// Those on pages of another node.
    pub remote: u64,
}

/// What NUMA balancing comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalancerVerdict {
    /// Memory and its users came together.
    Helping,
    /// It changed little, and cost little.
    Neutral,
    /// It cost and did not bring them together, or moved pages to and fro.
    Hurting,
}

impl BalancerVerdict {
    /// The word of the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Helping => "helping",
            Self::Neutral => "neutral",
            Self::Hurting => "hurting",
        }
    }
}
