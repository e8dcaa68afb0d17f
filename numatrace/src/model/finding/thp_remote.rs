//! `thp-remote`: transparent huge pages that threads of several nodes share. A huge page is on one
//! node as a whole.

use std::cmp::Reverse;

use super::fix::Fix;
use super::{Diagnosis, Finding, NAMED, Severity, memory, words};
use crate::model::matrix::share;
use crate::model::{Mapping, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "thp-remote",
    check,
};

/// Least base pages: two huge pages of 2 MiB.
const ENOUGH: u64 = 1_024;
/// Least share of the sampled accesses for a node to be a user.
const USES: f64 = 0.1;
/// Least share of the sampled accesses that are remote.
const REMOTE: f64 = 0.25;

/// Least sampled accesses for a conclusion.
const SAMPLED: u64 = 100;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found: Vec<(u64, &Process, &Mapping)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        .flat_map(|process| {
            process
                .mappings
                .iter()
                .map(move |mapping| (process, mapping))
        })
        .filter_map(|(process, mapping)| {
            let huge = mapping.first_touch.as_ref()?.thp?;
            let faults = mapping.accesses()?;
            let users = faults.by_from();
            let nodes = users.0.iter();
            let nodes = nodes
                .filter(|count| share(**count, faults.total()).is_some_and(|part| part >= USES))
                .count();
            let remote = share(faults.off_diagonal(), faults.total())?;
            (huge >= ENOUGH
                && faults.total() >= SAMPLED
                && huge * 2 >= mapping.touched()
                && nodes > 1
                && remote >= REMOTE)
                .then_some((huge, process, mapping))
        })
        .collect();
    found.sort_by_key(|(huge, process, _)| (Reverse(*huge), process.pid));
    found.truncate(NAMED);
    found
        .into_iter()
        .filter_map(|(huge, process, mapping)| finding(snapshot, process, mapping, huge))
        .collect()
}

fn finding(
    snapshot: &Snapshot,
    process: &Process,
    mapping: &Mapping,
    huge: u64,
) -> Option<Finding> {
    let host = &snapshot.host;
    let who = words::process(process);
    let place = memory::place(host, mapping);
    let mut evidence = vec![
        memory::placed(host, process, mapping),
        memory::used(host, process, mapping)?,
        format!(
            "{} of its pages are in transparent huge pages, each of which is on one node",
            number::grouped(huge)
        ),
    ];
    evidence.extend(memory::from_stack(snapshot, mapping));
    Some(Finding::new(
        DIAGNOSIS.id,
        Severity::Warning,
        Some(process.pid),
        format!(
            "{who} shares huge pages between nodes: {} MiB of {place}",
            number::mib(Some(huge), host.page_size)
        ),
        evidence,
        [
            Fix::program(
                process,
                "give each thread parts that are aligned to 2 MiB and let it touch them first",
            )
            .expecting("each huge page is on the node of the thread that uses it"),
            Fix::program(
                process,
                "switch huge pages off there: madvise(MADV_NOHUGEPAGE) before the first touch",
            )
            .expecting("its pages are placed one by one"),
        ],
    ))
}
