//! Migration storm: a thread that sends itself to the next CPU, again and again.

use anyhow::{Result, ensure};

use super::{Done, Used, cpus, pin};

/// Options of the storm.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Moves
    #[arg(long, default_value_t = 20_000)]
    count: usize,
}

/// Moves the thread.
///
/// # Errors
/// There is only one CPU.
pub fn run(args: &Args) -> Result<Done> {
    let cpus = cpus()?;
    ensure!(cpus.len() > 1, "with one CPU there is nowhere to move to");
    let used = Used::from_here()?;
    for n in 0..args.count {
        pin(cpus[n % cpus.len()])?;
    }
    Done::new("move", args.count as u64, used.until_now()?, 1)
}
