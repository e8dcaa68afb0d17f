//! clap types and help text; nothing else.

pub mod diff;
pub mod doctor;
pub mod events;
pub mod export;
pub mod live;
pub mod record;
pub mod report;
pub mod stat;
pub mod top;
pub mod topology;
pub mod trace;

use std::io::{self, IsTerminal};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

/// Show who placed memory on which NUMA node, and why.
///
/// numastat says how much memory was allocated local and remote; numatrace says which process and thread did it, and proves that
/// its totals are the kernel's own.
#[derive(Parser, Debug)]
#[command(
    name = "numatrace",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do; on a terminal, top when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Trace the machine, some processes or a command, then print a report
    Trace(trace::TraceArgs),
    /// Trace into a recording, to be shown later, elsewhere, or compared
    #[command(mut_arg("output", |output| output
        .required(true)
        .help("Write the recording to this file")))]
    Record(record::RecordArgs),
    /// Show the report of a recording: the very one that its session would have printed
    Report(report::ReportArgs),
    /// Watch processes, nodes, moves and findings on a full screen; the default on a terminal
    Top(top::TopArgs),
    /// Print what happens as it happens: one line per run, move, migration or incident
    Events(events::EventsArgs),
    /// Show what changed between two sessions
    Diff(diff::DiffArgs),
    /// Turn a session into what other tools read: Perfetto, flame graphs, CSV, JSON
    Export(export::ExportArgs),
    /// Show what this machine allows, hook by hook, what is lost otherwise, and how to get it
    Doctor(doctor::DoctorArgs),
    /// Show numastat's views, and what it lacks: rates, kinds of memory, pressure, alerts
    Stat(stat::StatArgs),
    /// Show nodes, CPUs, memory, distances and the NUMA knobs in force
    Topology(topology::TopologyArgs),
}

/// What is done when nothing was said: `top` on a terminal, else the help that clap gives, with the status of a wrong command line.
#[must_use]
pub fn default_command() -> Command {
    if !io::stdout().is_terminal() {
        // Prints and ends.
        Cli::command()
            .subcommand_required(true)
            .arg_required_else_help(true)
            .get_matches_from(["numatrace"]);
    }
    Command::Top(top::TopArgs::default())
}

/// The form of a result on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
