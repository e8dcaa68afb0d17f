//! The page cache that the process of a session filled: which files, onto which nodes, and by whom.

use super::page::Page;
use super::processes;
use super::table::Table;
use crate::model::number;
use crate::model::{FilledFile, Process, Snapshot};
use crate::output::escape;

/// Files that are listed; JSON has all.
const FILES: usize = 5;

/// Less page cache than this (1 MiB of small pages) is no news.
const WORTH_SHOWING: u64 = 256;

/// Up to this many nodes, places are shown as one column per node.
const NODES_SIDE_BY_SIDE: usize = 4;

const LEGEND: &str = "filled: pages of files that it brought into the page cache, where they stay for all who use the file after it. \
    calls: by read(2), write(2) and what was read ahead; faults: by using a mapping.";

/// Writes the table, when the process filled any to speak of.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let Some((process, files)) = snapshot
        .focus()
        .and_then(|process| Some((process, process.page_cache.as_ref()?)))
    else {
        return;
    };
    let total = |files: &[FilledFile]| files.iter().map(|file| file.pages.total()).sum::<u64>();
    if total(files) < WORTH_SHOWING {
        return;
    }
    page.section(&format!(
        "Page cache filled by {} ({})",
        processes::name(&process.comm),
        process.pid
    ));
    let (shown, rest) = files.split_at(FILES.min(files.len()));
    page.table(&table(snapshot, process, shown));
    if !rest.is_empty() {
        page.legend(&format!(
            "and {} with {} MiB",
            number::plural(rest.len(), "more file"),
            number::mib(Some(total(rest)), snapshot.host.page_size)
        ));
    }
    page.legend(LEGEND);
}

fn table(snapshot: &Snapshot, process: &Process, files: &[FilledFile]) -> Table {
    let host = &snapshot.host;
    let mib = |pages| number::mib(Some(pages), host.page_size);
    let column =
        |cell: &dyn Fn(&FilledFile) -> String| -> Vec<String> { files.iter().map(cell).collect() };
    let mut table = Table::new(1);
    table.left(
        "file",
        column(&|file| escape::text(file.file.as_bytes()).into_owned()),
    );
    table.right("filled MiB", column(&|file| mib(file.pages.total())));
    if host.nodes.len() <= NODES_SIDE_BY_SIDE {
        for (position, node) in host.nodes.iter().enumerate() {
            table.right(
                format!("on {}", node.node),
                column(&|file| mib(file.pages.by_to().at(position))),
            );
        }
    }
    table.right("calls", column(&|file| mib(file.by_io)));
    table.right("faults", column(&|file| mib(file.by_fault)));
    table.left(
        "by",
        column(&|file| {
            let first = file.by_tid.first();
            let thread = first.and_then(|entry| {
                let mut threads = process.threads.iter();
                threads.find(|thread| thread.tid == entry.tid)
            });
            thread.map_or_else(
                || number::UNKNOWN.into(),
                |thread| format!("{} ({})", processes::name(&thread.comm), thread.tid),
            )
        }),
    );
    table
}
