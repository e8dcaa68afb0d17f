//! A real program, run to its end.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};

use super::{Done, Used};

/// Options of `command`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Events that one execution counts for
    #[arg(long, default_value_t = 1)]
    events: u64,
    /// How often to run it
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    argv: Vec<String>,
}

/// Runs the program.
///
/// # Errors
/// The program cannot be started or fails.
pub fn run(args: &Args) -> Result<Done> {
    let (program, arguments) = args.argv.split_first().context("no program")?;
    let used = Used::from_here()?;
    for _ in 0..args.count {
        let ended = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("cannot start {program}"))?;
        ensure!(ended.success(), "{program} ended with {ended}");
    }
    let mut done = Done::new(program, args.events * args.count, used.until_now()?, 1)?;
    let largest = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    done.max_rss_kib = u64::try_from(largest).ok();
    Ok(done)
}
