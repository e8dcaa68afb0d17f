//! Kinds of memory, mappings, threads and cgroups as text.

use std::fmt::Write as _;

use super::grid::{Cell, Grid, Layout, Row};
use super::memory::known_cells;
use super::{StatText, label, node_columns};
use crate::ids::NodeId;
use crate::model::Name;
use crate::model::quantity::{float, header};
use crate::model::stat::Sample;
use crate::model::stat::kinds::{
    CgroupMemory, CgroupRow, CgroupUnit, Kind, KindMemory, MappingMemory, PolicyMemory,
    ProcessKinds, ThreadPlace,
};
use crate::model::stat::memory::ProcessMemory;
use crate::output::escape;
use crate::output::format::size;

/// Returns the tables of one process that numastat does not have.
#[must_use]
pub fn process(process: &ProcessMemory, sample: &Sample, text: &StatText) -> String {
    let mut out = String::new();
    if let Some(kinds) = &process.kinds {
        let _ = writeln!(out, "\nKinds of memory (in MBs) of PID {}", label(process));
        table(&mut out, kinds, sample, text);
        if let Some(mappings) = &kinds.mappings {
            let _ = writeln!(out, "\nMappings (in MBs) of PID {}", label(process));
            mapping_table(&mut out, mappings, sample, text);
        }
    }
    if let Some(threads) = &process.threads {
        let _ = writeln!(out, "\nThreads of PID {}", label(process));
        thread_table(&mut out, threads, process, sample, text);
    }
    out
}

fn table(out: &mut String, kinds: &ProcessKinds, sample: &Sample, text: &StatText) {
    let kind = |kind: &KindMemory| Row {
        tail: policies(kind),
        ..Row::new(kind.kind.name(), known_cells(&kind.kib, text))
    };
    let mut totals = vec![0u64; sample.nodes.len()];
    for kib in kinds.kinds.iter().map(|kind| &kind.kib) {
        totals
            .iter_mut()
            .zip(kib)
            .for_each(|(sum, kib)| *sum = sum.saturating_add(*kib));
    }
    let grid = Grid {
        columns: node_columns(sample),
        tail: "policy".to_owned(),
        rows: kinds.kinds.iter().map(kind).collect(),
        footer: Some(Row::new("Total", known_cells(&totals, text))),
        ..Grid::default()
    };
    out.push_str(&grid.render(text.layout(sample)));
    let huge: u64 = kinds.thp.kib.iter().sum();
    if huge > 0 {
        let places = sample
            .nodes
            .iter()
            .zip(&kinds.thp.kib)
            .filter(|&(_, &kib)| kib > 0);
        let places: Vec<String> = places
            .map(|(node, &kib)| format!("{} MB on node {node}", mib(kib)))
            .collect();
        let _ = writeln!(
            out,
            "of it in transparent huge pages: {}",
            places.join(", ")
        );
    }
    if kinds.thp.somewhere_kib > 0 {
        let kib = mib(kinds.thp.somewhere_kib);
        let _ = writeln!(
            out,
            "of it in transparent huge pages of mappings on several nodes: {kib} MB (the nodes of \
             these huge pages are unknown)"
        );
    }
}

