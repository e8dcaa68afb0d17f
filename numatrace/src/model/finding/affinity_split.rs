//! `affinity-split`: the threads of a process are bound to CPUs of several nodes, and its memory lies on one of them.

use std::collections::BTreeMap;

use super::{Diagnosis, Finding, Severity, ran_away, words};
use crate::model::matrix::share;
use crate::model::{BindWhat, MoveReason, Process, ProcessKind, Snapshot, Thread, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "affinity-split",
    check,
};

/// Share of a thread's CPU time on one node from which on it is at home there.
const SETTLED: f64 = 0.9;

/// Share of the process's CPU time that its bound threads spend away from the memory, from which on it is told.
const SHARE: f64 = 0.2;

/// And that much of it, ns.
const LONG: u64 = 100_000_000;

/// Bound threads by the position of the node they ran on: how many, and their CPU time there, ns.
pub type Groups = BTreeMap<usize, (usize, u64)>;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut split: Vec<(u64, &Process, Groups)> = snapshot
        .processes
        .iter()
        .filter_map(|process| {
            let groups = groups(snapshot, process)?;
            Some((away(snapshot, process, &groups)?, process, groups))
        })
        .collect();
    split.sort_by_key(|(away, process, _)| (std::cmp::Reverse(*away), process.pid));
    split.truncate(super::NAMED);
    split
        .into_iter()
        .filter_map(|(away, process, groups)| finding(snapshot, process, away, &groups))
        .collect()
}

/// The bound threads of a process whose affinities split it, by node; `None` for one that is whole.
pub fn groups(snapshot: &Snapshot, process: &Process) -> Option<Groups> {
    process.home_node?;
    if process.kind != ProcessKind::User || ran_away::pages(process) < ran_away::PAGES {
        return None;
    }
    let mut groups = Groups::new();
    for thread in process.threads.iter().filter(|thread| is_bound(thread)) {
        let run = thread.run_ns.as_ref()?;
        let settled = (0..run.0.len())
            .map(|position| (position, run.at(position)))
            .find(|(_, ns)| share(*ns, run.total()).is_some_and(|part| part >= SETTLED));
        if let Some((position, ns)) = settled {
            let (threads, sum) = groups.entry(position).or_default();
            *threads += 1;
            *sum = sum.saturating_add(ns);
        }
    }
    let ran = process.run_ns.as_ref()?.total();
    let away = away(snapshot, process, &groups)?;
    let told = groups.len() > 1 && away >= LONG && share(away, ran)? >= SHARE;
    told.then_some(groups)
}

/// Was it told in the session where to run? Where binds are not seen, its moves tell.
fn is_bound(thread: &Thread) -> bool {
    let told = thread
        .binds
        .iter()
        .any(|bind| matches!(bind.what, BindWhat::Affinity | BindWhat::CpusetCpus));
    let moved = thread
        .task_moves
        .as_ref()
        .and_then(|moves| moves.by_reason.as_ref())
        .and_then(|by_reason| by_reason.get(&MoveReason::Affinity));
    told || moved.is_some_and(|moves| *moves > 0)
}

/// CPU time of bound threads on other nodes than the memory's, ns.
fn away(snapshot: &Snapshot, process: &Process, groups: &Groups) -> Option<u64> {
    let home = snapshot.host.position(process.home_node?)?;
    let others = groups.iter().filter(|(position, _)| **position != home);
    Some(others.map(|(_, (_, ns))| ns).sum())
}

fn finding(snapshot: &Snapshot, process: &Process, away: u64, groups: &Groups) -> Option<Finding> {
    let host = &snapshot.host;
    let home = host.position(process.home_node?)?;
    let here = words::nodes(host, [home]);
    let list = words::node_list(host, [home]);
    let all = words::node_list(host, groups.keys().copied());
    let command = words::command(snapshot, process);
    let parts: Vec<String> = groups
        .iter()
        .map(|(position, (threads, ns))| {
            format!(
                "{} bound to {} ran {} s there",
                number::plural(*threads, "thread"),
                words::nodes(host, [*position]),
                number::seconds(Some(*ns))
            )
        })
        .collect();
    let mut evidence = vec![
        parts.join("; "),
        format!(
            "{} MiB of the {} MiB {} lie on {here}",
            number::mib(Some(ran_away::at_home(process, home)), host.page_size),
            number::mib(Some(ran_away::pages(process)), host.page_size),
            ran_away::known_by(process),
        ),
        format!(
            "{} s of its CPU time were spent bound to a node without that memory",
            number::seconds(Some(away))
        ),
    ];
    let faults = process
        .hint_faults
        .as_ref()
        .and_then(|faults| faults.matrix.as_ref());
    if let Some(far) = faults.and_then(|matrix| share(matrix.off_diagonal(), matrix.total())) {
        evidence.push(format!(
            "{} of its hint faults were remote",
            words::percent(Some(far))
        ));
    }
    Some(Finding {
        id: DIAGNOSIS.id.into(),
        severity: Severity::Warning,
        pid: Some(process.pid),
        title: format!(
            "{} has its threads bound to {} and its memory on {here}",
            words::process(process),
            words::nodes(host, groups.keys().copied()),
        ),
        evidence,
        fix: format!(
            "bind threads that share memory to its node: numactl --cpunodebind={list} --membind={list} {command}; or let each thread touch first \
             what it will use, or run a process for each node; or spread what all use: numactl --interleave={all} {command}"
        ),
    })
}
