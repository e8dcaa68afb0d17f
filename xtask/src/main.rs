//! The project's own commands: `cargo xtask --help`.

mod accounting;
mod bench;
mod build;
mod cli;
mod debian;
mod demo;
mod dist;
mod fixes;
mod fuzz;
mod lint;
mod run;
mod test;
mod toolchain;
mod trace;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::dispatch(cli::Cli::parse()) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("xtask: {why:#}");
            ExitCode::FAILURE
        }
    }
}
