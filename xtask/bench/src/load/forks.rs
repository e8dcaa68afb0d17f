//! Fork and exec storm: short programs, one after another on each CPU.

use std::{
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, ensure};

use super::{Done, Used, cpus, pin};

/// Options of the storm.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Programs that each thread runs
    #[arg(long, default_value_t = 500)]
    count: usize,
    /// Threads; 0 is one for each CPU
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// Runs the programs.
///
/// # Errors
/// A program cannot be started.
pub fn run(args: &Args) -> Result<Done> {
    let this = std::env::current_exe()?;
    let cpus = cpus()?;
    let threads = if args.threads == 0 {
        cpus.len()
    } else {
        args.threads
    };
    let used = Used::from_here()?;
    thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..threads)
            .map(|n| {
                let (this, cpu) = (&this, cpus[n % cpus.len()]);
                scope.spawn(move || -> Result<()> {
                    pin(cpu)?;
                    for _ in 0..args.count {
                        let mut command = Command::new(this);
                        command.arg("nothing").stdin(Stdio::null());
                        let ended = command.status().context("cannot start a program")?;
                        ensure!(ended.success(), "a program failed");
                    }
                    Ok(())
                })
            })
            .collect();
        for worker in workers {
            worker.join().ok().context("a worker panicked")??;
        }
        Ok(())
    })?;
    let count = (threads * args.count) as u64;
    Done::new("fork and exec", count, used.until_now()?, threads as u64)
}
