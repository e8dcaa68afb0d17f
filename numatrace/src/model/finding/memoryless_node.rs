//! `memoryless-node`: CPUs on a node without memory allocate remotely, all of them, always.
//!
//! The kernel prefers the nearest node with memory for them, so this never shows as a miss:
//! numa_hit grows there, and other_node.

use super::fix::{self, Fix, FixKind, Place};
use super::{Diagnosis, Finding, Severity, WORTH_REPORTING, words};
use crate::model::{Snapshot, number};

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
    let nearest = host.nearest_memory();
    let sentence = |position: &usize| {
        Some(format!(
            "nearest memory of {}: {}",
            words::nodes(host, [*position]),
            words::nodes(host, [nearest.get(*position).copied().flatten()?])
        ))
    };
    evidence.extend(bare.iter().filter_map(sentence));
    // A session about a process asks whether that one suffers; else the machine is the subject.
    let focus = snapshot.focus();
    let total = match focus {
        Some(process) => process.alloc.clone(),
        None => snapshot.alloc_total(),
    };
    let counted = total.as_ref().and_then(|alloc| alloc.remote_by_cause);
    let counted = counted.map(|causes| causes.memoryless);
    let in_pages = total.as_ref().and_then(|alloc| alloc.in_pages.as_ref());
    let pages = in_pages.map(|pages| pages.remote_by_cause.memoryless);
    if let Some(counted) = counted {
        let of = focus.map_or_else(String::new, |process| {
            format!(" of {}", words::process(process))
        });
        evidence.push(format!(
            "{}{of} {} remote because of that",
            number::plural(counted, "allocation"),
            words::were(counted)
        ));
    }
    let whole = host.nodes.iter().enumerate();
    let whole = whole.filter(|(_, node)| node.mem_kb != Some(0) && !node.cpus.is_empty());
    let severity = if pages.or(counted).unwrap_or(0) >= WORTH_REPORTING {
        Severity::Warning
    } else {
        Severity::Info
    };
    let elsewhere = fix::run(
        snapshot,
        focus,
        &Place::cpus(whole.map(|(position, _)| position)),
        "run programs that need memory on nodes that have some",
    );
    let fill = Fix::advice(
        FixKind::Machine,
        which.as_str(),
        "permanently: populate the node's memory slots, or give the guest's node memory",
    )
    .expecting("what is allocated there is local");
    vec![Finding::new(
        DIAGNOSIS.id,
        severity,
        None,
        format!("{which} {verb} CPUs but no memory: every allocation there is remote"),
        evidence,
        elsewhere.into_iter().chain([fill]),
    )]
}
