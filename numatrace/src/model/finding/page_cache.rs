//! `page-cache-filled-elsewhere` and `shared-text-remote`: files and program text whose pages somebody brought in on another node.
//!
//! Nobody's mistake in the process itself: page cache lies where it was first read, and stays there. Needs `--residency`: such
//! pages are neither touched first nor sampled while we look.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, NAMED, Severity, WORTH_TELLING, memory, words};
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

/// A process runs on one node when this share of its time went there.
const AT_HOME: f64 = 0.8;

/// Less of a file than this elsewhere is how files are.
const SHARE: f64 = 0.5;

fn check(snapshot: &Snapshot, text: bool) -> Vec<Finding> {
    let mut found: Vec<(u64, &Process, &Mapping, usize)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        .filter_map(|process| {
            let ran = process.run_ns.as_ref()?;
            let home = memory::most(ran)?;
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
                    && elsewhere >= WORTH_TELLING
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
    let own = memory::touched(mapping);
    let mut evidence = vec![
        format!(
            "{} of the {} pages of {name} that it has mapped lie on {there} ({})",
            number::grouped(elsewhere),
            number::grouped(pages.total()),
            words::percent(share(elsewhere, pages.total())),
        ),
        format!(
            "it ran on {here} for {} of its time",
            words::percent(share(
                process.run_ns.as_ref()?.at(home),
                process.run_ns.as_ref()?.total()
            ))
        ),
        format!(
            "{} of these pages came in by its own faults in this session; the others were there or somebody else's",
            number::grouped(own.min(pages.total()))
        ),
    ];
    evidence.extend(filler(snapshot, mapping, home));
    let (id, what, fix) = if text {
        (
            SHARED_TEXT.id,
            "runs code",
            format!(
                "program text has one copy for all nodes: run a copy of its own on each node (cp, then numactl --cpunodebind={home} COPY), \
                 or have the first start after a boot or upgrade happen on {here}",
                home = words::node_list(host, [home]),
            ),
        )
    } else {
        (
            FILLED_ELSEWHERE.id,
            "reads page cache",
            format!(
                "drop this file from the page cache and read it again where it is used: \
                 dd of=FILE oflag=nocache conv=notrunc,fdatasync count=0; then numactl --cpunodebind={home} cat FILE >/dev/null",
                home = words::node_list(host, [home]),
            ),
        )
    };
    Some(Finding {
        id: id.into(),
        severity: Severity::Info,
        pid: Some(process.pid),
        title: format!(
            "{who} {what} of {name} that lies on {there}: {mib} MiB, while it runs on {here}"
        ),
        evidence,
        fix,
    })
}

/// Who brought most of the file in elsewhere, if that happened in the session.
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
            "{} of its pages were brought in on other nodes by {} in this session",
            number::grouped(pages),
            words::process(process)
        )
    })
}
