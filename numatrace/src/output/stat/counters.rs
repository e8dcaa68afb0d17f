//! The six counters as text: numastat's bare integers or its MB, then shares and the meaning of
//! each row.

use super::grid::{Cell, Grid, Layout, Row};
use super::{StatText, node_columns};
use crate::model::quantity::{float, header, headers::HIT_SHARE};
use crate::model::stat::Sample;
use crate::model::stat::counters::{CounterSection, CounterView, NAMES};

/// Meaning of the rows. It must not contain a counter's name, by which scripts find the rows.
const MEANING: &str = "\
hit         wanted this node and got it
miss        wanted a different node and got this one (that one was full)
foreign     wanted this node and got a different one
interleave  interleaving wanted this node and got it
local       from this node, to its own CPUs
other       from this node, to CPUs of other nodes: these are the remote ones
";

/// Returns the table and the lines below it.
#[must_use]
pub fn render(section: &CounterSection, sample: &Sample, text: &StatText) -> String {
    let mut out = if text.megabytes {
        megabytes(section, sample, text)
    } else {
        integers(section, sample, text)
    };
    if section.counting == Some(false) {
        out.push_str(
            "\nvm.numa_stat is 0: the kernel does not count. sysctl vm.numa_stat=1 turns the \
             counters on.\n",
        );
        return out;
    }
    out.push('\n');
    out.push_str(&shares(section, sample, text));
    out.push('\n');
    out.push_str(MEANING);
    out.push_str(if text.megabytes {
        "Each allocation counts as one page, as in numastat: with huge pages the MB are too low.\n"
    } else {
        "Allocations since boot. A huge page counts as one. Accesses are not counted.\n"
    });
    out
}

/// Returns the table of numastat without options: lower-case names, integers, no dashes.
fn integers(section: &CounterSection, sample: &Sample, text: &StatText) -> String {
    let grid = Grid {
        columns: super::columns(sample, "node"),
        rows: rows(section, str::to_owned, Cell::count),
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
        let kib = float(count) * float(sample.page_size) / 1024.0;
        Cell::mib(kib, decimals)
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

/// Returns hit % and local % per node.
fn shares(section: &CounterSection, sample: &Sample, text: &StatText) -> String {
    let row = |label: String, share: fn(&CounterView) -> Option<f64>| {
        let views = section
            .nodes
            .iter()
            .map(Option::as_ref)
            .chain([Some(&section.total)]);
        Row::new(
            label,
            views
                .map(|view| Cell::share(view.and_then(share)))
                .collect(),
        )
    };
    let grid = Grid {
        columns: node_columns(sample),
        rows: vec![
            row(HIT_SHARE.header.to_owned(), |view| view.hit_share),
            row(header("local_share"), |view| view.local_share),
        ],
        ..Grid::default()
    };
    grid.render(Layout {
        width: text.width,
        compact: text.compact,
        ..Layout::default()
    })
}

/// Returns a name as numastat writes it in tables of MB: `Numa_Hit`.
fn capitalized(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        })
    });
    words.collect::<Vec<_>>().join("_")
}
