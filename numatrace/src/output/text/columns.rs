//! The columns of processes and threads: what each shows, and the line of legend that explains it.
//!
//! Columns come in groups, each shown when any row has it measured.

use super::figures::Figures;
use super::page::Page;
use super::table::Table;
use crate::model::number::{self, UNKNOWN};
use crate::model::{Host, PerNode, PolicyMode, matrix::share};

/// Up to this many nodes, time is shown as one share per node; beyond, as the node where most of it went.
const NODES_SIDE_BY_SIDE: usize = 4;

const ALLOC_LEGEND: &str = "allocs: requests the page allocator satisfied, numastat's unit; MiB: their size. \
    remote: the page is on another node than the CPU that asked (other_node). \
    missed: the wanted node had none to give (numa_miss).";

const TOUCH_LEGEND: &str = "touched: user memory that came into being because it was used here first; \
    away: put on another node than its user's CPU.";

const HINT_LEGEND: &str =
    "hint faults: the NUMA balancer's sample of memory accesses; far: to a page on another node.";

const UNKNOWN_LEGEND: &str = "-: not measured; the notes on hooks say why.";

/// One column of numbers: its header and its cell.
struct Column {
    header: String,
    words: bool,
    cell: Box<dyn Fn(&Figures) -> String>,
}

fn column(header: &str, cell: impl Fn(&Figures) -> String + 'static) -> Column {
    Column {
        header: header.into(),
        words: false,
        cell: Box::new(cell),
    }
}

/// Columns that are measured together and explained together.
struct Group {
    measured: fn(&Figures) -> bool,
    columns: Vec<Column>,
    legend: String,
}

/// Adds the columns that `rows` have something in, and returns their legend.
pub fn add(table: &mut Table, rows: &[Figures], host: &Host) -> Vec<String> {
    let mut legends = Vec::new();
    let mut unknown = false;
    for group in groups(host) {
        if !rows.iter().any(group.measured) {
            continue;
        }
        for column in group.columns {
            let cells: Vec<String> = rows.iter().map(&column.cell).collect();
            unknown |= cells.iter().any(|cell| cell == UNKNOWN);
            if column.words {
                table.left(column.header, cells);
            } else {
                table.right(column.header, cells);
            }
        }
        legends.push(group.legend);
    }
    if unknown {
        legends.push(UNKNOWN_LEGEND.into());
    }
    legends
}

/// Writes a table and its legend.
pub fn write(page: &mut Page<'_>, table: &Table, legends: &[String]) {
    page.table(table);
    for legend in legends {
        page.legend(legend);
    }
}

fn groups(host: &Host) -> Vec<Group> {
    let page_size = host.page_size;
    vec![
        Group {
            measured: |row| row.allocs.is_some(),
            columns: vec![
                column("allocs", |row| number::count(row.allocs)),
                column("remote", |row| number::count(row.remote)),
                column("remote %", |row| {
                    number::percent(share_of(row.remote, row.allocs))
                }),
                column("missed", |row| number::count(row.missed)),
                Column {
                    words: true,
                    ..column("why remote", why)
                },
                column("MiB", move |row| number::mib(row.pages, page_size)),
            ],
            legend: ALLOC_LEGEND.into(),
        },
        Group {
            measured: |row| row.touched.is_some(),
            columns: vec![
                column("touched MiB", move |row| {
                    number::mib(row.touched, page_size)
                }),
                column("away %", |row| {
                    number::percent(share_of(row.touched_away, row.touched))
                }),
            ],
            legend: TOUCH_LEGEND.into(),
        },
        Group {
            measured: |row| row.hints.is_some(),
            columns: vec![
                column("hint faults", |row| number::count(row.hints)),
                column("far %", |row| {
                    number::percent(share_of(row.hints_far, row.hints))
                }),
            ],
            legend: HINT_LEGEND.into(),
        },
        Group {
            measured: |row| row.migrated.is_some(),
            columns: vec![column("moved MiB", move |row| {
                number::mib(row.migrated, page_size)
            })],
            legend: "moved: its memory that changed the node.".into(),
        },
        Group {
            measured: |row| row.moves.is_some() || row.crossed.is_some(),
            columns: vec![
                column("CPU moves", |row| number::count(row.moves)),
                column("node moves", |row| number::count(row.crossed)),
            ],
            legend: "CPU moves: a thread changed its CPU; node moves: and its node with it.".into(),
        },
        run_time(host),
    ]
}

