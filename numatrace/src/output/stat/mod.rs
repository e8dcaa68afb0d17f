//! The text of `numatrace stat`: numastat's tables in its layout, with shares and explanations on
//! separate lines.

pub mod counters;
pub mod csv;
pub mod files;
pub mod grid;
pub mod highlight;
pub mod interval;
pub mod kinds;
pub mod memory;
pub mod placement;
pub mod pressure;
pub mod since;

use std::fmt::Write as _;

use crate::ids::NodeId;
use crate::model::number;
use crate::model::stat::Sample;
use crate::model::stat::memory::ProcessMemory;
use crate::output::escape;
use grid::Layout;

/// Form of the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatText {
    /// The six counters in MB (`-n`, or any layout option) instead of numastat's bare integers.
    pub megabytes: bool,
    /// A table per process instead of one row each.
    pub details: bool,
    /// Narrow columns, whole MB.
    pub compact: bool,
    /// Leave out rows and columns of zeros.
    pub nonzero: bool,
    /// Sort rows by their total, or by a node.
    pub sort: Option<SortBy>,
    /// Columns of the terminal; `None` never folds.
    pub width: Option<usize>,
}

/// The column that sorts the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The total column.
    Total,
    /// A node's column.
    Node(NodeId),
}

/// Returns the sections of a sample in numastat's order: processes, memory, counters.
#[must_use]
pub fn render(sample: &Sample, text: &StatText) -> String {
    if let Some(section) = &sample.since {
        return since::render(section, sample, text);
    }
    let mut out = String::new();
    if let Some(section) = &sample.processes {
        out.push_str(&memory::processes(section, sample, text));
        out.push_str(&placement::findings(section));
        section
            .processes
            .iter()
            .for_each(|process| out.push_str(&kinds::process(process, sample, text)));
    }
    if let Some(section) = &sample.cgroup {
        out.push_str(&kinds::cgroup(section, sample, text));
    }
    if let Some(files) = &sample.files {
        out.push_str(&files::render(files, sample, text));
    }
    if let Some(section) = &sample.meminfo {
        out.push_str(&memory::meminfo(section, sample, text));
    }
    if let Some(section) = &sample.pressure {
        // The counters are part of this screen.
        out.push_str(&pressure::render(section, sample, text));
    } else if let Some(section) = &sample.counters {
        out.push_str(&counters::render(section, sample, text));
    }
    if let Some(empty) = number::empty_nodes(&sample.empty_nodes) {
        let _ = writeln!(out, "\n{empty}");
    }
    out
}

impl StatText {
    /// Returns the layout of a table whose columns are the sample's nodes and a total.
    fn layout(&self, sample: &Sample) -> Layout {
        let sort = self.sort.map(|by| match by {
            SortBy::Total => sample.nodes.len(),
            // An unknown node sorts by the total, as in numastat.
            SortBy::Node(node) => sample
                .nodes
                .binary_search(&node)
                .unwrap_or(sample.nodes.len()),
        });
        Layout {
            compact: self.compact,
            nonzero: self.nonzero,
            sort,
            width: self.width,
            rules: true,
        }
    }
}

/// Returns the column headers: `Node 0`, …, `Total`.
fn node_columns(sample: &Sample) -> Vec<String> {
    columns(sample, "Node ")
}

/// Returns the headers of a column for each node and the total. Those of empty nodes are empty, and
/// a grid leaves such columns out.
fn columns(sample: &Sample, noun: &str) -> Vec<String> {
    let nodes = sample.nodes.iter().map(|node| {
        if sample.empty_nodes.contains(node) {
            String::new()
        } else {
            format!("{noun}{node}")
        }
    });
    nodes.chain(["Total".to_owned()]).collect()
}

/// Names a process: `4242 (name)`.
fn label(process: &ProcessMemory) -> String {
    format!(
        "{} ({})",
        process.pid,
        escape::text(process.comm.as_bytes())
    )
}
