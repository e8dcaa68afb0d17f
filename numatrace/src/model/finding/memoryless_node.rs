//! `memoryless-node`: CPUs on a node without memory allocate remotely, all of them, always.
//!
//! The kernel prefers the nearest node with memory for them, so this never shows as a miss:
//! numa_hit grows there, and other_node.

use super::{Diagnosis, Finding, Severity, WORTH_REPORTING, words};
use crate::model::{RemoteByCause, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "memoryless-node",
    check,
};

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let host = &snapshot.host;
    let bare: Vec<usize> = host
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.mem_kb == Some(0) && !node.cpus.is_empty())
        .map(|(position, _)| position)
        .collect();
    if bare.is_empty() || host.nodes.len() < 2 {
        return Vec::new();
    }
    let cpus: usize = bare
        .iter()
        .filter_map(|position| host.nodes.get(*position))
        .map(|node| node.cpus.len())
        .sum();
    let which = words::nodes(host, bare.iter().copied());
    let verb = if bare.len() == 1 { "has" } else { "have" };
    let mut evidence = vec![format!(
        "{which} {verb} {} and no memory",
        number::plural(cpus, "CPU")
    )];
    let nearest: Vec<String> = bare
        .iter()
        .filter_map(|position| {
            Some(format!(
                "nearest memory of {}: {}",
                words::nodes(host, [*position]),
                words::nodes(host, [nearest(snapshot, *position)?])
            ))
        })
        .collect();
    evidence.extend(nearest);
    let total = snapshot
        .alloc_total()
        .and_then(|alloc| alloc.remote_by_cause);
    let counted = total
        .as_ref()
        .map(|causes: &RemoteByCause| causes.memoryless);
    if let Some(counted) = counted {
        evidence.push(format!(
            "{} allocations were remote because of that",
            number::grouped(counted)
        ));
    }
    let whole = host.nodes.iter().enumerate();
    let whole = whole.filter(|(_, node)| node.mem_kb != Some(0) && !node.cpus.is_empty());
    let whole = words::node_list(host, whole.map(|(position, _)| position));
    vec![Finding {
        id: DIAGNOSIS.id.into(),
        severity: if counted.unwrap_or(0) >= WORTH_REPORTING {
            Severity::Warning
        } else {
            Severity::Info
        },
        pid: None,
        title: format!("{which} {verb} CPUs but no memory: every allocation there is remote"),
        evidence,
        fix: format!(
            "run programs that need memory on nodes that have some: \
             numactl --cpunodebind={whole} COMMAND; \
             permanently: populate the node's memory slots, or give the guest's node memory"
        ),
    }]
}

/// Returns the position of the nearest node with memory, by firmware's distances.
fn nearest(snapshot: &Snapshot, from: usize) -> Option<usize> {
    let nodes = &snapshot.host.nodes;
    let distance = nodes.get(from)?.distance.as_ref()?;
    nodes
        .iter()
        .zip(distance)
        .enumerate()
        .filter(|(_, (node, _))| node.mem_kb.is_some_and(|kb| kb > 0))
        .min_by_key(|(position, (_, distance))| (**distance, *position))
        .map(|(position, _)| position)
}