fn run_time(host: &Host) -> Group {
    let nodes: Vec<u16> = host.nodes.iter().map(|node| node.node.0).collect();
    let mut columns = vec![column("CPU s", |row| {
        number::seconds(row.run_ns.as_ref().map(PerNode::total))
    })];
    if nodes.len() <= NODES_SIDE_BY_SIDE {
        for (position, node) in nodes.into_iter().enumerate() {
            columns.push(column(&format!("% on {node}"), move |row| {
                number::percent(
                    row.run_ns
                        .as_ref()
                        .and_then(|ns| share(ns.at(position), ns.total())),
                )
            }));
        }
        return Group {
            measured: |row| row.run_ns.is_some(),
            columns,
            legend: "CPU s: time on a CPU; % on N: of it on node N.".into(),
        };
    }
    columns.push(Column {
        words: true,
        ..column("mostly on", move |row| mostly_on(row, &nodes))
    });
    Group {
        measured: |row| row.run_ns.is_some(),
        columns,
        legend: "CPU s: time on a CPU; mostly on: the node with most of it.".into(),
    }
}

/// The node with more than half of the time; many nodes with a little each are no place to name.
fn mostly_on(row: &Figures, nodes: &[u16]) -> String {
    let Some(ns) = &row.run_ns else {
        return UNKNOWN.into();
    };
    let busiest = nodes
        .iter()
        .enumerate()
        .max_by_key(|(position, _)| ns.at(*position));
    match busiest.and_then(|(position, node)| Some((node, share(ns.at(position), ns.total())?))) {
        None => String::new(),
        Some((node, most)) if most > 0.5 => {
            format!("node {node} ({} %)", number::percent(Some(most)))
        }
        Some(_) => number::plural(ns.0.iter().filter(|ns| **ns > 0).count(), "node"),
    }
}

fn share_of(part: Option<u64>, whole: Option<u64>) -> Option<f64> {
    share(part?, whole?)
}

/// The largest cause, with its share when there are others; empty when nothing was remote.
fn why(row: &Figures) -> String {
    let Some(causes) = row.causes else {
        return if row.remote == Some(0) {
            String::new()
        } else {
            UNKNOWN.into()
        };
    };
    match causes.ranked().first() {
        None | Some((_, 0)) => String::new(),
        Some((cause, count)) if *count == causes.total() => with_mode(cause, row),
        Some((cause, count)) => {
            format!(
                "{} {} %",
                with_mode(cause, row),
                number::percent(share(*count, causes.total()))
            )
        }
    }
}

/// A cause in words; a policy with the mode that did most of it.
fn with_mode(cause: &str, row: &Figures) -> String {
    let mode = row.modes.iter().max_by_key(|(_, count)| **count);
    match mode {
        Some((mode, _)) if cause == "policy" && *mode != PolicyMode::Unknown => {
            format!("policy ({})", mode.in_words())
        }
        _ => cause_in_words(cause).into(),
    }
}

/// A cause as a person would say it, short enough for a cell.
pub fn cause_in_words(cause: &str) -> &str {
    match cause {
        "policy" => "policy",
        "fallback" => "node full",
        "cpuset" => "cpuset",
        "memoryless" => "no memory there",
        "kernel_node" => "kernel's choice",
        "task_moved" => "task moved",
        _ => "unknown",
    }
}
