//! The table of nodes: CPUs, memory, and allocations of their pages.

use super::figures::Figures;
use crate::ids::{NodeId, ranges};
use crate::model::distance;
use crate::model::number;
use crate::model::quantity::{header, headers::NODE_MEMORY, legend};
use crate::model::{Alloc, HostNode, PerNode, Snapshot};
use crate::output::format::{page::Page, table::Table};

/// Most rows: with more nodes, those with most remote allocations are shown and the rest is summed
/// up in one row.
const ROWS: usize = 16;

/// Widest list of CPUs that leaves room for the counts on 80 columns.
const CPU_LIST: usize = 16;

/// Writes the table.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let nodes = &snapshot.host.nodes;
    let total = snapshot.alloc_total();
    let alloc = total.as_ref();
    let at = |counts: Option<&PerNode>, position: usize| counts.map(|counts| counts.at(position));
    let rows: Vec<(&HostNode, Figures, Option<u64>)> = nodes
        .iter()
        .enumerate()
        .map(|(position, node)| {
            let local = at(alloc.and_then(|a| a.local_node.as_ref()), position);
            let remote = at(alloc.and_then(|a| a.other_node.as_ref()), position);
            let figures = Figures {
                allocs: local
                    .zip(remote)
                    .map(|(local, remote)| local.saturating_add(remote)),
                remote,
                missed: at(alloc.and_then(|a| a.numa_miss.as_ref()), position),
                pages: at(alloc.and_then(|a| a.pages.as_ref()), position),
                ..Figures::default()
            };
            (
                node,
                figures,
                at(alloc.and_then(|a| a.numa_foreign.as_ref()), position),
            )
        })
        .collect();

    // An empty node with counts was not empty all the time.
    let counted = |at: &usize| rows[*at].1.allocs.is_some_and(|count| count > 0);
    let mut empty = snapshot.host.empty_nodes();
    empty.retain(|at| !counted(at));
    let mut shown: Vec<usize> = (0..rows.len()).filter(|at| !empty.contains(at)).collect();
    shown.sort_by_key(|position| {
        std::cmp::Reverse((rows[*position].1.remote, rows[*position].1.allocs))
    });
    let hidden = shown.split_off(shown.len().min(ROWS));
    shown.sort_unstable();

    let shown_rows: Vec<_> = shown.iter().map(|position| &rows[*position]).collect();
    let mut names: Vec<String> = shown_rows
        .iter()
        .map(|(node, ..)| node.node.to_string())
        .collect();
    let mut cpus: Vec<String> = shown_rows.iter().map(|(node, ..)| cpus(node)).collect();
    let mut memory: Vec<String> = shown_rows
        .iter()
        .map(|(node, ..)| memory_cell(node.mem_kb))
        .collect();
    let mut figures: Vec<Figures> = shown_rows
        .iter()
        .map(|(_, figures, _)| figures.clone())
        .collect();
    let mut foreign: Vec<Option<u64>> = shown_rows.iter().map(|(.., foreign)| *foreign).collect();
    if !hidden.is_empty() {
        let rest: Vec<_> = hidden.iter().map(|position| &rows[*position]).collect();
        names.push(format!("{} others", rest.len()));
        cpus.push(number::plural(
            rest.iter().map(|(node, ..)| node.cpus.len()).sum::<usize>(),
            "CPU",
        ));
        memory.push(memory_cell(
            rest.iter().try_fold(0_u64, |sum, (node, ..)| {
                Some(sum.saturating_add(node.mem_kb?))
            }),
        ));
        figures.push(Figures::sum(rest.iter().map(|(_, figures, _)| figures)));
        foreign.push(rest.iter().try_fold(0_u64, |sum, (.., foreign)| {
            Some(sum.saturating_add((*foreign)?))
        }));
    }

    page.section(if hidden.is_empty() {
        "Nodes"
    } else {
        "Nodes with most remote allocations"
    });
    let page_size = snapshot.host.page_size;
    let cells = |cell: &dyn Fn(&Figures) -> String| figures.iter().map(cell).collect::<Vec<_>>();
    let mut table = Table::new(1);
    table.right("node", names);
    table.left("CPUs", cpus);
    table.right(NODE_MEMORY.header, memory);
    table.right(
        header("allocations"),
        cells(&|row| number::count(row.allocs)),
    );
    table.right(
        header("other_node"),
        cells(&|row| number::count(row.remote)),
    );
    table.right(header("numa_miss"), cells(&|row| number::count(row.missed)));
    table.right(
        header("numa_foreign"),
        foreign.into_iter().map(number::count).collect(),
    );
    table.right(
        header("pages"),
        cells(&|row| number::mib(row.pages, page_size)),
    );
    page.table(&table);
    page.legend(&format!(
        "Counts are by node of the page{}. {}{}",
        all_remote(alloc) + &by_distance(snapshot),
        legend(&["numa_foreign"]),
        left_out(&empty.iter().map(|at| nodes[*at].node).collect::<Vec<_>>())
    ));
}

/// Says which share of all allocations was remote.
fn all_remote(alloc: Option<&Alloc>) -> String {
    let remote = alloc.and_then(Alloc::remote_share);
    remote.map_or_else(String::new, |remote| {
        format!(
            "; {} of all allocations were remote",
            number::percent_sign(Some(remote))
        )
    })
}

/// Names the nodes without a row.
fn left_out(empty: &[NodeId]) -> String {
    number::empty_nodes(empty).map_or_else(String::new, |empty| format!(" {empty}."))
}

/// Splits remote allocations by distance, where remote nodes are not equally far.
fn by_distance(snapshot: &Snapshot) -> String {
    let system = snapshot.system.as_ref();
    let counts = system.and_then(|system| system.remote_by_distance.as_ref());
    let counts = counts.filter(|counts| counts.values().any(|count| *count > 0));
    counts.map_or_else(String::new, |counts| {
        let parts = distance::sentence(counts, &number::grouped);
        format!("; by distance of the allocating CPU from the page: {parts}")
    })
}

/// Lists the CPUs of a node, or their number when the list is long.
fn cpus(node: &HostNode) -> String {
    let list = ranges(node.cpus.iter().map(|cpu| cpu.0));
    match list.len() {
        0 => "none".into(),
        1..=CPU_LIST => list,
        _ => number::plural(node.cpus.len(), "CPU"),
    }
}

fn memory_cell(kb: Option<u64>) -> String {
    match kb {
        Some(0) => "none".into(),
        kb => number::count(kb.map(|kb| kb / 1024)),
    }
}