/// Formats the policies: `default`, or with sizes if there are several:
/// `bind:0 800.00, default 4.00`.
fn policies(kind: &KindMemory) -> String {
    match kind.policies.as_slice() {
        [one] if at_start(kind.kind, &one.policy) => {
            format!(
                "{} at its start; {SEVERAL}",
                escape::text(one.policy.as_bytes())
            )
        }
        [one] => escape::text(one.policy.as_bytes()).into_owned(),
        several => {
            let one = |policy: &PolicyMemory| {
                format!(
                    "{} {}",
                    escape::text(policy.policy.as_bytes()),
                    mib(policy.kib)
                )
            };
            several.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    }
}

/// The remark on a policy of shared memory: numa_maps(5) has the one of its first page.
const SEVERAL: &str = "shared memory may have several";

/// Returns whether the policy is of the first page of shared memory, which can have a different one
/// in each range (mm/shmem.c).
fn at_start(kind: Kind, policy: &Name) -> bool {
    kind == Kind::Shmem && policy.as_bytes() != b"default"
}

fn mapping_table(out: &mut String, mappings: &[MappingMemory], sample: &Sample, text: &StatText) {
    let row = |mapping: &MappingMemory| {
        let huge = if mapping.thp_kib > 0 {
            format!(" thp={}", mib(mapping.thp_kib))
        } else {
            String::new()
        };
        let policy = escape::text(mapping.policy.as_bytes());
        let name = escape::text(mapping.name.as_bytes());
        Row {
            tail: format!("{:<7} {policy:<12}{huge} {name}", mapping.kind.name()),
            ..Row::new(mapping.start.clone(), known_cells(&mapping.kib, text))
        }
    };
    let grid = Grid {
        corner: "Address".to_owned(),
        columns: node_columns(sample),
        tail: format!("{:<7} {:<12} {}", "kind", "policy", "name"),
        rows: mappings.iter().map(row).collect(),
        footer: None,
    };
    out.push_str(&grid.render(text.layout(sample)));
    let mut shared = mappings
        .iter()
        .filter(|mapping| at_start(mapping.kind, &mapping.policy));
    if shared.next().is_some() {
        let _ = writeln!(
            out,
            "Policies of shm mappings are those at their start; {SEVERAL}."
        );
    }
}

/// Writes each thread with its last node, then the memory and the number of threads per node.
fn thread_table(
    out: &mut String,
    threads: &[ThreadPlace],
    process: &ProcessMemory,
    sample: &Sample,
    text: &StatText,
) {
    let row = |thread: &ThreadPlace| {
        let cpu_s = float(thread.cpu_ms) / 1000.0;
        let node = thread
            .node
            .map_or_else(Cell::unknown, |node| Cell::count(u64::from(node.0)));
        let cells = vec![
            Cell::count(u64::from(thread.cpu.0)),
            node,
            Cell {
                text: format!("{cpu_s:.2}"),
                value: Some(cpu_s),
            },
        ];
        Row::new(
            format!("{} ({})", thread.tid, escape::text(thread.comm.as_bytes())),
            cells,
        )
    };
    let grid = Grid {
        corner: "TID".to_owned(),
        columns: ["last CPU".to_owned(), "node".to_owned(), header("run_s")].to_vec(),
        rows: threads.iter().map(row).collect(),
        ..Grid::default()
    };
    out.push_str(&grid.render(Layout {
        rules: true,
        compact: text.compact,
        width: text.width,
        ..Layout::default()
    }));
    let on = |node: &NodeId| {
        threads
            .iter()
            .filter(|thread| thread.node == Some(*node))
            .count()
    };
    let counts: Vec<u64> = sample
        .nodes
        .iter()
        .map(|node| u64::try_from(on(node)).unwrap_or(u64::MAX))
        .collect();
    let total = Cell {
        text: threads.len().to_string(),
        value: None,
    };
    let grid = Grid {
        columns: node_columns(sample),
        rows: vec![
            Row::new(
                "threads",
                counts
                    .iter()
                    .map(|&count| Cell::count(count))
                    .chain([total])
                    .collect(),
            ),
            Row::new(
                "memory (MBs)",
                known_cells(&process.numastat.totals(), text),
            ),
        ],
        ..Grid::default()
    };
    out.push_str(&grid.render(Layout {
        width: text.width,
        compact: text.compact,
        ..Layout::default()
    }));
}

/// Returns the rows of a cgroup: bytes as MB, events as counts.
#[must_use]
pub fn cgroup(cgroup: &CgroupMemory, sample: &Sample, text: &StatText) -> String {
    let mut out = String::new();
    for (unit, title) in [
        (CgroupUnit::Bytes, "memory usage (in MBs)"),
        (CgroupUnit::Events, "events since it was created"),
    ] {
        let cell = |value: u64| match unit {
            CgroupUnit::Bytes => super::memory::mebibytes(value / 1024, text),
            CgroupUnit::Events => Cell::count(value),
        };
        let row = |row: &CgroupRow| {
            let total = row
                .nodes
                .iter()
                .flatten()
                .fold(0u64, |sum, &value| sum.saturating_add(value));
            let cells = row
                .nodes
                .iter()
                .map(|value| value.map_or_else(Cell::unknown, cell));
            Row::new(row.name.clone(), cells.chain([cell(total)]).collect())
        };
        let rows: Vec<Row> = cgroup
            .rows
            .iter()
            .filter(|row| row.unit == unit)
            .map(row)
            .collect();
        if !rows.is_empty() {
            let _ = writeln!(
                out,
                "\nPer-node {title} of cgroup {}",
                escape::text(cgroup.path.as_bytes())
            );
            out.push_str(
                &Grid {
                    columns: node_columns(sample),
                    rows,
                    ..Grid::default()
                }
                .render(text.layout(sample)),
            );
        }
    }
    out
}

fn mib(kib: u64) -> String {
    size::mib(float(kib), 2)
}
