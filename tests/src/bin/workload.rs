//! The `workload` program; see the library's `workload` module.

use std::process::ExitCode;

use clap::Parser;
use numatrace_tests::workload::{Cli, run};

fn main() -> ExitCode {
    run(&Cli::parse())
}
