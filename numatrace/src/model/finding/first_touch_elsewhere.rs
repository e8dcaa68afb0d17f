//! `first-touch-elsewhere`: memory is on the node of the thread that touched it first, and its
//! users run on a different node.
//!
//! This is the most common NUMA mistake: one thread initialises the memory that all others work on.
//! Page cache and program text are shared by design and left out here.

use std::cmp::Reverse;

use super::{
    Diagnosis, Finding, NAMED, Severity, WORTH_REPORTING, memory, touched_before_bind, words,
};
use crate::model::matrix::share;
use crate::model::{Mapping, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "first-touch-elsewhere",
    check,
};

/// Least share of a mapping's pages that are used remotely.
const SHARE: f64 = 0.1;

/// Mappings of a process that are described; the rest is summed up.
const DESCRIBED: usize = 3;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut concerned: Vec<(u64, &Process, Vec<&Mapping>)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        .filter_map(|process| {
            let mut mappings: Vec<&Mapping> = process
                .mappings
                .iter()
                .filter(|mapping| is_used_remotely(mapping))
                // A bind after the touch has a finding of its own.
                .filter(|mapping| touched_before_bind::rebound(process, mapping).is_none())
                .collect();
            mappings.sort_by_key(|mapping| Reverse(mapping.surprise_pages));
            let pages: u64 = mappings.iter().filter_map(|m| m.surprise_pages).sum();
            (!mappings.is_empty()).then_some((pages, process, mappings))
        })
        .collect();
    concerned.sort_by_key(|(pages, process, _)| (Reverse(*pages), process.pid));
    concerned.truncate(NAMED);
    concerned
        .into_iter()
        .filter_map(|(pages, process, mappings)| finding(snapshot, process, &mappings, pages))
        .collect()
}

/// Returns whether enough pages of the mapping are used remotely.
fn is_used_remotely(mapping: &Mapping) -> bool {
    let pages = mapping.surprise_pages.unwrap_or(0);
    let touched = mapping.touched();
    pages >= WORTH_REPORTING
        && (touched == 0 || share(pages, touched).is_some_and(|part| part >= SHARE))
}

fn finding(
    snapshot: &Snapshot,
    process: &Process,
    mappings: &[&Mapping],
    pages: u64,
) -> Option<Finding> {
    let host = &snapshot.host;
    let mib = |pages| number::mib(Some(pages), host.page_size);
    let first = mappings.first()?;
    let (home, user) = (first.home()?, first.user()?);
    let (there, here) = (words::nodes(host, [home]), words::nodes(host, [user]));
    let who = words::process(process);

    let mut evidence = Vec::new();
    for mapping in mappings.iter().take(DESCRIBED) {
        evidence.push(memory::placed(host, process, mapping));
        evidence.push(memory::used(host, process, mapping)?);
        evidence.extend(memory::from_stack(snapshot, mapping));
    }
    if let Some(rest) = mappings.get(DESCRIBED..).filter(|rest| !rest.is_empty()) {
        let pages = rest.iter().filter_map(|mapping| mapping.surprise_pages);
        evidence.push(format!(
            "{} with {} MiB used remotely",
            number::plural(rest.len(), "more mapping"),
            mib(pages.sum())
        ));
    }
    let moved: u64 = mappings
        .iter()
        .filter_map(|mapping| mapping.hint_faults.as_ref()?.migrated)
        .sum();
    if moved > 0 {
        evidence.push(format!(
            "NUMA balancing has since moved {} MiB to its users",
            mib(moved)
        ));
    }
    Some(Finding {
        id: DIAGNOSIS.id.into(),
        severity: Severity::Warning,
        pid: Some(process.pid),
        title: format!(
            "{who} touched {} MiB on {there} first and uses them from {here}",
            mib(pages)
        ),
        evidence,
        fix: format!(
            "let each thread touch its own memory first (parallel initialisation), \
             or initialise on the node of the users: \
             numactl --cpunodebind={to} --membind={to} {command}{rest}; \
             spread memory that all nodes use: numactl --interleave=all {command}",
            to = words::node_list(host, [user]),
            rest = memory::moving(host, process, mappings, (home, user), pages),
            command = words::command(snapshot, process),
        ),
    })
}
