//! Nodes and processes: a row each, both values in a cell.

use super::cells::both;
use crate::ids::Pid;
use crate::model::diff::{Changes, Diff, MatchedBy, ProcessChange};
use crate::model::number;
use crate::output::escape;
use crate::output::text::page::Page;
use crate::output::text::table::Table;

/// Columns: heading and quantity.
type Columns = &'static [(&'static str, &'static str)];

const OF_NODES: Columns = &[
    ("local %", "local_share"),
    ("missed /s", "numa_miss"),
    ("foreign /s", "numa_foreign"),
    ("local accesses %", "local_access_share"),
    ("surprise pages", "surprise_pages"),
    ("pages came /s", "migrated_pages"),
    ("tasks came /s", "cross_node_moves"),
    ("CPU s", "run_s"),
];

const OF_PROCESSES: Columns = &[
    ("allocs /s", "allocations"),
    ("local %", "local_share"),
    ("missed /s", "numa_miss"),
    ("local accesses %", "local_access_share"),
    ("away from users %", "surprise_share"),
    ("migrated /s", "migrated_pages"),
    ("moves /s", "cross_node_moves"),
    ("away %", "away_share"),
];

const LEGEND: &str = "before → after, one value where they are alike; * can be told from chance (p < 0.001) and is large enough to matter; \
     sample sizes are in the JSON (-f json)";

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
    columns(&mut table, OF_NODES, &changes);
    page.table(&table);
}

/// Writes processes that changed, those that came and those that went; the rest is counted.
pub fn write_processes(page: &mut Page<'_>, diff: &Diff, rows: Option<usize>) {
    let shown = |process: &&ProcessChange| {
        let telling = OF_PROCESSES.iter().any(|(_, name)| {
            let change = process.changes.get(name);
            change.is_some_and(|change| change.verdict.is_change())
        });
        telling || process.matched_by.is_none()
    };
    let mut changed: Vec<&ProcessChange> = diff.processes.iter().filter(shown).collect();
    // Those of both sides first: of them something is told.
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
        columns(&mut table, OF_PROCESSES, &changes);
        page.table(&table);
    }
    page.gap();
    page.legend(LEGEND);
    let cut = total - changed.len();
    let same = diff.processes.len() - total;
    let mut rest = Vec::new();
    if cut > 0 {
        rest.push(format!("{cut} more changed (-n shows more rows)"));
    }
    if same > 0 {
        let noun = if same == 1 { "process" } else { "processes" };
        rest.push(format!("{same} other {noun} did not change"));
    }
    if !rest.is_empty() {
        page.legend(&rest.join("; "));
    }
}

/// Adds the columns in which anything was measured.
fn columns(table: &mut Table, columns: Columns, changes: &[&Changes]) {
    for (heading, name) in columns {
        let cells: Vec<String> = changes
            .iter()
            .map(|changes| both(name, changes.get(name)))
            .collect();
        if cells.iter().any(|cell| cell != number::UNKNOWN) {
            table.right(*heading, cells);
        }
    }
}

/// `4242`, `4242 → 5151`, `12 of them`.
fn pids(process: &ProcessChange) -> String {
    let side = |pids: &[Pid]| match pids {
        [] => String::new(),
        [Pid(0)] => number::UNKNOWN.into(),
        [one] => one.to_string(),
        many => format!("{} processes", many.len()),
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
