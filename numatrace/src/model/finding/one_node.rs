//! `one-node`: the machine has a single node, so no placement can be wrong.

use super::{Diagnosis, Finding, Severity};
use crate::model::{Alloc, Snapshot, number};

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
        evidence.push(format!(
            "{} allocations, {local} of them local",
            number::count(Alloc::allocations(&total))
        ));
    }
    vec![Finding {
        id: DIAGNOSIS.id.into(),
        severity: Severity::Info,
        pid: None,
        title: "this machine has one node: all of its memory is local, and NUMA is not the problem"
            .into(),
        evidence,
        fix: FIX.into(),
    }]
}
