//! The checks behind a report without findings: what was looked at, what was not, and the option
//! that looks at it.

use super::{
    binding_refused::filtered,
    not_numa::{ENOUGH, NOISE, ended_badly, was_killed},
    placement_known::{PlacementKnown, why_unknown},
    words,
};
use crate::model::{Matrix, Snapshot, Verdict, matrix::share, number};

/// Checks, one sentence each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Checked, with the result.
    pub checked: Vec<String>,
    /// Not checked or not conclusive, with the way to do it.
    pub not_checked: Vec<String>,
}

/// Returns what a report without findings was checked for.
#[must_use]
pub fn checks(snapshot: &Snapshot) -> Checks {
    let mut checks = Checks::default();
    allocations(snapshot, &mut checks);
    placement(snapshot, &mut checks);
    let system = snapshot.system.as_ref();
    let touches = system.and_then(|system| system.first_touch.as_ref()?.pages.as_ref());
    let mut absent = Vec::new();
    match touches {
        Some(matrix) => checks.matrix(
            matrix,
            "first touch",
            "pages touched first were placed on a different node",
        ),
        None => absent.push("first touch"),
    }
    let hints = system.and_then(|system| system.hint_faults.as_ref()?.matrix.as_ref());
    let sampling = match snapshot.host.numa_balancing {
        Some(0) => {
            "NUMA balancing, which samples them, is off: kernel.numa_balancing=1 for a trial"
        }
        None => "the kernel has no NUMA balancing, which samples them",
        Some(_) => "none in this session: the kernel takes some seconds to sample memory; -d 30",
    };
    match hints.filter(|hints| hints.total() > 0) {
        Some(matrix) => checks.matrix(matrix, "accesses", "sampled accesses were remote"),
        None => checks
            .not_checked
            .push(format!("sampled accesses: {sampling}")),
    }
    match system.and_then(|system| system.task_moves.as_ref()?.cross_node) {
        Some(moves) => checks.checked.push(format!(
            "moves: {} of threads between nodes",
            number::plural(moves, "move")
        )),
        None => absent.push("moves of threads"),
    }
    failures(snapshot, &mut checks, &mut absent);
    if !absent.is_empty() {
        checks.not_checked.push(format!(
            "{}: no hook was attached for it; numatrace doctor says why",
            absent.join(", ")
        ));
    }
    checks
}

impl Checks {
    fn matrix(&mut self, matrix: &Matrix, what: &str, remote: &str) {
        self.checked.push(format!(
            "{what}: {} of {} {remote} ({})",
            number::grouped(matrix.off_diagonal()),
            number::grouped(matrix.total()),
            number::percent_sign(share(matrix.off_diagonal(), matrix.total())),
        ));
    }
}

fn allocations(snapshot: &Snapshot, checks: &mut Checks) {
    if snapshot.audit.verdict == Verdict::Failed {
        checks
            .not_checked
            .push("allocations: the audit failed, see its table".to_owned());
    }
    let total = snapshot.alloc_total();
    let counted = total
        .as_ref()
        .and_then(|total| Some((total.allocations()?, total.remote()?)));
    match counted {
        Some((all, remote)) => {
            checks.checked.push(format!(
                "allocations: {} of {} were remote ({})",
                number::grouped(remote),
                number::grouped(all),
                number::percent_sign(share(remote, all))
            ));
            let part = share(remote, all).unwrap_or(0.0);
            if part > NOISE && total.is_some_and(|total| total.remote_by_cause.is_none()) {
                checks.not_checked.push(
                    "why they were remote: the hook that knows is on its fallback or left out; \
                     numatrace doctor says why"
                        .to_owned(),
                );
            }
            if all < ENOUGH {
                checks.not_checked.push(format!(
                    "allocations of a typical moment: {} are few; trace longer (-d 30) or under \
                     load",
                    number::grouped(all)
                ));
            }
        }
        None => checks
            .not_checked
            .push("allocations: numatrace doctor says why".to_owned()),
    }
}

fn placement(snapshot: &Snapshot, checks: &mut Checks) {
    let placement = PlacementKnown::of(snapshot);
    if let Some(mismatch) = placement.mismatch() {
        checks.checked.push(format!(
            "placement: memory and CPU time are {} apart, over programs with {} of the CPU time",
            number::percent_sign(Some(mismatch)),
            number::percent_sign(placement.known()),
        ));
    }
    if !placement.is_known() {
        checks.not_checked.push(format!(
            "where existing memory lies: {}",
            why_unknown(snapshot)
        ));
    }
}

fn failures(snapshot: &Snapshot, checks: &mut Checks, absent: &mut Vec<&str>) {
    if ended_badly(snapshot) {
        let mut killed = snapshot
            .processes
            .iter()
            .filter(|process| was_killed(process));
        let who = killed.next().map(|process| {
            let signal = process.killed_by.unwrap_or_default();
            format!("{} was killed by signal {signal}", words::process(process))
        });
        let who = who.unwrap_or_else(|| "something failed, see Failures".to_owned());
        checks
            .not_checked
            .push(format!("the reason of an end or failure: {who}"));
    } else if let Some(process) = filtered(snapshot) {
        checks.not_checked.push(format!(
            "calls that the seccomp filter of {} refuses: --hooks +policy_seccomp",
            words::process(process)
        ));
    } else if snapshot.failures.is_some() {
        checks.checked.push(
            "failures: no process was killed for memory, no huge page and no call was refused"
                .to_owned(),
        );
    } else {
        absent.push("failures");
    }
}
