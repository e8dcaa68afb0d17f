//! The `workload` program: each subcommand does one thing to memory or placement and prints exactly
//! what it did.
//!
//! The output is one JSON object on stdout ([`GroundTruth`]). The exit status is 0 only when the
//! kernel confirmed the claims (`move_pages(2)`, `get_mempolicy(2)`, `smaps`, `getcpu(2)`), 1 when
//! it did not, and 2 when this machine cannot do it at all (too few nodes, no NUMA support). Pages
//! are written before they are read: a read first maps the zero page, so there would be two faults
//! instead of one.

pub mod trouble;
pub mod truth;

pub mod btf;
pub mod crew;
pub mod ext_scheduler;
pub mod memory;
pub mod nodes;
pub mod placement;
pub mod policy;
pub mod processes;
pub mod swap;

pub mod scenario;
pub mod scene;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use scenario::Scenario;
use scene::{Gate, Scene};
use trouble::Trouble;
use truth::GroundTruth;

/// A program whose memory placement is known exactly.
#[derive(Debug, Parser)]
#[command(name = "workload")]
pub struct Cli {
    /// Say `workload: ready pid=N` on stderr when set up, and begin at a newline from stdin
    #[arg(long, global = true)]
    start_on_stdin: bool,
    /// The thing to do
    #[command(subcommand)]
    scenario: Scenario,
}

/// Runs the subcommand and prints its truth: the whole of the program.
pub fn run(cli: &Cli) -> ExitCode {
    let truth = Scene::open(Gate::new(cli.start_on_stdin))
        .and_then(|mut scene| cli.scenario.run(&mut scene));
    match truth {
        Ok(truth) => {
            if !truth.is_printed && print(&truth).is_err() {
                eprintln!("workload: stdout is closed");
                return ExitCode::FAILURE;
            }
            for problem in &truth.problems {
                eprintln!("workload: {}: {problem}", truth.workload);
            }
            if truth.is_confirmed() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(Trouble::Unsupported(why)) => {
            eprintln!("workload: cannot be done here: {why}");
            ExitCode::from(2)
        }
        Err(Trouble::Failed(error)) => {
            eprintln!("workload: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes one JSON object and a newline to stdout.
///
/// # Errors
/// stdout is closed.
pub fn print(truth: &GroundTruth) -> Result<(), Trouble> {
    let mut line = serde_json::to_vec(truth)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}
