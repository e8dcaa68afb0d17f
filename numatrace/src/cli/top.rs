//! Arguments of `numatrace top`.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{KEEP_PROCESSES, duration::interval, live::LiveArgs};

/// Watch processes, nodes, moves and findings on a full screen.
///
/// The screen shows the report of the last interval, as rates per second. h lists the keys, q
/// quits. This is the default when you run numatrace on a terminal without a command.
#[derive(Args, Clone, Debug)]
pub struct TopArgs {
    /// Options of every live session.
    #[command(flatten)]
    pub live: LiveArgs,

    /// Time between two refreshes: 1, 500ms, 10s; + and - change it while top runs
    #[arg(short, long, value_name = "TIME", value_parser = interval, default_value = "1")]
    pub interval: Duration,

    /// Capture a user stack at the start of each first-touch run, then every N pages; 0 disables
    /// [default: 64 with -p, else 0]
    #[arg(long, value_name = "N")]
    pub stacks: Option<u32>,

    /// Entries of their own for so many ended processes of an interval, and for as many ended
    /// threads; older ones are added up
    #[arg(long, value_name = "N", default_value_t = KEEP_PROCESSES)]
    pub keep_processes: usize,

    /// Also write the report of each interval to this file, one line of JSON each
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Default for TopArgs {
    /// Returns the arguments of `numatrace top` without options.
    fn default() -> Self {
        Self {
            live: LiveArgs {
                pids: Vec::new(),
                no_children: false,
                hooks: Vec::new(),
                fallback: Vec::new(),
                inject: Vec::new(),
                duration: None,
                verbose: 0,
                quiet: false,
                color: super::Color::Auto,
            },
            interval: Duration::from_secs(1),
            stacks: None,
            keep_processes: KEEP_PROCESSES,
            output: None,
        }
    }
}
