//! `first-touch-elsewhere`: memory lies where the thread that touched it first ran, and its users run elsewhere.
//!
//! The commonest NUMA mistake: one thread initialises what all others work on. Page cache and program text are shared by nature and
//! not meant here.

use std::cmp::Reverse;

use super::{
    Diagnosis, Finding, NAMED, Severity, WORTH_TELLING, memory, touched_before_bind, words,
};
use crate::model::matrix::share;
use crate::model::{Mapping, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "first-touch-elsewhere",
    check,
};

/// Below this share of a mapping's pages, a surprise is a detail.
const SHARE: f64 = 0.1;

/// Mappings of a process that are described; the rest is summed.
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
                .filter(|mapping| is_surprising(mapping))
                // That has a cause of its own, which is said instead.
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

/// Enough pages of the mapping have their users elsewhere.
pub fn is_surprising(mapping: &Mapping) -> bool {
    let pages = mapping.surprise_pages.unwrap_or(0);
    let touched = memory::touched(mapping);
    pages >= WORTH_TELLING
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
    let (home, user) = (memory::home(host, first)?, memory::user(host, first)?);
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
            "{} more like that, {} MiB",
            number::plural(rest.len(), "mapping"),
            mib(pages.sum())
        ));
    }
    let moved: u64 = mappings
        .iter()
        .filter_map(|mapping| mapping.hint_faults.as_ref()?.migrated)
        .sum();
    if moved > 0 {
        evidence.push(format!(
            "the NUMA balancer has moved {} MiB after its users meanwhile",
            mib(moved)
        ));
    }
    Some(Finding {
        id: DIAGNOSIS.id.into(),
        severity: Severity::Warning,
        pid: Some(process.pid),
        title: format!(
            "{who} has {} MiB on {there}, where they were touched first, and uses them from {here}",
            mib(pages)
        ),
        evidence,
        fix: format!(
            "let each thread touch first what it will use (parallel initialisation), or initialise on the node of the users: \
             numactl --cpunodebind={to} --membind={to} {command}{rest}; memory that all nodes use alike is best spread: \
             numactl --interleave=all {command}",
            to = words::node_list(host, [user]),
            rest = memory::moving(host, process, mappings, (home, user), pages),
            command = words::command(snapshot, process),
        ),
    })
}
