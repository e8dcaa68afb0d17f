//! Findings: diagnoses from the counts, with evidence and a fix. Each diagnosis has a file of its
//! own; docs/findings.md lists them.
//!
//! A diagnosis reads a finished snapshot and nothing else, so a report that is read back has the
//! findings of the live one. Every finding rests on measured quantities and has a fix.

mod across_nodes;
mod affinity_split;
mod away;
mod balancer_hurting;
mod binding_refused;
mod bound_node_full;
mod caches;
pub mod checks;
mod first_touch_elsewhere;
pub mod fix;
mod hugetlb_pool_empty;
mod interleave_mismatch;
pub(in crate::model) mod memory;
mod memoryless_node;
mod merge;
mod migration_failures;
mod moving;
mod node_full_fallback;
mod not_numa;
mod one_node;
mod page_cache;
mod ping_pong;
mod placement_known;
mod ran_away;
mod remote_by_policy;
mod thp_remote;
mod tiering_churn;
mod touched_before_bind;
pub(in crate::model) mod words;

pub(crate) use binding_refused::sees_filters;
use serde::{Deserialize, Serialize};

pub use fix::{Fix, FixKind};

use super::report::Snapshot;
use crate::ids::Pid;

/// One finding of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Id of the diagnosis: `remote-by-policy`, … (docs/findings.md).
    pub id: String,
    /// Severity.
    pub severity: Severity,
    /// The process concerned; `None` for the whole system.
    pub pid: Option<Pid>,
    /// The diagnosis in one sentence.
    pub title: String,
    /// The counts behind it, one sentence each; never empty.
    pub evidence: Vec<String>,
    /// The remedy in one sentence; never empty.
    pub fix: String,
    /// The remedies it is made of; empty in reports of earlier versions.
    #[serde(default)]
    pub fixes: Vec<Fix>,
}

impl Finding {
    /// A finding with its fixes, of which equal ones are one. Without any, it says where to look.
    #[must_use]
    pub fn new(
        id: &str,
        severity: Severity,
        pid: Option<Pid>,
        title: impl Into<String>,
        evidence: Vec<String>,
        fixes: impl IntoIterator<Item = Fix>,
    ) -> Self {
        let mut distinct: Vec<Fix> = Vec::new();
        for fix in fixes {
            if !distinct.contains(&fix) {
                distinct.push(fix);
            }
        }
        if distinct.is_empty() {
            distinct.push(Fix::nothing_to_do());
        }
        Self {
            id: id.to_owned(),
            severity,
            pid,
            title: title.into(),
            evidence,
            fix: fix::sentence(&distinct),
            fixes: distinct,
        }
    }
}

/// Severity of a finding, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Costs performance now.
    Critical,
    /// Probably costs performance.
    Warning,
    /// Information.
    Info,
}

/// A kind of diagnosis.
#[derive(Clone, Copy, Debug)]
pub struct Diagnosis {
    /// Id, stable: scripts and docs refer to it.
    pub id: &'static str,
    /// Returns the findings in a snapshot, most important first.
    check: fn(&Snapshot) -> Vec<Finding>,
}

/// All diagnoses; findings of equal severity are in this order in a report.
pub const ALL: &[Diagnosis] = &[
    bound_node_full::DIAGNOSIS,
    hugetlb_pool_empty::DIAGNOSIS,
    first_touch_elsewhere::DIAGNOSIS,
    touched_before_bind::DIAGNOSIS,
    interleave_mismatch::DIAGNOSIS,
    thp_remote::DIAGNOSIS,
    page_cache::FILLED_ELSEWHERE,
    page_cache::SHARED_TEXT,
    binding_refused::DIAGNOSIS,
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

/// Returns the ids of all findings that [`diagnose`] can make.
pub fn ids() -> impl Iterator<Item = &'static str> {
    ALL.iter()
        .map(|diagnosis| diagnosis.id)
        .chain([not_numa::ID])
}

/// Most processes that one diagnosis names: with more, a report would bury the first ones.
const NAMED: usize = 5;

/// Least allocations or pages (1 MiB of small pages) for a finding, whatever their share.
const WORTH_REPORTING: u64 = 256;

/// Returns all findings in a snapshot, worst first. Put them into [`Snapshot::findings`].
#[must_use]
pub fn diagnose(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings: Vec<Finding> = ALL
        .iter()
        .flat_map(|diagnosis| (diagnosis.check)(snapshot))
        .collect();
    merge::same_cause(snapshot, &mut findings);
    // The all-clear needs the absence of every other finding.
    if findings.is_empty() {
        findings = not_numa::check(snapshot);
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}
