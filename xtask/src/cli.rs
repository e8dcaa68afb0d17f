//! The commands and their options, and the module that carries out each.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{accounting, bench, demo, dist, fixes, fuzz, lint, test, toolchain, trace, vm};

/// The project's own commands: build, test and try numatrace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find or install what builds and checks need: rust-src, the musl target, bpf-linker,
    /// cargo-deny.
    Setup,
    /// Build numatrace and run `numatrace trace` on this machine; asks for root only to run.
    Trace {
        /// Arguments of `numatrace trace`.
        #[arg(last = true, value_name = "ARGS")]
        arguments: Vec<String>,
    },
    /// Show numatrace at work in a guest with two nodes.
    Demo,
    /// Run the tests: all tiers that this machine allows, or the ones named.
    Test(test::Options),
    /// Run a command as root in a NUMA guest, with numatrace and the workload in its PATH.
    Vm(vm::command::Options),
    /// Check line lengths, formatting, dependencies and lints, of the eBPF crate too.
    Lint,
    /// Measure what numatrace costs, compared with empty programs and with peers, and write
    /// docs/performance.md.
    Bench(bench::Options),
    /// Audit a mixed load in guests, many times in a row, and write docs/accounting.md.
    Accounting(accounting::Options),
    /// Try the commands of fixes in guests, and write docs/findings.md.
    Fixes(fixes::Options),
    /// Run the fuzz targets, for ten minutes each unless --seconds is given.
    Fuzz(fuzz::Options),
    /// Build one static stripped binary: target/dist/numatrace.
    Dist,
}

/// Carries out the command.
///
/// # Errors
/// One line for the person at the terminal.
pub fn dispatch(cli: Cli) -> Result<ExitCode> {
    // The lab's failures have an exit code of their own.
    if let Command::Vm(options) = cli.command {
        return Ok(vm::command::run(options));
    }
    let toolchain = toolchain::ensure()?;
    match cli.command {
        Command::Vm(_) => {}
        Command::Setup => {
            toolchain::cargo_deny()?;
            eprintln!(
                "xtask: ready; static binaries for {}",
                toolchain.static_target.triple()
            );
        }
        Command::Trace { arguments } => trace::run(&arguments)?,
        Command::Demo => return demo::run(&toolchain),
        Command::Test(options) => return test::run(&options, &toolchain),
        Command::Lint => lint::run()?,
        Command::Bench(options) => return bench::run(&options, &toolchain),
        Command::Accounting(options) => return accounting::run(&options, &toolchain),
        Command::Fixes(options) => return fixes::run(&options, &toolchain),
        Command::Fuzz(options) => return fuzz::run(&options),
        Command::Dist => println!("{}", dist::run(&toolchain)?.display()),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
