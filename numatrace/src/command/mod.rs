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

use std::{
    io,
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::ExitCode,
};

use crate::{
    cli::Command,
    console::messages::say,
    exit::{self, Exit},
};

/// Runs one command, writes the error that ends it, and returns the exit code of this process.
/// After a panic, the message says where to report it.
pub fn run_to_end(command: Command) -> ExitCode {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        say(concat!(
            "this is a bug in numatrace ",
            env!("CARGO_PKG_VERSION"),
            ": please report it to where you have numatrace from, with the lines above and those \
             of numatrace doctor; nothing of numatrace stays in the kernel"
        ));
    }));
    // Programs detach and the terminal is restored on the way here; nothing else is left to break.
    match panic::catch_unwind(AssertUnwindSafe(|| run(command))) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            say(&format!("error: {error:#}"));
            exit::code(&error).into()
        }
        Err(_) => Exit::Failed.into(),
    }
}

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
