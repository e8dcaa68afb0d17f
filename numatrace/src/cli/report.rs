//! `numatrace report`: what can be typed after it.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{Color, Format, trace::duration};

/// Show the report of a recording: the very one that the session would have printed.
///
/// It needs no privileges and nothing of the machine that the recording was made on.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// The recording
    #[arg(value_name = "FILE")]
    pub recording: PathBuf,

    /// Only what happened from so long after the begin of the session: 90, 1m; to the second
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub from: Option<Duration>,

    /// Only what happened up to so long after its begin
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub to: Option<Duration>,

    /// Details of these processes only: a pid or a list of them, repeatable; with their children
    #[arg(short, long = "pid", value_name = "PID", value_delimiter = ',')]
    pub pids: Vec<u32>,

    /// Without the children of the given processes
    #[arg(long, requires = "pids")]
    pub no_children: bool,

    /// One report of the whole session, also where it was recorded with intervals (-i)
    #[arg(long)]
    pub whole: bool,

    /// Print only the audit
    #[arg(long)]
    pub audit_only: bool,

    /// Show the moves of threads and pages of the given process or command in order of time
    #[arg(long)]
    pub timeline: bool,

    /// Rows of the process table in text; JSON is never cut
    #[arg(short = 'n', long, value_name = "ROWS", default_value_t = 15)]
    pub limit: usize,

    /// Exit with 3 when this holds in the report, or in that of any interval: 'remote_share > 5%' (repeatable; names in docs/fail-if.md)
    #[arg(long, value_name = "EXPR")]
    pub fail_if: Vec<String>,

    /// Form of the report
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,

    /// Write the report to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Say nothing on stderr but errors
    #[arg(short, long)]
    pub quiet: bool,

    /// Use colour
    #[arg(long, value_enum, default_value_t)]
    pub color: Color,
}
