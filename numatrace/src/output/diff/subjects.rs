//! Nodes and processes: one row each, with both values in a cell.

use super::cells::{both, header_of_both};
use crate::ids::Pid;
use crate::model::diff::{Changes, Diff, MatchedBy, ProcessChange};
use crate::model::number;
use crate::output::escape;
use crate::output::format::{page::Page, table::Table};

/// Columns by name of the quantity.
type Columns = &'static [&'static str];

const OF_NODES: Columns = &[
    "local_share",
    "numa_miss",
    "numa_foreign",
    "local_access_share",
    "surprise_pages",
    "migrated_pages",
    "cross_node_moves",
    "run_s",
];

const OF_PROCESSES: Columns = &[
    "allocations",
    "local_share",
    "numa_miss",
    "local_access_share",
    "surprise_share",
    "migrated_pages",
    "cross_node_moves",
    "cross_llc_moves",
    "away_share",
    "placement_mismatch",
];

const LEGEND: &str = "before → after, one value where they are equal; *: significant (p < 0.001) \
    and large enough to matter; sample sizes are in the JSON document (-f json)";

/// Writes the nodes that both machines have.
pub fn write_nodes(page: &mut Page<'_>, diff: &Diff) {
    if diff.nodes.is_empty() {
        return;
    }
    page.section("Nodes");
    let mut table = Table::new(1);
    table.right(
        "node",
        diff.nodes
            .iter()
            .map(|node| node.node.to_string())
            .collect(),
    );
    let changes: Vec<&Changes> = diff.nodes.iter().map(|node| &node.changes).collect();
    columns(&mut table, OF_NODES, &changes, diff);
    page.table(&table);
}

/// Writes processes that changed, new ones and gone ones; the others are counted.
pub fn write_processes(page: &mut Page<'_>, diff: &Diff, rows: Option<usize>) {
    let shown = |process: &&ProcessChange| {
        let changed = OF_PROCESSES.iter().any(|name| {
            let change = process.changes.get(name);
            change.is_some_and(|change| change.verdict.is_change())
        });
        changed || process.matched_by.is_none()
    };
    let mut changed: Vec<&ProcessChange> = diff.processes.iter().filter(shown).collect();
    // Processes of both sides first: only they can be compared.
    changed.sort_by_key(|process| process.matched_by.is_none());
    let total = changed.len();
    changed.truncate(rows.unwrap_or(usize::MAX));
    if !changed.is_empty() {
        page.section("Processes that changed");
        let mut table = Table::new(2);
        table.left("PID", changed.iter().map(|process| pids(process)).collect());
        table.left(
            "process",
            changed.iter().map(|process| name(process)).collect(),
        );
        let changes: Vec<&Changes> = changed.iter().map(|process| &process.changes).collect();
        columns(&mut table, OF_PROCESSES, &changes, diff);
        page.table(&table);
    }
    page.gap();
    page.legend(LEGEND);
    let hidden = total - changed.len();
    let same = diff.processes.len() - total;
    let mut rest = Vec::new();
    if hidden > 0 {
        let hidden = number::plural(hidden, "more process");
        rest.push(format!("{hidden} changed (-n shows more rows)"));
    }
    if same > 0 {
        let same = number::plural(same, "other process");
        rest.push(format!("{same} did not change"));
    }
    if !rest.is_empty() {
        page.legend(&rest.join("; "));
    }
}

/// Adds the columns in which something was measured.
fn columns(table: &mut Table, columns: Columns, changes: &[&Changes], diff: &Diff) {
    let page_size = diff.after.host.page_size;
    for name in columns {
        let cells: Vec<String> = changes
            .iter()
            .map(|changes| both(name, changes.get(name), page_size))
            .collect();
        if cells.iter().any(|cell| cell != number::UNKNOWN) {
            table.right(header_of_both(name), cells);
        }
    }
}

/// Lists PIDs: `4242`, `4242 → 5151`, `12 processes`.
fn pids(process: &ProcessChange) -> String {
    let side = |pids: &[Pid]| match pids {
        [] => String::new(),
        [Pid(0)] => number::UNKNOWN.into(),
        [one] => one.to_string(),
        many => number::plural(many.len(), "process"),
    };
    let (before, after) = (side(&process.before), side(&process.after));
    match (process.matched_by, before == after) {
        (Some(MatchedBy::Pid), _) | (_, true) => after,
        (None, _) => format!("{before}{after}"),
        _ => format!("{before} → {after}"),
    }
}

fn name(process: &ProcessChange) -> String {
    let comm = escape::text(process.comm.as_bytes());
    match (process.before.is_empty(), process.after.is_empty()) {
        (true, false) => format!("{comm} (after only)"),
        (false, true) => format!("{comm} (before only)"),
        _ => comm.into_owned(),
    }
}
