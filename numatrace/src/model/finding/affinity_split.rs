//! `affinity-split`: the threads of a process are bound to CPUs of several nodes, and its memory is
//! on one of them.

use super::away::{self, Groups};
use super::{Diagnosis, Finding, Severity, words};
use crate::model::matrix::share;
use crate::model::{Process, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "affinity-split",
    check,
};

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut split: Vec<(u64, &Process, Groups)> = snapshot
        .processes
        .iter()
        .filter_map(|process| {
            let groups = away::bound_apart(snapshot, process)?;
            let away = away::bound_away(snapshot, process, &groups)?;
            Some((away, process, groups))
        })
        .collect();
    split.sort_by_key(|(away, process, _)| (std::cmp::Reverse(*away), process.pid));
    split.truncate(super::NAMED);
    split
        .into_iter()
        .filter_map(|(away, process, groups)| finding(snapshot, process, away, &groups))
        .collect()
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
        words::at_home(host, process, home),
        format!(
            "threads bound to a node without that memory used {} s of CPU time",
            number::seconds(Some(away))
        ),
    ];
    let faults = process
        .hint_faults
        .as_ref()
        .and_then(|faults| faults.matrix.as_ref());
    if let Some(remote) = faults.and_then(|matrix| share(matrix.off_diagonal(), matrix.total())) {
        evidence.push(format!(
            "{} of its sampled accesses were remote",
            number::percent_sign(Some(remote))
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
            "bind threads to the node of the memory that they share: \
             numactl --cpunodebind={list} --membind={list} {command}; \
             or let each thread touch its own memory first, or run one process per node; \
             or spread memory that all threads use: numactl --interleave={all} {command}"
        ),
    })
}
