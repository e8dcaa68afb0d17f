//! Changes since a saved reading, as text.

use std::fmt::Write as _;

use super::grid::{Cell, Grid, Row};
use super::{StatText, node_columns};
use crate::model::quantity::{header, headers::HIT_SHARE};
use crate::model::stat::Sample;
use crate::model::stat::counters::{CounterView, NAMES};
use crate::model::stat::since::SinceSection;
use crate::output::escape;
use crate::output::format::size;

/// Returns the growth of the counters with shares, changed rows of memory, and processes then and
/// now.
#[must_use]
pub fn render(section: &SinceSection, sample: &Sample, text: &StatText) -> String {
    let mut out = format!(
        "Since {} ({:.0} s)\n",
        escape::text(section.time.as_bytes()),
        section.seconds
    );
    counters(&mut out, sample, text);
    if !section.meminfo.is_empty() {
        let rows = section
            .meminfo
            .iter()
            .map(|row| Row::new(row.name.clone(), changes(&row.kib)));
        out.push_str("\nChange of memory per node (in MBs)\n");
        out.push_str(
            &Grid {
                columns: node_columns(sample),
                rows: rows.collect(),
                ..Grid::default()
            }
            .render(text.layout(sample)),
        );
    }
    let process = |process: &crate::model::stat::since::ProcessChange| {
        let label = |when: &str| {
            format!(
                "{} ({}) {when}",
                process.pid,
                escape::text(process.comm.as_bytes())
            )
        };
        [
            Row::new(
                label("then"),
                super::memory::known_cells(&process.before_kib, text),
            ),
            Row::new(
                label("now"),
                super::memory::known_cells(&process.now_kib, text),
            ),
        ]
    };
    let rows: Vec<Row> = section.processes.iter().flat_map(process).collect();
    if !rows.is_empty() {
        let mut layout = text.layout(sample);
        // The two rows of a process stay together.
        layout.sort = None;
        out.push_str("\nMemory of processes per node (in MBs)\n");
        out.push_str(
            &Grid {
                columns: node_columns(sample),
                rows,
                ..Grid::default()
            }
            .render(layout),
        );
    }
    if !section.gone.is_empty() {
        let gone: Vec<String> = section.gone.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "\nEnded since then: {}", gone.join(", "));
    }
    out
}

fn counters(out: &mut String, sample: &Sample, text: &StatText) {
    let Some(interval) = sample
        .counters
        .as_ref()
        .and_then(|counters| counters.interval.as_ref())
    else {
        return;
    };
    let views: Vec<Option<&CounterView>> = interval
        .nodes
        .iter()
        .map(Option::as_ref)
        .chain([Some(&interval.total)])
        .collect();
    let mut rows: Vec<Row> = Vec::new();
    for (position, name) in NAMES.iter().enumerate() {
        let count = |view: &CounterView| view.counters.values().get(position).copied();
        let cell = |view: &Option<&CounterView>| {
            view.and_then(count).map_or_else(Cell::unknown, Cell::count)
        };
        rows.push(Row::new(*name, views.iter().map(cell).collect()));
    }
    for (name, share) in [
        (
            HIT_SHARE.header.to_owned(),
            (|view: &CounterView| view.hit_share) as fn(&CounterView) -> Option<f64>,
        ),
        (header("local_share"), |view: &CounterView| view.local_share),
    ] {
        let cell = |view: &Option<&CounterView>| Cell::share(view.and_then(share));
        rows.push(Row::new(name, views.iter().map(cell).collect()));
    }
    out.push_str("\nAllocations since then\n");
    let mut layout = text.layout(sample);
    layout.sort = None;
    out.push_str(
        &Grid {
            columns: node_columns(sample),
            rows,
            ..Grid::default()
        }
        .render(layout),
    );
    if interval.nodes.iter().any(Option::is_none) {
        out.push_str(
            "-: the counters decreased (the machine was restarted, or vm.numa_stat was turned \
             off), or the node is new\n",
        );
    }
}

/// Returns signed MB per node and their sum.
fn changes(kib: &[Option<i64>]) -> Vec<Cell> {
    let total: i64 = kib
        .iter()
        .flatten()
        .fold(0, |sum, kib| sum.saturating_add(*kib));
    kib.iter()
        .chain([&Some(total)])
        .map(|kib| kib.map_or_else(Cell::unknown, change))
        .collect()
}

fn change(kib: i64) -> Cell {
    let kib = size::float(kib);
    Cell {
        text: size::signed_mib(kib),
        value: Some(kib),
    }
}
