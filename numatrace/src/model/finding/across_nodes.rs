//! `load-balance-across-nodes` and `woken-across-nodes`: the scheduler's own decisions move threads
//! to other nodes.

use super::fix::{self, Fix, FixKind, Place};
use super::{Diagnosis, Finding, Severity, moving, words};
use crate::model::matrix::share;
use crate::model::{MoveReason, Process, Snapshot, TaskMoves, number};

pub const LOAD_BALANCE: Diagnosis = Diagnosis {
    id: "load-balance-across-nodes",
    check: |snapshot| check(snapshot, &BALANCED),
};

pub const WOKEN: Diagnosis = Diagnosis {
    id: "woken-across-nodes",
    check: |snapshot| check(snapshot, &WOKEN_CASE),
};

/// One of the two cases.
struct Case {
    id: &'static str,
    reasons: &'static [MoveReason],
    says: &'static str,
    why: &'static str,
    fix: &'static str,
}

const BALANCED: Case = Case {
    id: "load-balance-across-nodes",
    reasons: &[MoveReason::LoadBalance, MoveReason::ActiveBalance],
    says: "is pulled to other nodes by load balancing",
    why: "more threads are runnable on one node than it has idle CPUs",
    fix: "use fewer threads per node, or bind each worker to a node",
};

const WOKEN_CASE: Case = Case {
    id: "woken-across-nodes",
    reasons: &[MoveReason::Wakeup],
    says: "wakes up on a different node from the one it slept on",
    why: "its wakers run on other nodes, or its own CPUs were busy",
    fix: "put threads that wake each other on one node",
};

/// Least moves: fewer happen at start-up.
const FEW: u64 = 100;

/// Least moves per second.
const RATE: f64 = 10.0;

/// Least share of all cross-node moves.
const MOST: f64 = 0.5;

fn check(snapshot: &Snapshot, case: &Case) -> Vec<Finding> {
    let movers = moving::most(snapshot, |_, moves| {
        let count = moving::because(moves, case.reasons);
        let often = count >= FEW && moving::is_frequent(snapshot, count, RATE);
        (often && share(count, moves.cross_node?)? >= MOST).then_some(count)
    });
    movers
        .into_iter()
        .map(|(count, process, moves)| finding(snapshot, case, process, moves, count))
        .collect()
}

fn finding(
    snapshot: &Snapshot,
    case: &Case,
    process: &Process,
    moves: &TaskMoves,
    count: u64,
) -> Finding {
    let host = &snapshot.host;
    let mut evidence = vec![format!(
        "{} of {} moves between nodes: {}",
        number::grouped(count),
        number::count(moves.cross_node),
        moving::reasons(moves)
    )];
    if let Some(pulled) = moves
        .to_waker
        .filter(|_| case.reasons.contains(&MoveReason::Wakeup))
    {
        evidence.push(format!(
            "in {} of these wake-ups the waker ran on the destination node",
            number::grouped(pulled)
        ));
    }
    evidence.push(case.why.to_owned());
    let home = words::home(host, process);
    let start = home.map(|home| {
        let place = Place::cpus([home]);
        fix::start(snapshot, process, &place, case.fix)
    });
    let mut fixes: Vec<Fix> = start.into_iter().flatten().collect();
    fixes.push(Fix::advice(
        FixKind::Machine,
        words::process(process),
        "give each group of threads a cpuset of one node's CPUs",
    ));
    Finding::new(
        case.id,
        Severity::Info,
        Some(process.pid),
        format!("{} {}", words::process(process), case.says),
        evidence,
        fixes,
    )
}
