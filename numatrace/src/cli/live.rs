//! Arguments of every command that shows events while they happen.

use std::{ffi::OsString, time::Duration};

use clap::Args;

use super::{Color, duration::duration};
use crate::attach::inject::Fault;

/// Options that `top` and `events` share.
#[derive(Args, Clone, Debug)]
pub struct LiveArgs {
    /// Watch these processes with their threads and later children: PIDs, or parts of names or
    /// command lines as with numastat, repeated or separated by commas
    #[arg(short, long = "pid", value_name = "PID|PATTERN", value_delimiter = ',')]
    pub pids: Vec<OsString>,

    /// Do not follow children of the watched processes
    #[arg(long)]
    pub no_children: bool,

    /// Attach only these hooks (task_move,task_run), or change the default (+NAME,-NAME);
    /// `trace --hooks list` shows all hooks with their costs
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub hooks: Vec<String>,

    /// Test instrument: use the fallbacks of these hooks even where the exact ones would attach
    #[arg(long, value_name = "LIST", value_delimiter = ',', hide = true)]
    pub fallback: Vec<String>,

    /// Test instrument: break the session on purpose
    #[arg(long, value_name = "FAULT", hide = true)]
    pub inject: Vec<Fault>,

    /// End after this long: 10, 10s, 500ms, 2m
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Write more to stderr; repeat it for diagnostics of the kernel side
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Write only errors to stderr
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// When to use colour
    #[arg(long, value_enum, default_value_t)]
    pub color: Color,
}
