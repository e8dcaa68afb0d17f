//! `numatrace export`: what can be typed after it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Turn a session into what other tools read: Perfetto, flame graphs, CSV, JSON.
///
/// Takes a recording (record -o FILE) or a JSON report (trace -f json -o FILE), with the reports of its intervals where it has them; `-` is a report
/// on standard input.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// The recording or report
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// What to turn it into
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub to: To,

    /// What folded stacks and flame graphs count
    #[arg(long, value_enum, default_value_t)]
    pub weight: Weight,

    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A form that other tools read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// A trace for ui.perfetto.dev: counters per node, threads' nodes over time, moves as arrows.
    Perfetto,
    /// Folded stacks, split into local and remote.
    Folded,
    /// An SVG flame graph of the folded stacks.
    Flamegraph,
    /// One tidy table: one value a line.
    Csv,
    /// numatrace.report/1, one line each.
    Json,
}

/// What folded stacks and flame graphs count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Weight {
    /// Base pages touched first: where memory was put.
    #[default]
    Pages,
    /// NUMA hinting faults: where memory is used from.
    Accesses,
}
