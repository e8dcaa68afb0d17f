//! What findings about task moves share: which processes move most, how often, and why, in words.

use std::cmp::Reverse;

use super::NAMED;
use crate::model::{MoveReason, Process, ProcessKind, Snapshot, TaskMoves, number};

/// Programs with their moves, those with the largest count first; `count` says how many of a process's moves matter, `None` for a process that is
/// not concerned.
pub fn most(
    snapshot: &Snapshot,
    count: impl Fn(&Process, &TaskMoves) -> Option<u64>,
) -> Vec<(u64, &Process, &TaskMoves)> {
    let mut movers: Vec<(u64, &Process, &TaskMoves)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        .filter_map(|process| {
            let moves = process.task_moves.as_ref()?;
            Some((count(process, moves)?, process, moves))
        })
        .collect();
    movers.sort_by_key(|(count, process, _)| (Reverse(*count), process.pid));
    movers.truncate(NAMED);
    movers
}

/// Is it this often in a second, over the session?
pub fn is_frequent(snapshot: &Snapshot, count: u64, per_second: f64) -> bool {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate is compared with a round number"
    )]
    let count = count as f64;
    snapshot.session.duration_s > 0.0 && count / snapshot.session.duration_s >= per_second
}

/// Moves with one of these reasons.
pub fn because(moves: &TaskMoves, reasons: &[MoveReason]) -> u64 {
    moves.by_reason.as_ref().map_or(0, |by_reason| {
        reasons
            .iter()
            .filter_map(|reason| by_reason.get(reason))
            .sum()
    })
}

/// The reason of most moves.
pub fn main_reason(moves: &TaskMoves) -> Option<MoveReason> {
    let by_reason = moves.by_reason.as_ref()?;
    by_reason
        .iter()
        .max_by_key(|(reason, count)| (**count, Reverse(**reason)))
        .map(|(reason, _)| *reason)
}

/// `affinity 200, wakeup 3`: reasons, most first.
pub fn reasons(moves: &TaskMoves) -> String {
    let mut all: Vec<(MoveReason, u64)> = moves
        .by_reason
        .iter()
        .flatten()
        .map(|(reason, count)| (*reason, *count))
        .filter(|(_, count)| *count > 0)
        .collect();
    all.sort_by_key(|(reason, count)| (Reverse(*count), *reason));
    let words: Vec<String> = all
        .into_iter()
        .map(|(reason, count)| format!("{} {}", reason.name(), number::grouped(count)))
        .collect();
    words.join(", ")
}

/// What stops moves of one reason.
pub fn way_out(reason: Option<MoveReason>, keep: &str) -> String {
    match reason {
        Some(MoveReason::Affinity) => {
            "the program, or somebody for it, calls sched_setaffinity: find out who (strace -f -e trace=sched_setaffinity), and \
             pin once"
                .to_owned()
        }
        Some(MoveReason::Cpuset) => {
            "its cpuset is being changed while it runs: see who writes cpuset.cpus of its cgroup".to_owned()
        }
        Some(MoveReason::Hotplug) => "CPUs are being taken offline under it".to_owned(),
        Some(MoveReason::RtDl) => format!("a real-time task is pushed from CPU to CPU: pin it: {keep}"),
        Some(MoveReason::NumaMove | MoveReason::NumaSwap) => format!(
            "the NUMA balancer cannot settle: keep threads where their memory is: {keep}, or switch the balancer off for the test: \
             sysctl kernel.numa_balancing=0"
        ),
        _ => format!("keep it on one node: {keep}, or a cpuset of one node's CPUs"),
    }
}
