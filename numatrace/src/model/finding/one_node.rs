//! `one-node`: the machine has a single node, so no placement can be wrong.

use super::fix::{Fix, FixKind};
use super::{Diagnosis, Finding, Severity, caches};
use crate::model::{Alloc, Snapshot, TaskMoves, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "one-node",
    check,
};

const FIX: &str = "look elsewhere: CPU, I/O, locks, memory bandwidth. In a virtual machine, check \
    the host: a guest sees one node unless it is configured with the host's nodes, and the host \
    may move it between them unseen";

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let [node] = snapshot.host.nodes.as_slice() else {
        return Vec::new();
    };
    let memory = node
        .mem_kb
        .map(|kb| format!(" and {} MiB", number::grouped(kb / 1024)))
        .unwrap_or_default();
    let mut evidence = vec![format!(
        "node {} has all {}{memory}",
        node.node,
        number::plural(node.cpus.len(), "CPU")
    )];
    if let Some(total) = snapshot.alloc_total() {
        let local = number::percent_sign(total.remote_share().map(|remote| 1.0 - remote));
        let all = Alloc::allocations(&total).map_or_else(
            || format!("{} allocations", number::UNKNOWN),
            |all| number::plural(all, "allocation"),
        );
        evidence.push(format!("{all}, {local} of them local"));
    }
    let mut fixes = vec![Fix::advice(FixKind::Look, "this machine", FIX)];
    if let Some((moves, fix)) = caches::between(snapshot, moves_of_interest(snapshot)) {
        evidence.push(moves);
        fixes.extend(fix);
    }
    vec![Finding::new(
        DIAGNOSIS.id,
        Severity::Info,
        None,
        "this machine has one node: all of its memory is local, and NUMA is not the problem",
        evidence,
        fixes,
    )]
}

/// Returns the moves of the process that the session is about, else those of the whole system.
fn moves_of_interest(snapshot: &Snapshot) -> Option<&TaskMoves> {
    match snapshot.focus() {
        Some(process) => process.task_moves.as_ref(),
        None => snapshot.system.as_ref()?.task_moves.as_ref(),
    }
}
