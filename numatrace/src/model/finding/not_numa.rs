//! `numa-is-not-your-problem`: enough was measured, and almost nothing of it was remote.
//!
//! Reported only when there is no other finding and the counts can be trusted, together with the
//! quantities that were not measured. Allocations alone do not show remote use of old memory, so
//! the title says less where nobody looked at that.

use super::{
    Finding, Fix, FixKind, Severity,
    binding_refused::filtered,
    caches,
    placement_known::{PlacementKnown, why_unknown},
    words,
};
use crate::model::failure::Failures;
use crate::model::matrix::share;
use crate::model::process::ORDERLY;
use crate::model::{Alloc, FirstTouch, HintFaults, Process, Snapshot, TaskMoves, Verdict, number};

pub const ID: &str = "numa-is-not-your-problem";

/// Least allocations for a conclusion.
pub(super) const ENOUGH: u64 = 10_000;

/// Least hint faults and first-touched pages for a conclusion.
const ENOUGH_SAMPLES: u64 = 100;

/// Largest remote share that is noise: interrupts, kernel structures of a fixed node, a task that
/// just moved.
pub(super) const NOISE: f64 = 0.02;

const FIX: &str = "look elsewhere first: CPU, I/O, locks, memory bandwidth";

/// Checks the process that the session was about, else the whole system.
pub fn check(snapshot: &Snapshot) -> Vec<Finding> {
    if snapshot.host.nodes.len() < 2 || snapshot.audit.verdict == Verdict::Failed {
        return Vec::new();
    }
    if ended_badly(snapshot) {
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
    let Some(mut evidence) = evidence(alloc, touch, hints, moves) else {
        return Vec::new();
    };
    if folded_contradict(snapshot) {
        return Vec::new();
    }
    let placement = PlacementKnown::of(snapshot);
    // Of a session about some processes, the one that is named and all of them together.
    let named = PlacementKnown::of_processes(snapshot, focus);
    let parts = [Some(placement), focus.map(|_| named)];
    let mut parts = parts.into_iter().flatten();
    if parts.any(|part| part.mismatch().is_some() && !part.is_together()) {
        return Vec::new();
    }
    if let Some(process) = filtered(snapshot) {
        evidence.push(format!(
            "not measured: calls that the seccomp filter of {} refuses (--hooks +policy_seccomp)",
            words::process(process)
        ));
    }
    let known = placement.is_known() && (focus.is_none() || named.is_known());
    if let Some(mismatch) = placement.mismatch().filter(|_| known) {
        let sentence = format!(
            "memory lies where it is used: it and the CPU time are {} apart",
            number::percent_sign(Some(mismatch))
        );
        evidence.insert(0, sentence);
    }
    let between_caches = caches::between(snapshot, moves);
    let who = focus.map(words::process).map_or_else(
        || "this machine in this session".to_owned(),
        |who| format!("{who} in this session"),
    );
    let fix = if known {
        FIX.to_owned()
    } else {
        format!("look at existing memory, too: {}", why_unknown(snapshot))
    };
    let title = if known {
        format!("NUMA is not the problem of {who}")
    } else {
        format!("new allocations of {who} are local; where existing memory lies was not checked")
    };
    let mut fixes = vec![Fix::advice(FixKind::Look, &who, fix)];
    if let Some((moves, fix)) = between_caches {
        evidence.push(moves);
        fixes.extend(fix);
    }
    vec![Finding::new(
        ID,
        Severity::Info,
        focus.map(|process| process.pid),
        title,
        evidence,
        fixes,
    )]
}

/// Returns whether processes that ended and that are added up contradict the finding: any of them
/// may have been the one that it would be about.
fn folded_contradict(snapshot: &Snapshot) -> bool {
    let rows = || {
        let processes = snapshot.processes.iter();
        processes.filter(|process| process.stands_for.is_some())
    };
    let sum = Alloc::sum(rows().filter_map(|row| row.alloc.as_ref()));
    let enough = |alloc: Option<&Alloc>| {
        let all = alloc.and_then(Alloc::allocations);
        all.is_some_and(|all| all >= ENOUGH)
    };
    let parts = rows().map(|row| {
        let (touch, hints) = (row.first_touch.as_ref(), row.hint_faults.as_ref());
        (row.alloc.as_ref(), touch, hints)
    });
    parts
        .chain([(sum.as_ref(), None, None)])
        .filter(|(alloc, ..)| enough(*alloc))
        .any(|(alloc, touch, hints)| evidence(alloc, touch, hints, None).is_none())
}

/// Returns whether something failed, or the command was killed: counts of what succeeded say
/// nothing of that.
pub(super) fn ended_badly(snapshot: &Snapshot) -> bool {
    let failures = snapshot.failures.as_ref();
    let status = snapshot.session.exit_status.unwrap_or(0);
    failures.is_some_and(Failures::any)
        || (128..256).contains(&status)
        || !snapshot.session.scope.is_whole_system() && snapshot.processes.iter().any(was_killed)
}

/// Returns whether a signal ended a process that nobody sends to end a program in order.
pub(super) fn was_killed(process: &Process) -> bool {
    let signal = process.killed_by;
    signal.is_some_and(|signal| !ORDERLY.contains(&signal))
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
    // A few huge pages are much memory.
    if let Some(pages) = &alloc.in_pages {
        let (far, all) = (pages.remote_by_cause.total(), alloc.page_total()?);
        evidence.push(format!(
            "{} of {} allocated pages were remote or missed their preferred node ({})",
            number::grouped(far),
            number::grouped(all),
            noise(far, all)?
        ));
    }
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
