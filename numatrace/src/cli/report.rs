//! Arguments of `numatrace report`.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{
    Color, Format,
    duration::{duration, moment},
    sections::SectionArgs,
};

/// Show the report of a recording: exactly the one that its session would have printed. A JSON
/// report (trace -f json) is shown as well.
///
/// Needs no privileges, and nothing of the machine on which the recording was made.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Recording or JSON report to read; - is a JSON report on standard input
    #[arg(value_name = "FILE")]
    pub recording: PathBuf,

    /// Leave out what happened before this time since the start of the session, to the second: 90,
    /// 1m
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<Duration>,

    /// Leave out what happened after this time since the start of the session
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub to: Option<Duration>,

    /// Show details only of these processes with their children: PIDs, repeated or separated by
    /// commas
    #[arg(short, long = "pid", value_name = "PID", value_delimiter = ',')]
    pub pids: Vec<u32>,

    /// Do not include children of the given processes
    #[arg(long, requires = "pids")]
    pub no_children: bool,

    /// Print one report of the whole session, even if it was recorded with intervals (-i)
    #[arg(long)]
    pub whole: bool,

    /// Print only the audit
    #[arg(long)]
    pub audit_only: bool,

    /// List the moves of threads and pages of the given process or command in order of time
    #[arg(long)]
    pub timeline: bool,

    /// Sections of the text.
    #[command(flatten)]
    pub sections: SectionArgs,

    /// Rows of the process table in text; JSON always has all of them
    #[arg(short = 'n', long, value_name = "ROWS", default_value_t = 15)]
    pub limit: usize,

    /// Exit with status 3 when this condition holds in the report, or in that of any interval:
    /// 'remote_share > 5%' (repeatable; names in docs/fail-if.md)
    #[arg(long, value_name = "EXPR")]
    pub fail_if: Vec<String>,

    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,

    /// Write the report to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write only errors to stderr
    #[arg(short, long)]
    pub quiet: bool,

    /// When to use colour
    #[arg(long, value_enum, default_value_t)]
    pub color: Color,
}
