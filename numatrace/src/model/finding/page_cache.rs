//! `page-cache-filled-elsewhere` and `shared-text-remote`: files and program text whose pages were
//! brought in on a different node.
//!
//! The process is not to blame: page cache stays on the node where it was first read. These
//! findings need `--residency`: such pages are neither touched first nor sampled in the session.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, NAMED, Severity, WORTH_REPORTING, words};
use crate::model::matrix::share;
use crate::model::{Mapping, MappingKind, Process, ProcessKind, Snapshot, number};

pub const FILLED_ELSEWHERE: Diagnosis = Diagnosis {
    id: "page-cache-filled-elsewhere",
    check: |snapshot| check(snapshot, false),
};

pub const SHARED_TEXT: Diagnosis = Diagnosis {
    id: "shared-text-remote",
    check: |snapshot| check(snapshot, true),
};

/// Least share of the CPU time on one node.
const AT_HOME: f64 = 0.8;

/// Least share of a file's pages on other nodes: with less, files are normal.
const SHARE: f64 = 0.5;

fn check(snapshot: &Snapshot, text: bool) -> Vec<Finding> {
    let mut found: Vec<(u64, &Process, &Mapping, usize)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        .filter_map(|process| {
            let ran = process.run_ns.as_ref()?;
            let home = ran.most()?;
            share(ran.at(home), ran.total())
                .is_some_and(|part| part >= AT_HOME)
                .then_some((process, home))
        })
        .flat_map(|(process, home)| {
            let mappings = process.mappings.iter();
            mappings.filter_map(move |mapping| {
                let pages = mapping.residency.as_ref()?;
                let elsewhere = pages.total().saturating_sub(pages.at(home));
                let matters = mapping.kind == MappingKind::File
                    && mapping.name.as_bytes().ends_with(b" text") == text
                    && elsewhere >= WORTH_REPORTING
                    && share(elsewhere, pages.total()).is_some_and(|part| part >= SHARE);
                matters.then_some((elsewhere, process, mapping, home))
            })
        })
        .collect();
    found.sort_by_key(|(pages, process, ..)| (Reverse(*pages), process.pid));
    found.truncate(NAMED);
    found
        .into_iter()
        .filter_map(|(pages, process, mapping, home)| {
            finding(snapshot, process, mapping, (pages, home, text))
        })
        .collect()
}

fn finding(
    snapshot: &Snapshot,
    process: &Process,
    mapping: &Mapping,
    (elsewhere, home, text): (u64, usize, bool),
) -> Option<Finding> {
    let host = &snapshot.host;
    let who = words::process(process);
    let here = words::nodes(host, [home]);
    let pages = mapping.residency.as_ref()?;
    let there: Vec<usize> = (0..host.nodes.len())
        .filter(|position| *position != home && pages.at(*position) > 0)
        .collect();
    let there = words::nodes(host, there);
    let name = mapping.name.to_utf8();
    let mib = number::mib(Some(elsewhere), host.page_size);
    let own = mapping.touched();
    let mut evidence = vec![
        format!(
            "{} of the {} pages of {name} that it has mapped are on {there} ({})",
            number::grouped(elsewhere),
            number::grouped(pages.total()),
            number::percent_sign(share(elsewhere, pages.total())),
        ),
        format!(
            "{} of its CPU time was on {here}",
            number::percent_sign(share(
                process.run_ns.as_ref()?.at(home),
                process.run_ns.as_ref()?.total()
            ))
        ),
        format!(
            "its own faults brought in {} of these pages in this session; the others were there \
             before or came from other processes",
            number::grouped(own.min(pages.total()))
        ),
    ];
    evidence.extend(filler(snapshot, mapping, home));
    let (id, what, fix) = if text {
        (
            SHARED_TEXT.id,
            "executes",
            format!(
                "program text has one copy for all nodes: run a separate copy on each node \
                 (cp, then numactl --cpunodebind={home} COPY), \
                 or start it on {here} first after a boot or upgrade",
                home = words::node_list(host, [home]),
            ),
        )
    } else {
        (
            FILLED_ELSEWHERE.id,
            "reads",
            format!(
                "drop this file from the page cache and read it again on the node that uses it: \
                 dd of=FILE oflag=nocache conv=notrunc,fdatasync count=0; \
                 then numactl --cpunodebind={home} cat FILE >/dev/null",
                home = words::node_list(host, [home]),
            ),
        )
    };
    Some(Finding {
        id: id.into(),
        severity: Severity::Info,
        pid: Some(process.pid),
        title: format!(
            "{who} runs on {here} and {what} {mib} MiB of {name} from page cache on {there}"
        ),
        evidence,
        fix,
    })
}

/// Names the process that brought most of the file in on other nodes, if that happened in the
/// session.
fn filler(snapshot: &Snapshot, mapping: &Mapping, home: usize) -> Option<String> {
    let name = mapping.name.as_bytes();
    let path = name.strip_suffix(b" text").unwrap_or(name);
    let (process, pages) = snapshot
        .processes
        .iter()
        .filter_map(|process| {
            let files = process.page_cache.as_ref()?;
            let file = files.iter().find(|file| file.file.as_bytes() == path)?;
            let placed = file.pages.by_to();
            Some((process, placed.total().saturating_sub(placed.at(home))))
        })
        .max_by_key(|(process, pages)| (*pages, Reverse(process.pid)))?;
    (pages > 0).then(|| {
        format!(
            "{} brought in {} of its pages on other nodes in this session",
            words::process(process),
            number::grouped(pages)
        )
    })
}
