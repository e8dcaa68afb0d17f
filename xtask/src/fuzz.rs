//! `cargo xtask fuzz`: the fuzz targets of `numatrace/tests/fuzz`, for as long as wanted.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::run;

/// Options of `cargo xtask fuzz`.
#[derive(Args, Debug)]
pub struct Options {
    /// Targets whose name contains this; without it, all of them.
    target: Option<String>,
    /// Time of each target, seconds.
    #[arg(long, value_name = "N", default_value_t = 600)]
    seconds: u64,
    /// Number of the first input, to continue or to repeat a run.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Runs the targets one after the other, optimized. An input that fails is named with the command
/// that makes it again.
///
/// # Errors
/// Cargo cannot be started.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut command = run::cargo();
    command.args(["test", "--profile", "lab", "--package", "numatrace"]);
    command.args(["--test", "fuzz", "--no-fail-fast", "--"]);
    command.args(&options.target);
    command.args(["--nocapture", "--test-threads", "1"]);
    command.env("NUMATRACE_FUZZ_SECONDS", options.seconds.to_string());
    if let Some(seed) = options.seed {
        command.env("NUMATRACE_FUZZ_SEED", seed.to_string());
    }
    let status = command.status().context("cannot start cargo")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
