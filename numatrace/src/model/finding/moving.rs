//! Task moves for findings: the processes that move most, their rate, and reasons in words.

use std::cmp::Reverse;

use super::fix::{self, Fix, FixKind, Place};
use super::{NAMED, words};
use crate::model::{MoveReason, Process, ProcessKind, Snapshot, TaskMoves, number};

/// Returns programs with their moves, largest count first. `count` returns the moves of a process
/// that matter, `None` for a process that is not concerned.
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

/// Returns whether `count` events in the session are at least so many per second.
pub fn is_frequent(snapshot: &Snapshot, count: u64, per_second: f64) -> bool {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate is compared with a round number"
    )]
    let count = count as f64;
    snapshot.session.duration_s > 0.0 && count / snapshot.session.duration_s >= per_second
}

/// Returns the moves with one of these reasons.
pub fn because(moves: &TaskMoves, reasons: &[MoveReason]) -> u64 {
    moves.by_reason.as_ref().map_or(0, |by_reason| {
        reasons
            .iter()
            .filter_map(|reason| by_reason.get(reason))
            .sum()
    })
}

/// Returns the reason of most moves.
pub fn main_reason(moves: &TaskMoves) -> Option<MoveReason> {
    let by_reason = moves.by_reason.as_ref()?;
    by_reason
        .iter()
        .max_by_key(|(reason, count)| (**count, Reverse(**reason)))
        .map(|(reason, _)| *reason)
}

/// Lists reasons, most moves first: `affinity 200, wakeup 3`.
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

/// Says how to stop moves with a reason.
pub fn way_out(snapshot: &Snapshot, process: &Process, reason: Option<MoveReason>) -> Vec<Fix> {
    let keep = |text: &str| {
        let home = words::home(&snapshot.host, process);
        let start = home.map(|home| fix::start(snapshot, process, &Place::cpus([home]), text));
        start.unwrap_or_default()
    };
    let who = words::process(process);
    match reason {
        Some(MoveReason::Affinity) => {
            let text = "the program, or another one, calls sched_setaffinity on its threads: find \
                        the caller and pin once";
            let mut fixes = vec![
                Fix::advice(FixKind::Unbind, who.as_str(), text)
                    .expecting("its threads stay where they are"),
            ];
            if process.ended != Some(true) {
                let trace = format!("strace -f -k -e trace=sched_setaffinity -p {}", process.pid);
                fixes.push(Fix::look(who, "to see its own calls", &trace));
            }
            fixes
        }
        Some(MoveReason::Cpuset) => vec![Fix::advice(
            FixKind::Machine,
            who,
            "its cpuset changes while it runs: find the process that writes cpuset.cpus of its \
             cgroup",
        )],
        Some(MoveReason::Hotplug) => vec![Fix::advice(
            FixKind::Machine,
            who,
            "its CPUs are taken offline while it runs",
        )],
        Some(MoveReason::RtDl) => keep("a real-time task is pushed from CPU to CPU: pin it"),
        Some(MoveReason::SchedExt) => keep(
            "a BPF scheduler (sched_ext) puts it on other nodes: pin it, or use one that does not",
        ),
        Some(MoveReason::NumaMove | MoveReason::NumaSwap) => {
            let text = "NUMA balancing does not settle: keep threads on the node of their memory";
            let mut fixes = keep(text);
            fixes.push(Fix::balancing_off("switch balancing off and compare"));
            fixes
        }
        _ => {
            let mut fixes = keep("keep it on one node");
            fixes.push(Fix::advice(
                FixKind::Machine,
                who,
                "give it a cpuset of one node's CPUs",
            ));
            fixes
        }
    }
}
