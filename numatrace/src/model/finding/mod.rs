//! Diagnoses: what the counts mean for a person, with the evidence and what to do. One file each; docs/findings.md lists them.
//!
//! A diagnosis looks at a finished snapshot and nothing else, so that a report read back says the same as the live one.
//! It speaks only of what was measured, and never without a count and a way out.

mod across_nodes;
mod affinity_split;
mod balancer_hurting;
mod first_touch_elsewhere;
mod interleave_mismatch;
pub(in crate::model) mod memory;
mod memoryless_node;
mod migration_failures;
mod moving;
mod node_full_fallback;
mod not_numa;
mod one_node;
mod page_cache;
mod ping_pong;
mod ran_away;
mod remote_by_policy;
mod thp_remote;
mod tiering_churn;
mod touched_before_bind;
pub(in crate::model) mod words;

use serde::{Deserialize, Serialize};

use super::report::Snapshot;
use crate::ids::Pid;

/// One diagnosis as the report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which diagnosis: `remote-by-policy`, … (docs/findings.md).
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// The process concerned; `None` for the whole system.
    pub pid: Option<Pid>,
    /// The diagnosis in one sentence.
    pub title: String,
    /// The counts it rests on, one sentence each; never empty.
    pub evidence: Vec<String>,
    /// What to do; never empty.
    pub fix: String,
}

/// How much a finding matters, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It costs now: change something.
    Critical,
    /// It probably costs: look at it.
    Warning,
    /// Good to know.
    Info,
}

/// A kind of diagnosis.
#[derive(Clone, Copy, Debug)]
pub struct Diagnosis {
    /// Its name, stable: scripts and docs refer to it.
    pub id: &'static str,
    /// Looks at a snapshot and says what it found, most important first.
    check: fn(&Snapshot) -> Vec<Finding>,
}

/// All diagnoses; among equals in severity, this is their order in a report.
pub const ALL: &[Diagnosis] = &[
    first_touch_elsewhere::DIAGNOSIS,
    touched_before_bind::DIAGNOSIS,
    interleave_mismatch::DIAGNOSIS,
    thp_remote::DIAGNOSIS,
    page_cache::FILLED_ELSEWHERE,
    page_cache::SHARED_TEXT,
    remote_by_policy::DIAGNOSIS,
    node_full_fallback::DIAGNOSIS,
    memoryless_node::DIAGNOSIS,
    affinity_split::DIAGNOSIS,
    ran_away::DIAGNOSIS,
    ping_pong::DIAGNOSIS,
    across_nodes::LOAD_BALANCE,
    across_nodes::WOKEN,
    balancer_hurting::DIAGNOSIS,
    migration_failures::DIAGNOSIS,
    tiering_churn::DIAGNOSIS,
    one_node::DIAGNOSIS,
];

/// The names of everything [`diagnose`] can find.
pub fn ids() -> impl Iterator<Item = &'static str> {
    ALL.iter()
        .map(|diagnosis| diagnosis.id)
        .chain([not_numa::ID])
}

/// One diagnosis names at most this many processes: a report is no list of everything.
const NAMED: usize = 5;

/// Fewer allocations than this (1 MiB of small pages) are not worth a sentence, whatever their share.
const WORTH_TELLING: u64 = 256;

/// Everything there is to say about a snapshot, worst first. Put it into [`Snapshot::findings`].
#[must_use]
pub fn diagnose(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings: Vec<Finding> = ALL
        .iter()
        .flat_map(|diagnosis| (diagnosis.check)(snapshot))
        .collect();
    // That all is well can only be said when nothing else was.
    if findings.is_empty() {
        findings = not_numa::check(snapshot);
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}
