//! Parse, plan, run, exit code.

use std::{io, path::Path, process::ExitCode};

use clap::Parser;
use numatrace::{
    cli::{self, Cli, Command},
    diff, doctor,
    exit::{self, Exit},
    export, hook_list, plan, report, stat, topology,
};

fn main() -> ExitCode {
    let typed = Cli::parse_from(cli::stat::expand_glued_sort(std::env::args_os()));
    let result = match typed.command.unwrap_or_else(cli::default_command) {
        Command::Trace(args) if args.lists_hooks() => {
            hook_list::run(args.format, &mut io::stdout().lock())
        }
        Command::Trace(args) => plan::trace(args)
            .map_err(anyhow::Error::from)
            .and_then(|plan| numatrace::session::run::run(&plan))
            .map(ExitCode::from),
        Command::Diff(args) => diff::run(&args).map(ExitCode::from),
        Command::Export(args) => export::run(&args).map(ExitCode::from),
        Command::Record(args) if args.trace.lists_hooks() => {
            hook_list::run(args.trace.format, &mut io::stdout().lock())
        }
        Command::Record(args) => plan::record(args)
            .map_err(anyhow::Error::from)
            .and_then(|plan| numatrace::session::run::run(&plan))
            .map(ExitCode::from),
        Command::Report(args) => report::run(&args),
        Command::Top(args) => plan::top::top(args)
            .map_err(anyhow::Error::from)
            .and_then(|plan| numatrace::command::top::run(&plan))
            .map(ExitCode::from),
        Command::Events(args) => plan::events::events(args)
            .map_err(anyhow::Error::from)
            .and_then(|plan| numatrace::command::events::run(&plan))
            .map(ExitCode::from),
        Command::Doctor(args) => doctor::run(&args, &mut io::stdout().lock()),
        Command::Stat(args) => stat::run(&args, Path::new("/"), &mut io::stdout().lock()),
        Command::Topology(args) => topology::run(&args, Path::new("/"), &mut io::stdout().lock()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("numatrace: error: {error:#}");
        let code: Exit = exit::code(&error);
        code.into()
    })
}
