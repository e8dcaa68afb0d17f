//! Page cache filled by the process that a session was about: files, nodes and threads.

use super::processes;
use crate::model::number;
use crate::model::quantity::headers::{FILLED, FILLED_BY_CALLS, FILLED_BY_FAULTS, legend_of_parts};
use crate::model::{FilledFile, Process, Snapshot};
use crate::output::escape;
use crate::output::format::{NODES_SIDE_BY_SIDE, page::Page, table::Table};

/// Files that are listed; the JSON report has all.
const FILES: usize = 5;

/// Least pages for the table: 1 MiB of small ones.
const WORTH_SHOWING: u64 = 256;

/// Writes the table, when the process filled enough.
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
        "Page cache filled by {}",
        processes::with_pid(process)
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
    page.legend(&legend_of_parts(&[
        FILLED,
        FILLED_BY_CALLS,
        FILLED_BY_FAULTS,
    ]));
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
    table.right(FILLED.header, column(&|file| mib(file.pages.total())));
    if host.nodes.len() <= NODES_SIDE_BY_SIDE {
        for (position, node) in host.nodes.iter().enumerate() {
            table.right(
                format!("on {}", node.node),
                column(&|file| mib(file.pages.by_to().at(position))),
            );
        }
    }
    table.right(FILLED_BY_CALLS.header, column(&|file| mib(file.by_io)));
    table.right(FILLED_BY_FAULTS.header, column(&|file| mib(file.by_fault)));
    let first = |file: &FilledFile| Some(file.by_tid.first()?.tid);
    table.left(
        "by",
        column(&|file| processes::thread(process, first(file))),
    );
    table
}
