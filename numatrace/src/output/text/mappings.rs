//! The memory of the process a session was about: what was placed where, by whom, and who uses it.

use std::cmp::Reverse;

use unicode_width::UnicodeWidthChar as _;

use super::columns;
use super::page::Page;
use super::processes;
use super::table::Table;
use crate::model::matrix::share;
use crate::model::number;
use crate::model::{Mapping, Matrix, PerNode, Process, Snapshot};
use crate::output::escape;

/// Columns of a mapping's name: the end of a path says more than its beginning.
const NAME: usize = 32;
/// Up to this many nodes, places are shown as one column per node; beyond, as the node with most.
const NODES_SIDE_BY_SIDE: usize = 4;

/// Pages of a mapping that went to and fro before a column tells of them: fewer are the balancer trying.
const TO_AND_FRO: u64 = 16;

const LEGEND: &str = "touched: memory that came into being because it was used here first, and the nodes it was put on; \
    by: the thread that touched most. far %: of the NUMA balancer's sampled accesses, those to a page on another node. \
    surprise: memory whose users are on another node than its first touch put it on. \
    to and fro: memory that was migrated back to a node it had come from, as often as it was.";

/// Writes the table, when the session was about a process that has any.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot, limit: Option<usize>) {
    let Some(process) = snapshot
        .focus()
        .filter(|process| !process.mappings.is_empty())
    else {
        return;
    };
    page.section(&format!(
        "Memory of {} ({})",
        processes::name(&process.comm),
        process.pid
    ));
    let mut mappings: Vec<&Mapping> = process.mappings.iter().collect();
    mappings.sort_by_key(|mapping| {
        (
            Reverse(mapping.surprise_pages),
            Reverse(touched(mapping)),
            Reverse(faults(mapping)),
            mapping.start,
        )
    });
    let shown = limit.unwrap_or(mappings.len()).min(mappings.len());
    let (shown, rest) = mappings.split_at(shown);
    page.table(&table(snapshot, process, shown));
    if !rest.is_empty() {
        let pages: u64 = rest.iter().filter_map(|mapping| touched(mapping)).sum();
        page.legend(&format!(
            "and {} with {} MiB touched",
            number::plural(rest.len(), "more mapping"),
            number::mib(Some(pages), snapshot.host.page_size)
        ));
    }
    page.legend(LEGEND);
}

fn table(snapshot: &Snapshot, process: &Process, mappings: &[&Mapping]) -> Table {
    let host = &snapshot.host;
    let mib = |pages| number::mib(pages, host.page_size);
    let column = |cell: &dyn Fn(&Mapping) -> String| -> Vec<String> {
        mappings.iter().map(|mapping| cell(mapping)).collect()
    };
    let mut table = Table::new(1);
    table.left("mapping", column(&|m| name(m)));
    table.right("at", column(&|m| format!("{:x}", m.start.0)));
    table.right("touched MiB", column(&|m| mib(touched(m))));
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
                let placed = placed(m).unwrap_or_default();
                let most = placed.0.iter().enumerate().max_by_key(|(_, pages)| **pages);
                most.filter(|(_, pages)| **pages > 0)
                    .and_then(|(position, _)| host.nodes.get(position))
                    .map_or_else(|| number::UNKNOWN.into(), |node| node.node.to_string())
            }),
        );
    }
    if mappings.iter().any(|mapping| cause(mapping).is_some()) {
        table.left("remote by", column(&|m| why(snapshot, m)));
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
    table.right("hint faults", column(&|m| number::count(faults(m))));
    table.right(
        "far %",
        column(&|m| {
            let matrix = m.hint_faults.as_ref().and_then(|h| h.matrix.as_ref());
            number::percent(matrix.and_then(|m| share(m.off_diagonal(), m.total())))
        }),
    );
    if mappings
        .iter()
        .any(|mapping| bounced(mapping).is_some_and(|pages| pages >= TO_AND_FRO))
    {
        table.right("to and fro MiB", column(&|m| mib(bounced(m))));
    }
    table.right("surprise MiB", column(&|m| mib(m.surprise_pages)));
    table
}

/// Pages that migrated back to a node they had come from.
fn bounced(mapping: &Mapping) -> Option<u64> {
    Some(mapping.page_migrations.as_ref()?.bounced)
}

fn touched(mapping: &Mapping) -> Option<u64> {
    Some(mapping.first_touch.as_ref()?.pages.as_ref()?.total())
}

fn placed(mapping: &Mapping) -> Option<PerNode> {
    Some(mapping.first_touch.as_ref()?.pages.as_ref()?.by_to())
}

fn faults(mapping: &Mapping) -> Option<u64> {
    mapping
        .hint_faults
        .as_ref()?
        .matrix
        .as_ref()
        .map(Matrix::total)
}

/// The cause of most of its pages that are remote, and how many have it.
fn cause(mapping: &Mapping) -> Option<(&'static str, u64)> {
    let causes = mapping.first_touch.as_ref()?.remote_by_cause.as_ref()?;
    let most = causes.ranked().into_iter().next();
    most.filter(|(_, pages)| *pages > 0)
}

fn why(snapshot: &Snapshot, mapping: &Mapping) -> String {
    cause(mapping).map_or_else(String::new, |(cause, pages)| {
        let mib = number::mib(Some(pages), snapshot.host.page_size);
        format!("{} {mib}", columns::cause_in_words(cause))
    })
}

/// The thread that touched most of it.
fn toucher(process: &Process, mapping: &Mapping) -> String {
    let first = mapping
        .first_touch
        .as_ref()
        .and_then(|touch| touch.by_tid.first());
    let thread = first.and_then(|entry| {
        process
            .threads
            .iter()
            .find(|thread| thread.tid == entry.tid)
    });
    thread.map_or_else(
        || number::UNKNOWN.into(),
        |thread| format!("{} ({})", processes::name(&thread.comm), thread.tid),
    )
}

/// The name, escaped; a long one loses its beginning.
fn name(mapping: &Mapping) -> String {
    let whole = escape::text(mapping.name.as_bytes());
    let mut used = 0;
    let mut kept: Vec<char> = Vec::new();
    for c in whole.chars().rev() {
        used += c.width().unwrap_or(0);
        if used > NAME {
            kept.pop();
            kept.push('…');
            break;
        }
        kept.push(c);
    }
    kept.into_iter().rev().collect()
}
