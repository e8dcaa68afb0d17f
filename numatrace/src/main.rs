//! Parses the arguments, runs the command, and exits with its code; or becomes the reader.

use std::process::ExitCode;

use numatrace::{cli, command, reader};

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == reader::ARGUMENT)
    {
        return reader::child::run();
    }
    let typed = cli::parse(std::env::args_os());
    let command = typed.command.unwrap_or_else(cli::default_command);
    command::run_to_end(command)
}
