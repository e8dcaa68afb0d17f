//! `remote-by-policy`: a memory policy (bind, interleave, preferred) places a process's memory on a
//! different node from its CPUs.
//!
//! Interleaving is remote by design, so it is information; a policy that places the memory on one
//! node while the task runs on a different one is a warning.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, NAMED, Severity, WORTH_REPORTING, interleave_mismatch, words};
use crate::model::matrix::share;
use crate::model::{Alloc, PerNode, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "remote-by-policy",
    check,
};

/// Least share of the allocations: below it, the policy covers only a detail of the program.
const SHARE: f64 = 0.05;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut concerned: Vec<(u64, &Process, &Alloc)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        // A mismatch of interleaving has a finding of its own.
        .filter(|process| !interleave_mismatch::is_mismatched(process))
        .filter_map(|process| {
            let alloc = process.alloc.as_ref()?;
            let by_policy = alloc.remote_by_cause?.policy;
            let part = share(by_policy, alloc.allocations()?)?;
            (by_policy >= WORTH_REPORTING && part >= SHARE).then_some((by_policy, process, alloc))
        })
        .collect();
    concerned.sort_by_key(|(count, process, _)| (Reverse(*count), process.pid));
    // Truncated before sentences are written: a job can have ten thousand such ranks.
    concerned.truncate(NAMED);
    concerned
        .into_iter()
        .filter_map(|(by_policy, process, alloc)| finding(snapshot, process, alloc, by_policy))
        .collect()
}

fn finding(
    snapshot: &Snapshot,
    process: &Process,
    alloc: &Alloc,
    by_policy: u64,
) -> Option<Finding> {
    let host = &snapshot.host;
    let remote = alloc.other_node.as_ref()?;
    let holding = positions(remote, SHARE);
    let interleaved = alloc.interleave_hit.as_ref().map_or(0, PerNode::total);
    let by_interleave = interleaved >= by_policy;
    let who = words::process(process);
    let there = words::nodes(host, holding.iter().copied());
    let command = words::command(snapshot, process);

    let mut evidence = vec![format!(
        "{} of its {} allocations ({}) were remote because its memory policy chose the node",
        number::grouped(by_policy),
        number::count(alloc.allocations()),
        number::percent_sign(share(by_policy, alloc.allocations()?)),
    )];
    let placed: Vec<String> = holding
        .iter()
        .map(|position| {
            format!(
                "{} on {}",
                number::grouped(remote.at(*position)),
                words::nodes(host, [*position])
            )
        })
        .collect();
    evidence.push(format!("remote allocations: {}", placed.join(", ")));
    if interleaved > 0 {
        evidence.push(format!(
            "{} allocations were interleaved",
            number::grouped(interleaved)
        ));
    }
    let home = home(process, alloc, &holding);
    if let Some(home) = home {
        evidence.push(format!("it ran mostly on {}", words::nodes(host, [home])));
    }

    let (severity, title, fix) = if by_interleave {
        let fix = format!(
            "none needed if all nodes use this memory; a program that runs on one node is faster with: \
             numactl --cpunodebind={there} --membind={there} {command}",
            there = words::node_list(host, home.or_else(|| holding.first().copied())),
        );
        (
            Severity::Info,
            format!("{who} interleaves its memory, so part of it is remote on purpose"),
            fix,
        )
    } else {
        let list = words::node_list(host, holding.iter().copied());
        let mut fix = format!(
            "run it on the node of its memory: \
             numactl --cpunodebind={list} --membind={list} {command}"
        );
        if let Some(home) = home.filter(|home| !holding.contains(home)) {
            let home = words::node_list(host, [home]);
            fix.push_str(&format!(
                "; or drop the policy for {there} (numactl, set_mempolicy or mbind) \
                 and move existing pages: migratepages {} {list} {home}",
                process.pid
            ));
        } else {
            fix.push_str("; or start it without the policy: numactl --localalloc ");
            fix.push_str(&command);
        }
        (
            Severity::Warning,
            format!("the memory policy of {who} places memory on {there}, away from its CPUs"),
            fix,
        )
    };
    Some(Finding {
        id: DIAGNOSIS.id.into(),
        severity,
        pid: Some(process.pid),
        title,
        evidence,
        fix,
    })
}

/// Returns the positions of nodes with at least this share of the whole.
fn positions(counts: &PerNode, least: f64) -> Vec<usize> {
    let total = counts.total();
    let holds = |count: u64| share(count, total).is_some_and(|part| part >= least);
    counts
        .0
        .iter()
        .enumerate()
        .filter(|(_, count)| holds(**count))
        .map(|(position, _)| position)
        .collect()
}

/// Returns the position of the node that the process ran on: by CPU time when that was measured,
/// else by local allocations, else, on two nodes with all remote memory on one of them, the other.
fn home(process: &Process, alloc: &Alloc, holding: &[usize]) -> Option<usize> {
    process
        .run_ns
        .as_ref()
        .and_then(PerNode::most)
        .or_else(|| alloc.local_node.as_ref().and_then(PerNode::most))
        .or_else(|| match (holding, alloc.local_node.as_ref()?.0.len()) {
            ([there], 2) => Some(1 - there),
            _ => None,
        })
}
