//! The six counters as text: numastat's bare integers, or its MB; then the shares, and what each row means.

use super::grid::{Cell, Grid, Layout, Row};
use super::{StatText, node_columns};
use crate::model::stat::Sample;
use crate::model::stat::counters::{CounterSection, CounterView, NAMES};

/// What the rows count. It must not contain a counter's name: scripts look for the rows by it.
const MEANING: &str = "\
hit         wanted this node and got it
miss        wanted another node and got this one (that one was full)
foreign     wanted this node and got another
interleave  interleaving wanted this node and got it
local       from this node, to its own CPUs
other       from this node, to CPUs of other nodes: these are the remote ones
";

/// The table and the lines under it.
#[must_use]
pub fn render(section: &CounterSection, sample: &Sample, text: &StatText) -> String {
    let mut out = if text.megabytes {
        megabytes(section, sample, text)
    } else {
        integers(section, sample, text)
    };
    if section.counting == Some(false) {
        out.push_str("\nvm.numa_stat is 0: the kernel counts nothing. sysctl vm.numa_stat=1 starts the counters.\n");
        return out;
    }
    out.push('\n');
    out.push_str(&shares(section, sample, text));
    out.push('\n');
    out.push_str(MEANING);
    out.push_str(if text.megabytes {
        "Allocations, each taken for one page as numastat does: a huge page counts as one, so MB are too few with huge pages.\n"
    } else {
        "Counts of allocations since boot, not of pages (a huge page is one) and not of accesses.\n"
    });
    out
}

/// numastat without options: lower-case names, integers, no dashes.
fn integers(section: &CounterSection, sample: &Sample, text: &StatText) -> String {
    let columns = sample
        .nodes
        .iter()
        .map(|node| format!("node{node}"))
        .chain(["Total".to_owned()])
        .collect();
    let grid = Grid {
        columns,
        rows: rows(section, str::to_owned, integer),
        ..Grid::default()
    };
    grid.render(Layout {
        width: text.width,
        ..Layout::default()
    })
}

fn megabytes(section: &CounterSection, sample: &Sample, text: &StatText) -> String {
    let decimals = if text.compact { 0 } else { 2 };
    let cell = |count: u64| {
        let value = float(count) * float(sample.page_size) / 1_048_576.0;
        Cell {
            text: format!("{value:.decimals$}"),
            value: Some(value),
        }
    };
    let grid = Grid {
        columns: node_columns(sample),
        rows: rows(section, capitalized, cell),
        ..Grid::default()
    };
    format!(
        "\nPer-node numastat info (in MBs):\n{}",
        grid.render(text.layout(sample))
    )
}

fn rows(
    section: &CounterSection,
    label: impl Fn(&str) -> String,
    cell: impl Fn(u64) -> Cell,
) -> Vec<Row> {
    let columns: Vec<Option<[u64; 6]>> = section
        .nodes
        .iter()
        .map(|node| node.map(|node| node.counters.values()))
        .chain([Some(section.total.counters.values())])
        .collect();
    let value =
        |column: &Option<[u64; 6]>, row: usize| column.and_then(|values| values.get(row).copied());
    let row = |(row, name): (usize, &&str)| {
        let cells = columns
            .iter()
            .map(|column| value(column, row).map_or_else(Cell::unknown, &cell))
            .collect();
        Row::new(label(name), cells)
    };
    NAMES.iter().enumerate().map(row).collect()
}

/// Hit and local share per node.
fn shares(section: &CounterSection, sample: &Sample, text: &StatText) -> String {
    let row = |label: &str, share: fn(&CounterView) -> Option<f64>| {
        let views = section
            .nodes
            .iter()
            .map(Option::as_ref)
            .chain([Some(&section.total)]);
        Row::new(
            label,
            views.map(|view| percent(view.and_then(share))).collect(),
        )
    };
    let grid = Grid {
        columns: node_columns(sample),
        rows: vec![
            row("hit share", |view| view.hit_share),
            row("local share", |view| view.local_share),
        ],
        ..Grid::default()
    };
    grid.render(Layout {
        width: text.width,
        compact: text.compact,
        ..Layout::default()
    })
}

/// Shares round down: what is not all is never shown as 100 %.
fn percent(share: Option<f64>) -> Cell {
    share.map_or_else(Cell::unknown, |share| Cell {
        text: format!("{:.2}%", (share * 1e4).floor() / 1e2),
        value: Some(share),
    })
}

fn integer(count: u64) -> Cell {
    Cell {
        text: count.to_string(),
        value: Some(float(count)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shown with two decimals of MB, or only compared"
)]
fn float(count: u64) -> f64 {
    count as f64
}

/// `numa_hit` as numastat writes it in tables of MB: `Numa_Hit`.
fn capitalized(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        })
    });
    words.collect::<Vec<_>>().join("_")
}
