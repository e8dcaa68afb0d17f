//! The commands: one file or folder each, from parsed arguments to an exit code.

mod diff;
pub mod doctor;
mod events;
mod export;
pub mod hooks;
mod record;
mod report;
mod stat;
mod top;
mod topology;
mod trace;

use std::{io, path::Path, process::ExitCode};

use crate::cli::Command;

/// Runs one command and returns the exit code of this process.
///
/// # Errors
/// A [`crate::exit::Failure`] with its exit code, or any error that ended the command.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let root = Path::new("/");
    // Locked only by commands that write from this thread: `top` draws from a different one.
    let stdout = || io::stdout().lock();
    match command {
        Command::Trace(args) => trace::run(args),
        Command::Record(args) => record::run(args),
        Command::Report(args) => report::run(args),
        Command::Top(args) => top::run(args),
        Command::Events(args) => events::run(args),
        Command::Diff(args) => diff::run(&args).map(ExitCode::from),
        Command::Export(args) => export::run(&args).map(ExitCode::from),
        Command::Stat(args) => stat::run(&args, root, &mut stdout()),
        Command::Topology(args) => topology::run(&args, root, &mut stdout()),
        Command::Doctor(args) => doctor::run(&args, &mut stdout()),
    }
}
