//! The `workload` program: each subcommand does one thing to memory or placement and says exactly what it did.
//!
//! One JSON object on stdout ([`told::Told`]); exit 0 only when the kernel confirmed it (`move_pages(2)`, `get_mempolicy(2)`, `smaps`, `getcpu(2)`),
//! 1 when it did not, 2 when this machine cannot do it at all (too few nodes, no NUMA support).
//! Pages are written before they are read: a read first maps the zero page and makes two faults of one.

pub mod truth;

pub mod crew;
pub mod memory;
pub mod nodes;
pub mod placement;
pub mod policy;
pub mod processes;

pub mod scenario;
pub mod scene;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use scenario::Scenario;
use scene::{Gate, Scene};
use truth::{GroundTruth, Trouble};

/// A program whose memory placement is known exactly.
#[derive(Debug, Parser)]
#[command(name = "workload")]
pub struct Cli {
    /// Say `workload: ready pid=N` on stderr when set up, and begin at a newline from stdin
    #[arg(long, global = true)]
    start_on_stdin: bool,
    /// What to do
    #[command(subcommand)]
    scenario: Scenario,
}

/// Runs what the command line asks for and says how it went: the whole of the program.
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
/// When stdout is closed.
pub fn print(truth: &GroundTruth) -> Result<(), Trouble> {
    let mut line = serde_json::to_vec(truth)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}
