//! `stat -m` and `stat -p` as text: numastat's tables in MB, with two decimals or, compact, none.

use std::fmt::Write as _;

use super::grid::{Cell, Grid, Row};
use super::{StatText, label, node_columns, placement};
use crate::model::quantity::float;
use crate::model::stat::Sample;
use crate::model::stat::memory::{MeminfoSection, ProcessMemory, ProcessSection, UNEXPLAINED};

/// Meaning of the one row of `-m` that is not the kernel's.
const UNEXPLAINED_MEANS: &str =
    "in none of the kernel's rows (drivers, pipes, balloons, page pools, vmalloc)";

/// Returns the kernel's rows per node, then the pools of huge pages if there are several sizes.
#[must_use]
pub fn meminfo(section: &MeminfoSection, sample: &Sample, text: &StatText) -> String {
    let rows = section
        .rows
        .iter()
        .map(|row| Row::new(row.name.clone(), cells(&row.kib, text)));
    let grid = Grid {
        columns: node_columns(sample),
        rows: rows.collect(),
        ..Grid::default()
    };
    let mut out = String::from("\nPer-node system memory usage (in MBs):\n");
    out.push_str(&grid.render(text.layout(sample)));
    if section.rows.iter().any(|row| row.name == UNEXPLAINED) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{UNEXPLAINED}: {UNEXPLAINED_MEANS}");
    }
    // With one size, the rows HugePages_… have the same numbers.
    let used = section
        .huge_page_pools
        .iter()
        .any(|pool| pool.total.iter().flatten().any(|&pages| pages > 0));
    if section.huge_page_pools.len() > 1 && used {
        let pools = section.huge_page_pools.iter().flat_map(|pool| {
            let size = page_size(pool.page_kb);
            [
                ("total", &pool.total),
                ("free", &pool.free),
                ("surplus", &pool.surplus),
            ]
            .map(|(what, pages)| Row::new(format!("{size} {what}"), counts(pages)))
        });
        let grid = Grid {
            columns: node_columns(sample),
            rows: pools.collect(),
            ..Grid::default()
        };
        let mut layout = text.layout(sample);
        layout.sort = None;
        out.push_str("\nPer-node huge page pools (in pages):\n");
        out.push_str(&grid.render(layout));
    }
    out
}

/// Returns the categories of one process; for several, a row each, or with `-v` a table each.
#[must_use]
pub fn processes(section: &ProcessSection, sample: &Sample, text: &StatText) -> String {
    let mut out = String::new();
    match section.processes.as_slice() {
        [] => {}
        [one] => detail(&mut out, one, sample, text),
        several if text.details => several
            .iter()
            .for_each(|process| detail(&mut out, process, sample, text)),
        several => {
            let mut totals = vec![0u64; sample.nodes.len()];
            let mut rows = Vec::with_capacity(several.len());
            for process in several {
                let kib = process.numastat.totals();
                for (sum, kib) in totals.iter_mut().zip(&kib) {
                    *sum = sum.saturating_add(*kib);
                }
                rows.push(Row::new(label(process), known_cells(&kib, text)));
            }
            let footer = Some(Row::new("Total", known_cells(&totals, text)));
            let grid = Grid {
                corner: "PID".to_owned(),
                columns: node_columns(sample),
                rows,
                footer,
                ..Grid::default()
            };
            out.push_str("\nPer-node process memory usage (in MBs)\n");
            out.push_str(&grid.render(text.layout(sample)));
            out.push_str(&placement::table(several, sample, text));
        }
    }
    out
}

fn detail(out: &mut String, process: &ProcessMemory, sample: &Sample, text: &StatText) {
    let rows = process
        .numastat
        .rows()
        .map(|(name, kib)| Row::new(name, known_cells(kib, text)));
    let footer = Some(Row::new(
        "Total",
        known_cells(&process.numastat.totals(), text),
    ));
    let grid = Grid {
        columns: node_columns(sample),
        rows: rows.to_vec(),
        footer,
        ..Grid::default()
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "\nPer-node process memory usage (in MBs) for PID {}",
        label(process)
    );
    out.push_str(&grid.render(text.layout(sample)));
    out.push_str(&placement::lines(process, sample));
}

/// Returns sizes in KiB per node, and their sum, as MB.
fn cells(kib: &[Option<u64>], text: &StatText) -> Vec<Cell> {
    let total = kib
        .iter()
        .flatten()
        .fold(0u64, |sum, &kib| sum.saturating_add(kib));
    kib.iter()
        .map(|kib| kib.map_or_else(Cell::unknown, |kib| mebibytes(kib, text)))
        .chain([mebibytes(total, text)])
        .collect()
}

pub(super) fn known_cells(kib: &[u64], text: &StatText) -> Vec<Cell> {
    let total = kib.iter().fold(0u64, |sum, &kib| sum.saturating_add(kib));
    kib.iter()
        .chain([&total])
        .map(|&kib| mebibytes(kib, text))
        .collect()
}

pub(super) fn mebibytes(kib: u64, text: &StatText) -> Cell {
    Cell::mib(float(kib), if text.compact { 0 } else { 2 })
}

fn counts(pages: &[Option<u64>]) -> Vec<Cell> {
    let total = pages.iter().flatten().sum();
    pages
        .iter()
        .map(|pages| pages.map_or_else(Cell::unknown, Cell::count))
        .chain([Cell::count(total)])
        .collect()
}

/// Formats the size of a huge page: `2MB`, `1GB`, `64kB`.
fn page_size(kib: u64) -> String {
    match kib {
        kib if kib >= 1 << 20 && kib % (1 << 20) == 0 => format!("{}GB", kib >> 20),
        kib if kib >= 1 << 10 && kib % (1 << 10) == 0 => format!("{}MB", kib >> 10),
        kib => format!("{kib}kB"),
    }
}
