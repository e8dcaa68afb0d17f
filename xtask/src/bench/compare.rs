//! Runs `numatrace-bench compare`: plans in, samples out, on this machine and in a guest alike.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::figures::Figure;

/// A comparison to run.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// How many turns.
    pub rounds: usize,
    /// Arguments of `numatrace-bench load`.
    pub load: Vec<String>,
    /// Hooks that get an empty program first: the costs that only the first program of a hook has
    /// are then nobody's.
    pub first: Vec<String>,
    /// Modes, in the order of a turn.
    pub modes: Vec<Mode>,
}

/// One way to run the load.
#[derive(Clone, Debug, Serialize)]
pub struct Mode {
    /// Name in tables.
    pub name: String,
    /// Command line; empty for no tracer.
    pub argv: Vec<String>,
    /// The line on stderr once it traces; `None` when it runs the load itself.
    pub ready: Option<String>,
    /// The path of its JSON report.
    pub report: Option<String>,
}

/// The samples of a mode.
#[derive(Clone, Debug, Deserialize)]
pub struct Outcome {
    /// The mode's name.
    pub name: String,
    /// One sample for each turn.
    pub samples: Vec<Sample>,
    /// The reason why there are no more.
    pub failed: Option<String>,
}

/// One turn of a mode.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample {
    /// The load's result.
    pub done: Done,
    /// `coverage` of the mode's report.
    pub coverage: Option<Value>,
    /// `cost` of the mode's report.
    pub cost: Option<Value>,
    /// From the tracer's start until it was ready, ms.
    pub start_ms: Option<f64>,
    /// From the signal until it had ended, ms.
    pub end_ms: Option<f64>,
}

/// The result of a load.
#[derive(Clone, Debug, Deserialize)]
pub struct Done {
    /// How many events.
    pub count: f64,
    /// ns on the wall clock.
    pub wall_ns: f64,
    /// CPU time, ns.
    pub cpu_ns: f64,
    /// Threads side by side.
    pub threads: f64,
    /// Most memory that one program of it had resident, KiB.
    pub max_rss_kib: Option<f64>,
    /// BPF programs that ran meanwhile, when asked for.
    pub programs: Vec<Runs>,
}

/// Runs and time of one BPF program.
#[derive(Clone, Debug, Deserialize)]
pub struct Runs {
    /// Its name in the kernel.
    pub name: String,
    /// Executions.
    pub runs: f64,
    /// Their time, ns.
    pub ns: f64,
}

impl Outcome {
    /// Returns a figure of the samples; `None` without any.
    #[must_use]
    pub fn figure(&self, of: impl Fn(&Sample) -> f64) -> Option<Figure> {
        Figure::of(self.samples.iter().map(of).collect())
    }

    /// Returns the CPU time of an event, ns.
    #[must_use]
    pub fn cpu_ns(&self) -> Option<Figure> {
        self.figure(|sample| sample.done.cpu_ns / sample.done.count)
    }

    /// Returns the wall time of an event on each thread, ns.
    #[must_use]
    pub fn wall_ns(&self) -> Option<Figure> {
        self.figure(|sample| sample.done.wall_ns * sample.done.threads / sample.done.count)
    }

    /// Returns a number of the report, by JSON pointer below `coverage` or `cost`.
    #[must_use]
    pub fn reported(&self, pointer: &str) -> Option<Figure> {
        self.figure(|sample| {
            let part = if pointer.starts_with("/records") || pointer.starts_with("/recursion") {
                &sample.coverage
            } else {
                &sample.cost
            };
            let number = part
                .as_ref()
                .and_then(|part| part.pointer(pointer)?.as_f64());
            number.unwrap_or(f64::NAN)
        })
    }
}

/// Returns a mode's outcome.
#[must_use]
pub fn of<'a>(outcomes: &'a [Outcome], name: &str) -> Option<&'a Outcome> {
    outcomes
        .iter()
        .find(|outcome| outcome.name == name && !outcome.samples.is_empty())
}

/// Returns sums of program executions over all samples of an outcome, by program.
#[must_use]
pub fn programs(outcome: &Outcome) -> BTreeMap<String, (f64, f64)> {
    let mut sums = BTreeMap::<String, (f64, f64)>::new();
    for program in outcome.samples.iter().flat_map(|s| &s.done.programs) {
        let sum = sums.entry(program.name.clone()).or_default();
        sum.0 += program.runs;
        sum.1 += program.ns;
    }
    sums
}

/// Runs a plan on this machine, with a tracefs of its own where the machine has none mounted.
///
/// # Errors
/// The plan could not be run. A mode that fails is named in its outcome.
pub fn here(program: &Path, plan: &Plan) -> Result<Vec<Outcome>> {
    // Peers need tracefs; a mount in this process's own namespace changes nothing for others.
    let script = "mountpoint -q /sys/kernel/tracing \
                  || mount -t tracefs tracefs /sys/kernel/tracing || true; exec \"$0\" compare";
    let mut child = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start unshare; is util-linux there?")?;
    let mut stdin = child.stdin.take().context("no pipe")?;
    stdin.write_all(&serde_json::to_vec(plan)?)?;
    drop(stdin);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the comparison failed");
    serde_json::from_slice(&output.stdout).context("the comparison's result")
}
