//! `ping-pong`: threads move to a different node and back, over and over.

use super::{Diagnosis, Finding, Severity, moving, words};
use crate::model::{Process, Snapshot, TaskMoves, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "ping-pong",
    check,
};

/// Least returns: fewer happen until the scheduler has settled.
const FEW: u64 = 20;

/// Least returns per second.
const RATE: f64 = 1.0;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let movers = moving::most(snapshot, |_, moves| {
        moves
            .ping_pong
            .filter(|back| *back >= FEW && moving::is_frequent(snapshot, *back, RATE))
    });
    movers
        .into_iter()
        .map(|(back, process, moves)| finding(snapshot, process, moves, back))
        .collect()
}

fn finding(snapshot: &Snapshot, process: &Process, moves: &TaskMoves, back: u64) -> Finding {
    let mut evidence = vec![format!(
        "{} of {} moves between nodes went straight back",
        number::grouped(back),
        number::count(moves.cross_node),
    )];
    if let Some(stay) = moves.stay_ms {
        evidence.push(format!(
            "time until the return: median {:.1} ms, shortest {:.1} ms",
            stay.median, stay.shortest
        ));
    }
    evidence.push(format!("reasons: {}", moving::reasons(moves)));
    Finding::new(
        DIAGNOSIS.id,
        Severity::Warning,
        Some(process.pid),
        format!(
            "{} bounces between nodes and loses its caches and local memory each time",
            words::process(process)
        ),
        evidence,
        moving::way_out(snapshot, process, moving::main_reason(moves)),
    )
}
