//! Findings about one process that have one cause are one finding.

use super::{Finding, Severity};
use crate::model::{Process, Snapshot};

const RAN_AWAY: &str = "ran-away-from-memory";
const FIRST_TOUCH: &str = "first-touch-elsewhere";

const BY_POLICY: &str = "remote-by-policy";

/// Findings that already say why a process is away from its memory.
const CAUSES: [&str; 3] = ["touched-before-bind", "affinity-split", BY_POLICY];

/// Threads that are bound apart from memory which one of them placed: who placed it says more.
const SPLIT: &str = "affinity-split";

/// Keeps one finding of those with the same cause, with the worse severity.
pub fn same_cause(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    let placed: Vec<_> = findings
        .iter()
        // Memory that has since moved to its users does not explain a split.
        .filter(|finding| finding.id == FIRST_TOUCH && finding.severity != Severity::Info)
        .filter_map(|finding| finding.pid)
        .collect();
    for pid in placed {
        let of = |finding: &Finding, id: &str| finding.pid == Some(pid) && finding.id == id;
        drop_one(
            findings,
            |finding| of(finding, SPLIT),
            |finding| of(finding, FIRST_TOUCH),
        );
    }
    let away: Vec<_> = findings
        .iter()
        .filter(|finding| finding.id == RAN_AWAY)
        .filter_map(|finding| finding.pid)
        .collect();
    for pid in away {
        let of = |finding: &Finding, id: &str| finding.pid == Some(pid) && finding.id == id;
        let has = |findings: &[Finding], id| findings.iter().any(|finding| of(finding, id));
        let mut processes = snapshot.processes.iter();
        let process = processes.find(|process| process.pid == pid);
        let cause = CAUSES.into_iter().find(|id| has(findings, id));
        if let Some(cause) = cause {
            drop_one(
                findings,
                |finding| of(finding, RAN_AWAY),
                |finding| of(finding, cause),
            );
        } else if has(findings, FIRST_TOUCH) {
            let (kept, dropped) = if process.is_some_and(toucher_ran_away) {
                (RAN_AWAY, FIRST_TOUCH)
            } else {
                (FIRST_TOUCH, RAN_AWAY)
            };
            drop_one(
                findings,
                |finding| of(finding, dropped),
                |finding| of(finding, kept),
            );
        }
    }
}

/// Drops a finding; a different one gets its severity, if that is worse. A policy that means to
/// place memory away from the CPUs stays information.
fn drop_one(
    findings: &mut Vec<Finding>,
    dropped: impl Fn(&Finding) -> bool,
    kept: impl Fn(&Finding) -> bool,
) {
    let worst = findings.iter().filter(|finding| dropped(finding));
    let worst = worst.map(|finding| finding.severity).min();
    findings.retain(|finding| !dropped(finding));
    let kept = findings.iter_mut().find(|finding| kept(finding));
    let is_meant = |kept: &Finding| kept.id == BY_POLICY && kept.severity == Severity::Info;
    if let Some((kept, worst)) = kept.filter(|kept| !is_meant(kept)).zip(worst) {
        kept.severity = kept.severity.min(worst);
    }
}

/// Returns whether the thread that was away longest is the one that touched most: then it left its
/// memory, and nobody placed memory for others.
fn toucher_ran_away(process: &Process) -> bool {
    let moved = process.task_moves.as_ref();
    if moved.and_then(|moved| moved.cross_node).unwrap_or(0) == 0 {
        return false;
    }
    let away = process.threads.iter().max_by_key(|thread| thread.away_ns);
    let touches = process.mappings.iter();
    let touches = touches.filter_map(|mapping| mapping.first_touch.as_ref()?.by_tid.first());
    let toucher = touches.max_by_key(|by| by.pages).map(|by| by.tid);
    away.map(|thread| thread.tid) == toucher
}
