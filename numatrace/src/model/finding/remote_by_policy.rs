//! `remote-by-policy`: a memory policy (bind, interleave, preferred) puts a process's memory away from the CPUs it runs on.
//!
//! Interleaving is remote by design and said as information; a policy that puts the memory on one node while the task runs on
//! another is a warning.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, NAMED, Severity, WORTH_TELLING, interleave_mismatch, words};
use crate::model::matrix::share;
use crate::model::{Alloc, PerNode, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "remote-by-policy",
    check,
};

/// Below this share of its allocations, a policy is a detail of the program and not its placement.
const SHARE: f64 = 0.05;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut concerned: Vec<(u64, &Process, &Alloc)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        // That has a way out of its own.
        .filter(|process| !interleave_mismatch::is_mismatched(process))
        .filter_map(|process| {
            let alloc = process.alloc.as_ref()?;
            let by_policy = alloc.remote_by_cause?.policy;
            let part = share(by_policy, alloc.allocations()?)?;
            (by_policy >= WORTH_TELLING && part >= SHARE).then_some((by_policy, process, alloc))
        })
        .collect();
    concerned.sort_by_key(|(count, process, _)| (Reverse(*count), process.pid));
    // Cut before sentences are made: of ten thousand ranks of one job, the first few say it all.
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
        "{} of its {} allocations ({}) were remote because its memory policy asked for the other node",
        number::grouped(by_policy),
        number::count(alloc.allocations()),
        words::percent(share(by_policy, alloc.allocations()?)),
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
    evidence.push(format!("remote allocations lie {}", placed.join(", ")));
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
            "nothing, if all nodes use this memory alike; a program of one node is faster with: \
             numactl --cpunodebind={there} --membind={there} {command}",
            there = words::node_list(host, home.or_else(|| holding.first().copied())),
        );
        (
            Severity::Info,
            format!("{who} interleaves its memory, so a part of it is remote on purpose"),
            fix,
        )
    } else {
        let list = words::node_list(host, holding.iter().copied());
        let mut fix = format!(
            "run it where its memory is: numactl --cpunodebind={list} --membind={list} {command}"
        );
        if let Some(home) = home.filter(|home| !holding.contains(home)) {
            let home = words::node_list(host, [home]);
            fix.push_str(&format!(
                "; or drop the policy that names {there} (numactl, set_mempolicy or mbind), \
                 and move what is there already: migratepages {} {list} {home}",
                process.pid
            ));
        } else {
            fix.push_str("; or start it without the policy: numactl --localalloc ");
            fix.push_str(&command);
        }
        (
            Severity::Warning,
            format!("{who} runs away from the memory its policy puts on {there}"),
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

/// Nodes with at least this share of the whole.
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

/// Where the process ran: by its time on CPUs when that was measured, else by its local allocations, else, on two nodes with all
/// remote memory on one of them, the other.
fn home(process: &Process, alloc: &Alloc, holding: &[usize]) -> Option<usize> {
    let most = |counts: &PerNode| {
        let (position, count) = counts
            .0
            .iter()
            .enumerate()
            .max_by_key(|(position, count)| (**count, Reverse(*position)))?;
        (*count > 0).then_some(position)
    };
    process
        .run_ns
        .as_ref()
        .and_then(most)
        .or_else(|| alloc.local_node.as_ref().and_then(most))
        .or_else(|| match (holding, alloc.local_node.as_ref()?.0.len()) {
            ([there], 2) => Some(1 - there),
            _ => None,
        })
}
