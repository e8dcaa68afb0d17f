//! Arguments of `numatrace export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Convert a session for other tools: Perfetto, flame graphs, CSV, JSON.
///
/// Takes a recording (record -o FILE) or a JSON report (trace -f json -o FILE); one with intervals
/// exports the reports of its intervals. `-` is a report on standard input.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Recording or report
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Format to convert it to
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub to: To,

    /// Unit of folded stacks and flame graphs
    #[arg(long, value_enum, default_value_t)]
    pub weight: Weight,

    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A format that other tools read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// Trace for ui.perfetto.dev: counters per node, each thread's node over time, moves as arrows.
    Perfetto,
    /// Folded stacks, split into local and remote.
    Folded,
    /// SVG flame graph of the folded stacks.
    Flamegraph,
    /// One tidy table with one value per line.
    Csv,
    /// Reports of schema numatrace.report/1, one per line.
    Json,
}

/// Unit of folded stacks and flame graphs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Weight {
    /// Base pages touched first: where memory was placed.
    #[default]
    Pages,
    /// NUMA hinting faults: where memory is accessed from.
    Accesses,
}
