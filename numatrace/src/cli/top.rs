//! `numatrace top`: what can be typed after it.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{live::LiveArgs, trace::interval};

/// Watch processes, nodes, moves and findings on a full screen.
///
/// What stands on the screen is the report of the last interval, as rates per second. h shows the keys, q ends it. This is what numatrace does on
/// a terminal when it is given no command.
#[derive(Args, Clone, Debug)]
pub struct TopArgs {
    /// Options of every live session.
    #[command(flatten)]
    pub live: LiveArgs,

    /// Refresh this often: 1, 500ms, 10s; + and - change it while it runs
    #[arg(short, long, value_name = "TIME", value_parser = interval, default_value = "1")]
    pub interval: Duration,

    /// Take a user stack at the first touch of each run of memory, and one more for so many pages; 0 takes none [default: 64 with -p, else 0]
    #[arg(long, value_name = "N")]
    pub stacks: Option<u32>,

    /// Write the report of each interval to this file too, one line of JSON each
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Default for TopArgs {
    /// What `numatrace top` alone means.
    fn default() -> Self {
        Self {
            live: LiveArgs {
                pids: Vec::new(),
                no_children: false,
                hooks: Vec::new(),
                fallback: Vec::new(),
                duration: None,
                verbose: 0,
                quiet: false,
                color: super::Color::Auto,
            },
            interval: Duration::from_secs(1),
            stacks: None,
            output: None,
        }
    }
}
