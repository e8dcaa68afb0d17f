//! `ping-pong`: threads go to another node and back, over and over.

use super::{Diagnosis, Finding, Severity, moving, words};
use crate::model::{Process, Snapshot, TaskMoves, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "ping-pong",
    check,
};

/// Fewer returns than these are the scheduler settling.
const FEW: u64 = 20;

/// And they must come this often in a second.
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
        "{} of {} cross-node moves went straight back to the node before",
        number::grouped(back),
        number::count(moves.cross_node),
    )];
    if let Some(stay) = moves.stay_ms {
        evidence.push(format!(
            "they stayed {:.1} ms at the median, {:.1} ms at the shortest",
            stay.median, stay.shortest
        ));
    }
    evidence.push(format!("reasons: {}", moving::reasons(moves)));
    let host = &snapshot.host;
    let node = words::home_list(host, process);
    let keep = format!(
        "numactl --cpunodebind={node} {}",
        words::command(snapshot, process)
    );
    Finding {
        id: DIAGNOSIS.id.into(),
        severity: Severity::Warning,
        pid: Some(process.pid),
        title: format!(
            "{} bounces between nodes: caches and nearby memory are lost each time",
            words::process(process)
        ),
        evidence,
        fix: moving::way_out(moving::main_reason(moves), &keep),
    }
}
