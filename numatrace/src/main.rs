//! Parses the arguments, runs the command, and exits with its code.

use std::process::ExitCode;

use clap::Parser;
use numatrace::{
    cli::{self, Cli},
    command, exit,
};

fn main() -> ExitCode {
    let typed = Cli::parse_from(cli::stat::expand_glued_sort(std::env::args_os()));
    let command = typed.command.unwrap_or_else(cli::default_command);
    command::run(command).unwrap_or_else(|error| {
        eprintln!("numatrace: error: {error:#}");
        exit::code(&error).into()
    })
}
