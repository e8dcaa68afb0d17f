//! `numa-is-not-your-problem`: enough was measured, and almost nothing of it was remote.
//!
//! Reported only when there is no other finding and the counts can be trusted, together with the
//! quantities that were not measured: allocations alone do not show remote use of old memory.

use super::{Finding, Severity, words};
use crate::model::matrix::share;
use crate::model::{Alloc, FirstTouch, HintFaults, Snapshot, TaskMoves, Verdict, number};

pub const ID: &str = "numa-is-not-your-problem";

/// Least allocations for a conclusion.
const ENOUGH: u64 = 10_000;

/// Least hint faults and first-touched pages for a conclusion.
const ENOUGH_SAMPLES: u64 = 100;

/// Largest remote share that is noise: interrupts, kernel structures of a fixed node, a task that
/// just moved.
const NOISE: f64 = 0.02;

const FIX: &str = "look elsewhere first: CPU, I/O, locks, memory bandwidth. These counts do not \
    include memory placed before this session: numatrace stat -p PID shows its nodes";

/// Checks the process that the session was about, else the whole system.
pub fn check(snapshot: &Snapshot) -> Vec<Finding> {
    if snapshot.host.nodes.len() < 2 || snapshot.audit.verdict == Verdict::Failed {
        return Vec::new();
    }
    let focus = snapshot.focus();
    let system = snapshot.system.as_ref();
    let total;
    let (alloc, touch, hints, moves) = match focus {
        Some(process) => (
            process.alloc.as_ref(),
            process.first_touch.as_ref(),
            process.hint_faults.as_ref(),
            process.task_moves.as_ref(),
        ),
        None => {
            total = snapshot.alloc_total();
            (
                total.as_ref(),
                system.and_then(|system| system.first_touch.as_ref()),
                system.and_then(|system| system.hint_faults.as_ref()),
                system.and_then(|system| system.task_moves.as_ref()),
            )
        }
    };
    let Some(evidence) = evidence(alloc, touch, hints, moves) else {
        return Vec::new();
    };
    let who = focus.map(words::process).map_or_else(
        || "this machine in this session".to_owned(),
        |who| format!("{who} in this session"),
    );
    vec![Finding {
        id: ID.into(),
        severity: Severity::Info,
        pid: focus.map(|process| process.pid),
        title: format!("NUMA is not the problem of {who}"),
        evidence,
        fix: FIX.into(),
    }]
}

/// Returns the evidence for the finding, one sentence each; `None` when a quantity contradicts it,
/// or when there is too little evidence.
fn evidence(
    alloc: Option<&Alloc>,
    touch: Option<&FirstTouch>,
    hints: Option<&HintFaults>,
    moves: Option<&TaskMoves>,
) -> Option<Vec<String>> {
    let alloc = alloc?;
    let all = alloc.allocations().filter(|all| *all >= ENOUGH)?;
    let remote = alloc.remote()?;
    let mut unmeasured = Vec::new();
    let mut evidence = vec![format!(
        "{} of {} allocations were remote ({})",
        number::grouped(remote),
        number::grouped(all),
        noise(remote, all)?
    )];
    match alloc.misses() {
        Some(missed) => evidence.push(format!(
            "{} missed their preferred node ({})",
            number::grouped(missed),
            noise(missed, all)?
        )),
        None => unmeasured.push("misses"),
    }
    for (matrix, what, unit) in [
        (
            touch.and_then(|touch| touch.pages.as_ref()),
            "first touch",
            "touched pages were placed on a different node",
        ),
        (
            hints.and_then(|hints| hints.matrix.as_ref()),
            "hint faults",
            "sampled accesses were remote",
        ),
    ] {
        match matrix {
            None => unmeasured.push(what),
            Some(matrix) if matrix.total() < ENOUGH_SAMPLES => evidence.push(format!(
                "too few to judge: {what} ({})",
                number::grouped(matrix.total())
            )),
            Some(matrix) => evidence.push(format!(
                "{} of {} {unit} ({})",
                number::grouped(matrix.off_diagonal()),
                number::grouped(matrix.total()),
                noise(matrix.off_diagonal(), matrix.total())?,
            )),
        }
    }
    match moves.and_then(|moves| moves.cross_node) {
        None => unmeasured.push("moves between nodes"),
        Some(1) => evidence.push("1 move of a thread between nodes".to_owned()),
        Some(crossed) => evidence.push(format!(
            "{} moves of threads between nodes",
            number::grouped(crossed)
        )),
    }
    if !unmeasured.is_empty() {
        evidence.push(format!("not measured: {}", unmeasured.join(", ")));
    }
    Some(evidence)
}

/// Returns a share in words while it is noise; `None` when it is more.
fn noise(part: u64, whole: u64) -> Option<String> {
    share(part, whole)
        .filter(|part| *part <= NOISE)
        .map(|part| number::percent_sign(Some(part)))
}
