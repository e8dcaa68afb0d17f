//! Command-line arguments: clap types and help texts. Checks and defaults are in `plan`.

pub mod diff;
pub mod doctor;
pub mod duration;
pub mod events;
pub mod export;
pub mod live;
pub mod record;
pub mod report;
pub mod sections;
pub mod stat;
mod tips;
pub mod top;
pub mod topology;
pub mod trace;

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::model::name::is_hostile;

/// Show who placed memory on which NUMA node, and why.
///
/// numastat counts how much memory was allocated local and remote; numatrace names the process and
/// thread that did it, and proves that its totals equal the kernel's.
#[derive(Parser, Debug)]
#[command(
    name = "numatrace",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Command to run; `top` by default on a terminal.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Trace the machine, some processes or a command, then print a report
    Trace(trace::TraceArgs),
    /// Trace into a recording, to report later, elsewhere, or compare
    #[command(mut_arg("output", |output| output
        .required(true)
        .help("Write the recording to this file")))]
    Record(record::RecordArgs),
    /// Show the report of a recording: exactly the one that its session would have printed
    Report(report::ReportArgs),
    /// Watch processes, nodes, moves and findings on a full screen; the default on a terminal
    Top(top::TopArgs),
    /// Print events while they happen: one line per run, move, migration or incident
    Events(events::EventsArgs),
    /// Show what changed between two sessions
    Diff(diff::DiffArgs),
    /// Convert a session for other tools: Perfetto, flame graphs, CSV, JSON
    Export(export::ExportArgs),
    /// Show what this machine allows, hook by hook, what is missing, and how to get it
    Doctor(doctor::DoctorArgs),
    /// Show numastat's views, plus rates, kinds of memory, pressure and alerts
    Stat(stat::StatArgs),
    /// Show nodes, CPUs, memory, distances and the NUMA settings in force
    Topology(topology::TopologyArgs),
}

/// Parses the words of a command line. Ends numatrace when they ask for help or make no sense.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Cli {
    let words = stat::expand_glued_sort(words);
    refuse_an_empty_command(&words);
    let words = tips::with_default_command(words);
    Cli::try_parse_from(&words).unwrap_or_else(|error| {
        // The message repeats words, so it is made of those that a terminal does not act on.
        let harmless = words.iter().map(|word| {
            let visible = |c| if is_hostile(c) { '\u{fffd}' } else { c };
            let letters = word.to_string_lossy();
            letters.chars().map(visible).collect::<String>()
        });
        let harmless: Vec<String> = harmless.collect();
        let error = Cli::try_parse_from(&harmless).err().unwrap_or(error);
        tips::explained(error, &Cli::command(), &harmless).exit()
    })
}

/// Ends numatrace with a usage error when nothing follows the `--` of a command that launches one.
/// To clap that is as if there were no `--`, and `trace -- $EMPTY` would trace the whole machine.
fn refuse_an_empty_command(words: &[OsString]) {
    let launches = words.iter().any(|word| word == "trace" || word == "record");
    let dashes = words.iter().position(|word| word == "--");
    if launches && dashes.is_some_and(|at| at + 1 == words.len()) {
        let why = "there is no command after --\n\n  tip: leave -- out to trace the whole machine";
        Cli::command()
            .error(clap::error::ErrorKind::MissingRequiredArgument, why)
            .exit();
    }
}

/// Returns the command to run when none was typed: `top` on a terminal. Elsewhere prints clap's
/// help and exits with the status of a usage error.
#[must_use]
pub fn default_command() -> Command {
    if !io::stdout().is_terminal() {
        // Prints the help and exits.
        Cli::command()
            .subcommand_required(true)
            .arg_required_else_help(true)
            .get_matches_from(["numatrace"]);
    }
    Command::Top(top::TopArgs::default())
}

/// Ended processes that keep entries of their own, unless the user says otherwise: 20 to 80 MB
/// with what they mapped.
pub const KEEP_PROCESSES: usize = 4_096;

/// Output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    #[default]
    Text,
    /// JSON document.
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
