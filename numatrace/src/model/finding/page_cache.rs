//! `page-cache-filled-elsewhere` and `shared-text-remote`: files and program text whose pages were
//! brought in on a different node.
//!
//! The process is not to blame: page cache stays on the node where it was first read. These
//! findings need mappings with residency, as sessions about a process have: such pages are neither
//! touched first nor sampled in the session.

use std::cmp::Reverse;

use super::fix::{Fix, FixKind, has_memory, move_pages, shell};
use super::{Diagnosis, Finding, NAMED, Severity, words};
use crate::model::matrix::share;
use crate::model::{Mapping, MappingKind, Name, Process, ProcessKind, Snapshot, number};

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

/// Least pages of a file on other nodes, 4 MiB: smaller files and programs live in the caches of a
/// CPU once they are in use.
const LARGE: u64 = 1_024;

/// Least share of a file's pages on other nodes: with less, files are normal.
const SHARE: f64 = 0.5;

/// Types of file systems whose pages are their files.
const NO_DISK: [&str; 4] = ["tmpfs", "ramfs", "rootfs", "devtmpfs"];

/// Moves reach what no dropping does.
const WHILE_IT_RUNS: &str = "while it runs, move its pages, also those that are mapped, locked, \
                             dirty or on tmpfs; others that use the file find them there, too";

fn check(snapshot: &Snapshot, text: bool) -> Vec<Finding> {
    let mut found: Vec<(u64, &Process, &Mapping, usize)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        .filter_map(|process| {
            let ran = process.run_ns.as_ref()?;
            let home = ran.most()?;
            let stays = share(ran.at(home), ran.total()).is_some_and(|part| part >= AT_HOME);
            // A node without memory has no page cache to have the file in.
            (stays && has_memory(&snapshot.host, home)).then_some((process, home))
        })
        .flat_map(|(process, home)| {
            let mappings = process.mappings.iter();
            mappings.filter_map(move |mapping| {
                let pages = mapping.residency.as_ref()?;
                let elsewhere = pages.total().saturating_sub(pages.at(home));
                let matters = mapping.kind == MappingKind::File
                    && mapping.name.as_bytes().ends_with(b" text") == text
                    && elsewhere >= LARGE
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
    let away: Vec<usize> = (0..host.nodes.len())
        .filter(|position| *position != home && pages.at(*position) > 0)
        .collect();
    let there = words::nodes(host, away.iter().copied());
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
    let again = ReadAgain {
        process,
        mapping,
        here: &here,
        list: &words::node_list(host, [home]),
    };
    let (id, what, fixes) = if text {
        (SHARED_TEXT.id, "executes", of_text(&again))
    } else {
        let moved = move_pages(host, process, (&away, home), WHILE_IT_RUNS);
        let fixes = moved.into_iter().chain(again.fixes()).collect();
        (FILLED_ELSEWHERE.id, "reads", fixes)
    };
    Some(Finding::new(
        id,
        Severity::Info,
        Some(process.pid),
        format!("{who} runs on {here} and {what} {mib} MiB of {name} from page cache on {there}"),
        evidence,
        fixes,
    ))
}

/// Returns the path of a mapping's file.
fn path(mapping: &Mapping) -> &[u8] {
    let name = mapping.name.as_bytes();
    name.strip_suffix(b" text").unwrap_or(name)
}

fn of_text(again: &ReadAgain<'_>) -> Vec<Fix> {
    let path = Name::from(path(again.mapping));
    let path = path.to_utf8();
    let copies = Fix::advice(
        FixKind::RunCommand,
        words::process(again.process),
        format!(
            "program text has one copy for all nodes: run a separate copy of {path} on each node"
        ),
    );
    let copies = copies.expecting("each node has a copy of its own in page cache");
    std::iter::once(copies).chain(again.fixes()).collect()
}

/// How to have a file in page cache on the node that uses it.
struct ReadAgain<'a> {
    process: &'a Process,
    mapping: &'a Mapping,
    /// The node in words, and for numactl.
    here: &'a str,
    list: &'a str,
}

impl ReadAgain<'_> {
    fn fixes(&self) -> Vec<Fix> {
        let path = path(self.mapping);
        let target = Name::from(path).to_utf8().into_owned();
        if path.ends_with(b" (deleted)") || !path.starts_with(b"/") {
            let who = words::process(self.process);
            let text = format!("no path leads to this file: have {who} read a new one");
            let fix = Fix::advice(FixKind::MovePages, target, text);
            return vec![fix.expecting(self.expected())];
        }
        let kind = self.mapping.file_system.as_deref();
        let mut fixes = Vec::new();
        if kind.is_some_and(|kind| NO_DISK.contains(&kind)) {
            fixes.push(self.copy_anew(path, &target));
            fixes.extend(self.mount_policy().filter(|_| kind == Some("tmpfs")));
        } else {
            fixes.push(self.drop_and_read(path, &target, kind));
        }
        if let Some(word) = word(b"", path, b"") {
            let command = format!("numatrace stat --file {word}");
            fixes.push(Fix::look(target, "where all of it lies", &command));
        }
        fixes
    }

    fn expected(&self) -> String {
        format!("its pages are on {}", self.here)
    }

    /// On a disk the pages can go, because they can come back.
    fn drop_and_read(&self, path: &[u8], target: &str, kind: Option<&str>) -> Fix {
        let unknown = match kind {
            Some(_) => "",
            None => " (on tmpfs nothing drops it: copy it there)",
        };
        let text = format!(
            "while no process has it mapped or locked in memory, write it to its disk, drop it \
             from the page cache and read it again on the node that uses it{unknown}"
        );
        let fix = match [&b""[..], b"if="].map(|start| word(start, path, b"")) {
            [Some(word), Some(from)] => Fix::advice(FixKind::MovePages, target, text)
                .with(format!("sync {word}"))
                .with(format!("dd {from} iflag=nocache count=0"))
                .with(format!(
                    "numactl --cpunodebind={} cat {word} >/dev/null",
                    self.list
                )),
            _ => Fix::advice(
                FixKind::MovePages,
                target,
                format!(
                    "{text} (sync, dd with iflag=nocache; its path has characters that cannot be \
                     printed)"
                ),
            ),
        };
        fix.expecting(self.expected())
    }

    /// Without a disk the pages are the file, so only a new file has new pages.
    fn copy_anew(&self, path: &[u8], target: &str) -> Fix {
        let text = "its file system has no disk, so nothing drops its pages: copy it for the node \
                    that uses it, and have the processes that use it open the copy";
        let fix = Fix::advice(FixKind::MovePages, target, text);
        let fix = match (word(b"", path, b""), word(b"", path, b".new")) {
            (Some(old), Some(new)) => fix
                .with(format!("numactl --membind={} cp -p {old} {new}", self.list))
                .with(format!("mv {new} {old}")),
            _ => fix,
        };
        fix.expecting(self.expected())
    }

    fn mount_policy(&self) -> Option<Fix> {
        let text = format!(
            "mount this tmpfs with mpol=bind:{}, for files that are written from then on",
            self.list
        );
        (!self.list.is_empty()).then(|| Fix::advice(FixKind::Machine, "tmpfs", text))
    }
}

/// Returns a path as a word of a shell, with something in front of it and behind it.
fn word(start: &[u8], path: &[u8], end: &[u8]) -> Option<String> {
    shell::word(&Name::from([start, path, end].concat()))
}

/// Names the process that brought most of the file in on other nodes, if that happened in the
/// session.
fn filler(snapshot: &Snapshot, mapping: &Mapping, home: usize) -> Option<String> {
    let path = path(mapping);
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
