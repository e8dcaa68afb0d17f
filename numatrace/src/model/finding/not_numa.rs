//! `numa-is-not-your-problem`: enough was measured, and next to nothing of it was remote.
//!
//! Said only when no other diagnosis spoke and the counts can be trusted, and with what was not measured beside it: allocations
//! alone do not show who uses old memory from afar.

use super::{Finding, Severity, words};
use crate::model::matrix::share;
use crate::model::{Alloc, FirstTouch, HintFaults, Snapshot, TaskMoves, Verdict, number};

pub const ID: &str = "numa-is-not-your-problem";

/// Allocations below which a session is too quiet to say anything.
const ENOUGH: u64 = 10_000;

/// Hint faults and first-touched pages below which they are no evidence either way.
const ENOUGH_SAMPLES: u64 = 100;

/// Remote up to this share is noise: interrupts, kernel structures of a fixed node, a task that just moved.
const NOISE: f64 = 0.02;

const FIX: &str = "look elsewhere first: CPU, I/O, locks, memory bandwidth. Memory placed before this session is not in these counts: \
    numatrace stat -p PID shows where it lies";

/// Looks at the process the session was about, else at the whole system.
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
        || "this machine, in this session".to_owned(),
        |who| format!("{who}, in this session"),
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

/// What speaks for it, sentence by sentence; `None` as soon as something speaks against it, or when there is too little.
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
            "{} missed the node they wanted ({})",
            number::grouped(missed),
            noise(missed, all)?
        )),
        None => unmeasured.push("misses"),
    }
    for (matrix, what, unit) in [
        (
            touch.and_then(|touch| touch.pages.as_ref()),
            "first touch",
            "pages touched first were placed on another node",
        ),
        (
            hints.and_then(|hints| hints.matrix.as_ref()),
            "hint faults",
            "sampled accesses went to another node",
        ),
    ] {
        match matrix {
            None => unmeasured.push(what),
            Some(matrix) if matrix.total() < ENOUGH_SAMPLES => evidence.push(format!(
                "too few to tell: {what} ({})",
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

/// The share in words while it is noise.
fn noise(part: u64, whole: u64) -> Option<String> {
    share(part, whole)
        .filter(|part| *part <= NOISE)
        .map(|part| words::percent(Some(part)))
}
