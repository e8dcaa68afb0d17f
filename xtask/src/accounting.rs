//! `cargo xtask accounting`: audits a mixed load in guests, many times in a row, and writes the
//! results to docs/accounting.md.
//!
//! The figures are those that the test itself writes (`tests/kernel/mixed.rs`). Results of each
//! guest are kept under `target/lab/accounting`, so the table can be made a few guests at a time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    test::vm::{self, Guests},
    toolchain::Toolchain,
    workspace,
};

/// Options of `cargo xtask accounting`.
#[derive(Args, Debug)]
pub struct Options {
    /// Kernels, by series
    #[arg(long, value_name = "LIST", default_value = "6.1,6.12,6.18,7.2,7.3")]
    kernel: String,
    /// Node layouts, each on each kernel
    #[arg(long, value_name = "LIST", default_value = "2x2,4x1,2:512M,1:0,1:512M")]
    nodes: String,
    /// Runs in a row in each guest
    #[arg(long, value_name = "N", default_value_t = 10)]
    runs: u32,
}

/// Seconds that a guest takes to boot, and for one execution, on a machine that has more to do.
const BOOT: u64 = 120;
const RUN: u64 = 240;

/// The figures of one execution.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Run {
    verdict: String,
    allocations: u64,
    residual: u64,
    recursion_misses: u64,
    caught_by_twin: Option<u64>,
    snapshot_edge: Option<u64>,
    cpu_changed: Option<u64>,
    unexplained: Option<u64>,
    told_pages: u64,
    carried_pages: u64,
    seconds: f64,
}

/// All executions in one guest.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Outcome {
    kernel: String,
    layout: String,
    /// How many were asked for.
    asked: u32,
    runs: Vec<Run>,
}

/// Runs the guests, and writes the table of their results and of those kept from before.
///
/// # Errors
/// A guest cannot be had, or a file not written.
pub fn run(options: &Options, toolchain: &Toolchain) -> Result<ExitCode> {
    let kept = workspace::lab().join("accounting");
    fs::create_dir_all(&kept)?;
    let timeout = BOOT + RUN * u64::from(options.runs);
    let guests = Guests::new(&options.kernel, &options.nodes, timeout);
    let tally = vm::run_with(
        &guests,
        &["mixed::".to_owned()],
        &format!("NUMATRACE_AUDIT_RUNS={}", options.runs),
        toolchain,
        &mut |kernel, layout, artifacts| {
            let outcome = Outcome {
                kernel: kernel.to_owned(),
                layout: layout.to_owned(),
                asked: options.runs,
                runs: left_in(artifacts)?,
            };
            let path = kept.join(format!("{kernel}-{layout}.json"));
            fs::write(&path, serde_json::to_string_pretty(&outcome)?)
                .with_context(|| format!("cannot write {}", path.display()))
        },
    )?;
    let page = workspace::root().join("docs/accounting.md");
    fs::write(&page, document(&outcomes(&kept)?))?;
    println!("accounting: {tally}; {}", page.display());
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns the figures that a guest wrote, in order.
fn left_in(artifacts: &Path) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for number in 1_u32.. {
        let path = artifacts.join(format!("accounting-{number}.json"));
        let Ok(text) = fs::read_to_string(&path) else {
            break;
        };
        runs.push(serde_json::from_str(&text).with_context(|| path.display().to_string())?);
    }
    Ok(runs)
}

/// Returns the kept results by layout and kernel.
fn outcomes(kept: &Path) -> Result<Vec<Outcome>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(kept)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.sort();
    let read = |path: &PathBuf| -> Result<Outcome> {
        serde_json::from_str(&fs::read_to_string(path)?)
            .with_context(|| format!("{} is from a different version: remove it", path.display()))
    };
    let mut outcomes: Vec<Outcome> = paths.iter().map(read).collect::<Result<_>>()?;
    let series = |kernel: &str| -> Vec<u32> {
        let numbers = kernel.split('.').map(|part| part.parse().unwrap_or(0));
        numbers.collect()
    };
    outcomes.sort_by_key(|outcome| (outcome.layout.clone(), series(&outcome.kernel)));
    Ok(outcomes)
}

