//! What can be typed after every command that watches while it goes on.

use std::time::Duration;

use clap::Args;

use super::{Color, trace::duration};

/// Options that `top` and `events` share.
#[derive(Args, Clone, Debug)]
pub struct LiveArgs {
    /// Watch these processes: a pid or a list of them, repeatable; their threads and later children are included
    #[arg(short, long = "pid", value_name = "PID", value_delimiter = ',')]
    pub pids: Vec<u32>,

    /// Do not follow children of the watched processes
    #[arg(long)]
    pub no_children: bool,

    /// Attach just these hooks (task_move,task_run), or change the default (+NAME,-NAME); `trace --hooks list` shows all with their costs
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub hooks: Vec<String>,

    /// For tests of the fallbacks: put these hooks on theirs, although the exact ones might attach
    #[arg(long, value_name = "LIST", value_delimiter = ',', hide = true)]
    pub fallback: Vec<String>,

    /// End after this long: 10, 10s, 500ms, 2m
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Say more on stderr; twice for the kernel side's own diagnostics
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Say nothing on stderr but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Use colour
    #[arg(long, value_enum, default_value_t)]
    pub color: Color,
}
