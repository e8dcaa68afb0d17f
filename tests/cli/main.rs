//! The command line without root and without tracing: only the output of the binary and its exit
//! code.

#![expect(clippy::unwrap_used, reason = "tests state claims; an unwrap is one")]

mod hooks;
mod live;
mod recording;
mod saved;
mod stat;
mod topology;
mod typed;
mod unprivileged;
mod usage;
mod written;

use std::process::Command;
use std::time::Duration;

use numatrace_tests::harness::programs;
use numatrace_tests::harness::running::{Finished, Running};

const DEADLINE: Duration = Duration::from_secs(60);

/// Runs numatrace to its end.
fn numatrace(args: &[&str]) -> Finished {
    ended(Command::new(programs::numatrace().unwrap()).args(args))
}

fn ended(command: &mut Command) -> Finished {
    Running::start(command).unwrap().finish(DEADLINE).unwrap()
}