/// Returns the text of docs/accounting.md.
fn document(outcomes: &[Outcome]) -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str(
        "| nodes | kernel | runs in a row | verdicts | allocations a run | residual | misses | \
         caught by the second copy | edge | CPU changed | unexplained | carried |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for outcome in outcomes {
        text.push_str(&row(outcome));
    }
    text.push_str(LEGEND);
    text
}

fn row(outcome: &Outcome) -> String {
    let Outcome {
        kernel,
        layout,
        asked,
        runs,
    } = outcome;
    let most = |of: &dyn Fn(&Run) -> u64| runs.iter().map(of).max().unwrap_or(0);
    let verdicts = [
        "exact",
        "within_misses",
        "approximate",
        "failed",
        "unavailable",
    ]
    .into_iter()
    .map(|verdict| {
        let count = runs.iter().filter(|run| run.verdict == verdict).count();
        (verdict, count)
    })
    .filter(|(_, count)| *count > 0)
    .map(|(verdict, count)| format!("{count} {verdict}"))
    .collect::<Vec<_>>();
    let allocations = |of: fn(std::vec::IntoIter<u64>) -> Option<u64>| {
        let all: Vec<u64> = runs.iter().map(|run| run.allocations).collect();
        of(all.into_iter()).unwrap_or(0)
    };
    let carried = runs
        .iter()
        .map(|run| run.carried_pages.saturating_mul(1000) / run.told_pages.max(1))
        .min()
        .unwrap_or(0);
    format!(
        "| {layout} | {kernel} | {}{} | {} | {}-{} | {} | {} | {} | {} | {} | {} | {}.{} % |\n",
        runs.len(),
        if runs.len() as u64 == u64::from(*asked) {
            String::new()
        } else {
            format!(" of {asked}")
        },
        verdicts.join(", "),
        allocations(Iterator::min),
        allocations(Iterator::max),
        most(&|run| run.residual),
        most(&|run| run.recursion_misses),
        most(&|run| run.caught_by_twin.unwrap_or(0)),
        most(&|run| run.snapshot_edge.unwrap_or(0)),
        most(&|run| run.cpu_changed.unwrap_or(0)),
        most(&|run| run.unexplained.unwrap_or(0)),
        carried / 10,
        carried % 10,
    )
}

const INTRODUCTION: &str = "# Do the numbers add up?

This page is written by `cargo xtask accounting`. It runs guests under QEMU's emulation with stock
Debian kernels. Each run is one session of the whole system under a mixed load: page faults; pages
bound to the other node from both sides, interleaved, by weight where the kernel can,
preferred-many; transparent huge pages; fork storms with and without exec; files written and read;
page cache under a memory cgroup's limit; memory swapped out to zram under such a limit; memory
confined by a cpuset; huge page pools filled, and grown on demand; shared memory; pages moved
between nodes; and a node filled up. `tests/kernel/mixed.rs` is the load. It fails when a residual
has no named cause.

";

const LEGEND: &str = "
Each figure except the allocations is the worst of the row's runs.

- *Residual*: kernel less traced, without sign, summed over the nodes, of the counter that differs
  most.
- *Misses*: runs of the allocation programs that the kernel skipped in every copy; at most this many
  allocations are missing.
- *Edge*: allocations in flight at the two readings. Each CPU can have one at each reading; a `2x2`
  guest has four CPUs, so the bound is 8.
- *CPU changed*: allocations of tasks that changed their node between the kernel's count and ours.
- *Carried*: pages that the report charges to the load's own processes, as a share of those that the
  load says it touched.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_the_worst_of_its_runs() {
        let run = |verdict: &str, residual, carried_pages| Run {
            verdict: verdict.to_owned(),
            allocations: 500_000 + residual,
            residual,
            recursion_misses: 3,
            caught_by_twin: None,
            snapshot_edge: Some(residual),
            cpu_changed: Some(0),
            unexplained: Some(0),
            told_pages: 1000,
            carried_pages,
            seconds: 30.0,
        };
        let outcome = Outcome {
            kernel: "6.12.1".to_owned(),
            layout: "2x2".to_owned(),
            asked: 3,
            runs: vec![run("exact", 0, 1000), run("within_misses", 2, 997)],
        };
        assert_eq!(
            row(&outcome),
            "| 2x2 | 6.12.1 | 2 of 3 | 1 exact, 1 within_misses | 500000-500002 | 2 | 3 | 0 | 2 | \
             0 | 0 | 99.7 % |\n"
        );
    }
}
