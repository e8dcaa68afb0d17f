//! The program that `cargo xtask bench` runs, on the host and in guests: loads that time
//! themselves, empty programs to compare with, single hooks of numatrace, the interleaver, and the
//! throughput of the stages in userspace. Every command prints one JSON document on stdout.

mod compare;
mod crowd;
mod empty;
mod fold;
mod load;
mod ours;
mod procfiles;
mod recording;
mod runs;
mod sweep;
mod until_eof;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Parts of numatrace's benchmark.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Do one thing many times and print how long it took
    Load(load::Args),
    /// Attach empty programs, print `ready`, and keep them attached until stdin closes
    Empty(empty::Args),
    /// Attach chosen hooks of numatrace, print `ready`, and keep them attached until stdin closes
    Ours(ours::Args),
    /// Record an event with ftrace until stdin closes
    Ftrace(load::ftrace::Args),
    /// Run a load under several tracers in turn, by a plan on stdin
    Compare,
    /// Decode, attribute and fold synthetic records
    Fold(fold::Args),
    /// Find what is new in readings of a full table of totals
    Sweep(sweep::Args),
    /// Keep many processes that do nothing until stdin closes
    Crowd(crowd::Args),
    /// Read a recording with many records, and print how large it is and how fast it is read
    Recording(recording::Args),
    /// Read files of processes
    Procfiles(procfiles::Args),
    /// End at once: what the fork storm executes
    #[command(hide = true)]
    Nothing,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Load(args) => load::run(&args),
        Command::Empty(args) => empty::run(&args),
        Command::Ours(args) => ours::run(&args),
        Command::Ftrace(args) => load::ftrace::run(&args),
        Command::Compare => compare::run(),
        Command::Fold(args) => fold::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Crowd(args) => crowd::run(&args),
        Command::Recording(args) => recording::run(&args),
        Command::Procfiles(args) => procfiles::run(&args),
        Command::Nothing => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("numatrace-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
