//! Parses the arguments, runs the command, and exits with its code.

use std::process::ExitCode;

use numatrace::{cli, command};

fn main() -> ExitCode {
    let typed = cli::parse(std::env::args_os());
    let command = typed.command.unwrap_or_else(cli::default_command);
    command::run_to_end(command)
}
