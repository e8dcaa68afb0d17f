//! Memory of the process that a session was about: placement, first toucher and remote use of each
//! mapping.

use std::cmp::Reverse;

use super::processes;
use crate::model::matrix::share;
use crate::model::number;
use crate::model::quantity::headers::{MOVED_BACK, legend_of_parts};
use crate::model::quantity::{header, legend};
use crate::model::{Mapping, MappingKind, Matrix, PerNode, Process, Snapshot};
use crate::output::escape;
use crate::output::format::{NODES_SIDE_BY_SIDE, cause, page::Page, table::Table, width};

/// Columns of a mapping's name.
const NAME: usize = 32;

/// Least pages moved back for a column about them: fewer are NUMA balancing at its trials.
const BACK: u64 = 16;

/// Writes the table, when the session was about a process that has mappings.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot, limit: Option<usize>) {
    let Some(process) = snapshot
        .focus()
        .filter(|process| !process.mappings.is_empty())
    else {
        return;
    };
    page.section(&format!("Memory of {}", processes::with_pid(process)));
    let mut mappings: Vec<&Mapping> = process.mappings.iter().collect();
    mappings.sort_by_key(|mapping| {
        (
            Reverse(mapping.surprise_pages),
            Reverse(touched(mapping)),
            Reverse(mapping.accesses().map(Matrix::total)),
            mapping.start,
        )
    });
    let shown = limit.unwrap_or(mappings.len()).min(mappings.len());
    let (shown, rest) = mappings.split_at(shown);
    let back = shown
        .iter()
        .any(|mapping| moved_back(mapping).is_some_and(|pages| pages >= BACK));
    page.table(&table(snapshot, process, shown, back));
    if !rest.is_empty() {
        let pages: u64 = rest.iter().filter_map(|mapping| touched(mapping)).sum();
        page.legend(&format!(
            "and {} with {} MiB touched",
            number::plural(rest.len(), "more mapping"),
            number::mib(Some(pages), snapshot.host.page_size)
        ));
    }
    page.legend(
        "touched: user pages faulted in, by node of the page; by: the thread that touched most.",
    );
    page.legend(&legend(&["remote_access_share", "surprise_pages"]));
    if back {
        page.legend(&legend_of_parts(&[MOVED_BACK]));
    }
}

fn table(snapshot: &Snapshot, process: &Process, mappings: &[&Mapping], back: bool) -> Table {
    let host = &snapshot.host;
    let mib = |pages| number::mib(pages, host.page_size);
    let column = |cell: &dyn Fn(&Mapping) -> String| -> Vec<String> {
        mappings.iter().map(|mapping| cell(mapping)).collect()
    };
    let mut table = Table::new(1);
    table.left(
        "mapping",
        column(&|m| width::shorten_start(&escape::text(m.name.as_bytes()), NAME)),
    );
    table.right("at", column(&|m| format!("{:x}", m.start.0)));
    table.right(header("first_touch_pages"), column(&|m| mib(touched(m))));
    let placed = |m: &Mapping| m.touches().map(Matrix::by_to);
    if host.nodes.len() <= NODES_SIDE_BY_SIDE {
        for (position, node) in host.nodes.iter().enumerate() {
            table.right(
                format!("on {}", node.node),
                column(&|m| mib(placed(m).map(|placed| placed.at(position)))),
            );
        }
    } else {
        table.right(
            "mostly on",
            column(&|m| {
                let most = placed(m).as_ref().and_then(PerNode::most);
                most.and_then(|position| host.nodes.get(position))
                    .map_or_else(|| number::UNKNOWN.into(), |node| node.node.to_string())
            }),
        );
    }
    if mappings.iter().any(|mapping| cause(mapping).is_some()) {
        table.left("why remote", column(&|m| why(snapshot, m)));
    }
    if mappings.iter().any(|mapping| mapping.residency.is_some()) {
        for (position, node) in host.nodes.iter().enumerate().take(NODES_SIDE_BY_SIDE) {
            table.right(
                format!("now on {}", node.node),
                column(&|m| mib(m.residency.as_ref().map(|pages| pages.at(position)))),
            );
        }
    }
    table.left("by", column(&|m| toucher(process, m)));
    table.right(
        header("hint_faults"),
        column(&|m| number::count(m.accesses().map(Matrix::total))),
    );
    table.right(
        header("remote_access_share"),
        column(&|m| {
            let accesses = m.accesses();
            number::percent(accesses.and_then(|m| share(m.off_diagonal(), m.total())))
        }),
    );
    if back {
        table.right(MOVED_BACK.header, column(&|m| mib(moved_back(m))));
    }
    table.right(header("surprise_pages"), column(&|m| mib(m.surprise_pages)));
    table
}

/// Returns who touched most pages: a thread of the process, or a different process.
fn toucher(process: &Process, mapping: &Mapping) -> String {
    let touch = mapping.first_touch.as_ref();
    let thread = touch.and_then(|touch| touch.by_tid.first());
    let other = touch.and_then(|touch| touch.by_others.first());
    match other {
        Some(other) if thread.is_none_or(|thread| thread.pages < other.pages) => {
            processes::toucher(other)
        }
        _ => processes::thread(process, thread.map(|thread| thread.tid)),
    }
}

fn moved_back(mapping: &Mapping) -> Option<u64> {
    Some(mapping.page_migrations.as_ref()?.bounced)
}

fn touched(mapping: &Mapping) -> Option<u64> {
    mapping.touches().map(Matrix::total)
}

/// Returns the cause of most remote pages, and their number.
fn cause(mapping: &Mapping) -> Option<(&'static str, u64)> {
    let causes = mapping.first_touch.as_ref()?.remote_by_cause.as_ref()?;
    let most = causes.ranked().into_iter().next();
    most.filter(|(_, pages)| *pages > 0)
}

fn why(snapshot: &Snapshot, mapping: &Mapping) -> String {
    cause(mapping).map_or_else(String::new, |(cause, pages)| {
        let mib = number::mib(Some(pages), snapshot.host.page_size);
        // Huge pages come from a pool of the node, which can be empty while the node is not full.
        let words = match (mapping.kind, cause) {
            (MappingKind::Hugetlb, "fallback") => "pool empty",
            _ => cause::in_words(cause),
        };
        format!("{words} {mib} MiB")
    })
}
