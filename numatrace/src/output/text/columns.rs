//! The columns of processes and threads, with their legends.
//!
//! Columns come in groups; a group is shown when a row has it measured.

use super::figures::Figures;
use crate::model::number::{self, UNKNOWN};
use crate::model::quantity::{header, legend};
use crate::model::{Host, PerNode, PolicyMode, matrix::share};
use crate::output::format::{NODES_SIDE_BY_SIDE, cause, page::Page, table::Table};

const UNKNOWN_LEGEND: &str = "-: not measured, see \"Missing or lost\".";

/// One column of numbers or words.
struct Column {
    header: String,
    words: bool,
    cell: Box<dyn Fn(&Figures) -> String>,
}

/// A column of a quantity, by name.
fn column(name: &str, cell: impl Fn(&Figures) -> String + 'static) -> Column {
    Column {
        header: header(name),
        words: false,
        cell: Box::new(cell),
    }
}

/// A column of words.
fn words(header: &str, cell: impl Fn(&Figures) -> String + 'static) -> Column {
    Column {
        header: header.into(),
        words: true,
        cell: Box::new(cell),
    }
}

/// Columns that are measured together and explained together.
struct Group {
    measured: fn(&Figures) -> bool,
    columns: Vec<Column>,
    legend: String,
}

/// Adds the columns that `rows` have something in, and returns their legends.
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

/// Writes a table and its legends.
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
                column("allocations", |row| number::count(row.allocs)),
                column("other_node", |row| number::count(row.remote)),
                column("remote_share", |row| percent_of(row.remote, row.allocs)),
                column("numa_miss", |row| number::count(row.missed)),
                words("why remote", why),
                column("pages", move |row| number::mib(row.pages, page_size)),
            ],
            legend: legend(&["allocations", "other_node", "numa_miss"]),
        },
        Group {
            measured: |row| row.touched.is_some(),
            columns: vec![
                column("first_touch_pages", move |row| {
                    number::mib(row.touched, page_size)
                }),
                column("remote_first_touch_share", |row| {
                    percent_of(row.touched_remotely, row.touched)
                }),
            ],
            legend: legend(&["first_touch_pages", "remote_first_touch_share"]),
        },
        Group {
            measured: |row| row.hints.is_some(),
            columns: vec![
                column("hint_faults", |row| number::count(row.hints)),
                column("remote_access_share", |row| {
                    percent_of(row.remote_hints, row.hints)
                }),
            ],
            legend: legend(&["hint_faults", "remote_access_share"]),
        },
        Group {
            measured: |row| row.migrated.is_some(),
            columns: vec![column("migrated_pages", move |row| {
                number::mib(row.migrated, page_size)
            })],
            legend: legend(&["migrated_pages"]),
        },
        Group {
            measured: |row| row.moves.is_some() || row.crossed.is_some(),
            columns: vec![
                column("task_moves", |row| number::count(row.moves)),
                column("cross_node_moves", |row| number::count(row.crossed)),
            ],
            legend: legend(&["task_moves", "cross_node_moves"]),
        },
        Group {
            measured: |row| row.crossed_caches.is_some(),
            columns: vec![column("cross_llc_moves", |row| {
                number::count(row.crossed_caches)
            })],
            legend: legend(&["cross_llc_moves"]),
        },
        run_time(host),
        Group {
            measured: |row| row.placed_ns.is_some(),
            columns: vec![column("placement_mismatch", |row| {
                percent_of(row.misplaced_ns, row.placed_ns)
            })],
            legend: "mismatch %: 0 where its memory (without files) is on the nodes that it runs \
                     on, 100 where all of it is elsewhere."
                .into(),
        },
    ]
}

fn run_time(host: &Host) -> Group {
    let nodes: Vec<u16> = host.nodes.iter().map(|node| node.node.0).collect();
    let mut columns = vec![column("run_s", |row| {
        number::seconds(row.run_ns.as_ref().map(PerNode::total))
    })];
    let measured: fn(&Figures) -> bool = |row| row.run_ns.is_some();
    if nodes.len() > NODES_SIDE_BY_SIDE {
        columns.push(words("mostly on", move |row| mostly_on(row, &nodes)));
        return Group {
            measured,
            columns,
            legend: "CPU s: CPU time; mostly on: the node with most of it.".into(),
        };
    }
    for (position, node) in nodes.into_iter().enumerate() {
        let cell = move |row: &Figures| {
            let ns = row.run_ns.as_ref();
            percent_of(ns.map(|ns| ns.at(position)), ns.map(PerNode::total))
        };
        columns.push(column(&format!("% on {node}"), cell));
    }
    Group {
        measured,
        columns,
        legend: "CPU s: CPU time; % on N: share of it on node N.".into(),
    }
}

/// Names the node with more than half of the time; with a little time on many nodes, their number.
fn mostly_on(row: &Figures, nodes: &[u16]) -> String {
    let Some(ns) = &row.run_ns else {
        return UNKNOWN.into();
    };
    let busiest = ns.most().and_then(|position| {
        let part = share(ns.at(position), ns.total())?;
        Some((nodes.get(position)?, part))
    });
    match busiest {
        None => String::new(),
        Some((node, most)) if most > 0.5 => {
            format!("node {node} ({})", number::percent_sign(Some(most)))
        }
        Some(_) => number::plural(ns.0.iter().filter(|ns| **ns > 0).count(), "node"),
    }
}

/// Returns the cell of a share: empty for a share of nothing, which is not one that was not
/// measured.
fn percent_of(part: Option<u64>, whole: Option<u64>) -> String {
    match (part, whole) {
        (Some(_), Some(0)) => String::new(),
        (part, whole) => number::percent(part.zip(whole).and_then(|(p, w)| share(p, w))),
    }
}

/// Names the largest cause, with its share when there are others; empty when nothing was remote.
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
        Some((cause, count)) => format!(
            "{} {}",
            with_mode(cause, row),
            number::percent_sign(share(*count, causes.total()))
        ),
    }
}

/// Returns a cause in words; a policy with its most frequent mode.
fn with_mode(cause: &str, row: &Figures) -> String {
    let mode = row.modes.iter().max_by_key(|(_, count)| **count);
    match mode {
        Some((mode, _)) if cause == "policy" && *mode != PolicyMode::Unknown => {
            format!("policy ({})", mode.in_words())
        }
        _ => cause::in_words(cause).into(),
    }
}
