//! `affinity-split`: the threads of a process are bound to CPUs of several nodes, and its memory is
//! on one of them.

use super::away::{self, Groups};
use super::fix::{self, Fix, FixKind, Memory, Place};
use super::{Diagnosis, Finding, Severity, memory, words};
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
    evidence.extend(memory::most_touched(snapshot, process, |mapping| {
        mapping.at_end().map_or(0, |pages| pages.at(home))
    }));
    let mut fixes = fix::start(
        snapshot,
        process,
        &Place::on([home]),
        "bind threads to the node of the memory that they share",
    );
    fixes.push(
        Fix::program(process, "let each thread touch its own memory first")
            .expecting("each thread's memory is on the node that it is bound to"),
    );
    fixes.push(Fix::advice(
        FixKind::RunCommand,
        words::process(process),
        "run one process per node",
    ));
    fixes.extend(fix::start(
        snapshot,
        process,
        &Place::memory(Memory::Interleave(groups.keys().copied().collect())),
        "spread memory that all threads use",
    ));
    Some(Finding::new(
        DIAGNOSIS.id,
        Severity::Warning,
        Some(process.pid),
        format!(
            "{} has its threads bound to {} and its memory on {here}",
            words::process(process),
            words::nodes(host, groups.keys().copied()),
        ),
        evidence,
        fixes,
    ))
}
