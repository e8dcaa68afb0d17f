//! A crowd of processes that do nothing, for costs that depend on how many there are.

use anyhow::{Context as _, Result};
use nix::{
    sys::{
        prctl::set_pdeathsig,
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork, pause},
};

use crate::until_eof;

/// Options of `crowd`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Processes
    #[arg(long)]
    count: usize,
}

/// Forks them, prints their ids on one line, and keeps them until stdin closes.
///
/// # Errors
/// The machine has no room for that many.
pub fn run(args: &Args) -> Result<()> {
    let mut crowd = Crowd(Vec::with_capacity(args.count));
    for _ in 0..args.count {
        // SAFETY: this process has one thread, so the child may do everything that it may.
        match unsafe { fork() }.context("no room for another process")? {
            ForkResult::Child => sleep(),
            ForkResult::Parent { child } => crowd.0.push(child),
        }
    }
    let numbers: Vec<String> = crowd.0.iter().map(ToString::to_string).collect();
    println!("{}", numbers.join(","));
    until_eof::hold(|| Ok(()))
}

/// A child's whole life.
fn sleep() -> ! {
    if set_pdeathsig(Signal::SIGKILL).is_ok() {
        pause();
    }
    std::process::exit(0)
}

struct Crowd(Vec<Pid>);

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &self.0 {
            // A process that is gone already needs no signal.
            let _ = kill(*child, Signal::SIGKILL);
        }
        for child in &self.0 {
            let _ = waitpid(*child, None);
        }
    }
}
