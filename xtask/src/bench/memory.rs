//! Memory of the tracer against live processes, and against processes that came and went.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{
    Bench, Found, TRACE,
    compare::{self, Plan},
    crowd::Crowd,
    document::{Section, cell},
    figures::{Figure, short},
    trace,
    verdict::Verdict,
};
use crate::run;

/// Live processes besides the machine's own.
const LIVE: [usize; 3] = [0, 1_000, 10_000];
/// Processes that come and go during a session.
const GONE: [usize; 2] = [500, 5_000];

/// Measures both.
///
/// # Errors
/// A comparison could not be run.
pub fn measure(bench: &Bench) -> Result<Found> {
    let mut section = Section::new("Memory");
    section.say(
        "Resident memory of the tracer at the end of a session, from its report. \
         `numatrace doctor` computes the size of the maps in the kernel for a machine.",
    );
    let mut rows = Vec::new();
    let mut many = None;
    for processes in LIVE {
        let crowd = (processes > 0)
            .then(|| Crowd::of(bench, processes))
            .transpose()?;
        let resident = resident(bench, &["forks", "--count", "50"])?;
        drop(crowd);
        rows.push(vec![format!("{processes} more that live"), cell(resident)]);
        many = resident;
    }
    for processes in GONE {
        let resident = resident(bench, &["forks", "--count", &processes.to_string()])?;
        rows.push(vec![
            format!("{processes} that came and went"),
            cell(resident),
        ]);
    }
    section.table(&["processes", "resident, MiB"], &rows);
    let mib = |mib: f64| format!("{} MiB", short(mib));
    let verdicts = vec![
        Verdict::at_most(
            "tracer's memory, 10,000 live processes",
            64.0,
            many.map(|figure| figure.median),
            mib,
        ),
        Verdict::at_most(
            "maps in the kernel, 64 CPUs, computed",
            64.0,
            maps_on_64_cpus(bench)?,
            mib,
        ),
    ];
    Ok(Found { section, verdicts })
}

/// Returns the MiB of maps on 64 CPUs, as `numatrace doctor` computes them.
fn maps_on_64_cpus(bench: &Bench) -> Result<Option<f64>> {
    let mut doctor = Command::new(&bench.numatrace);
    let output = run::output(doctor.args(["doctor", "-f", "json"]))?;
    let said: Value =
        serde_json::from_slice(&output.stdout).context("doctor's JSON does not parse")?;
    let bytes = said["memory"]["maps_bytes_64_cpus"].as_f64();
    Ok(bytes.map(|bytes| bytes / f64::from(1 << 20)))
}

fn resident(bench: &Bench, load: &[&str]) -> Result<Option<Figure>> {
    let plan = Plan {
        rounds: 3,
        first: Vec::new(),
        load: load.iter().map(|word| (*word).to_owned()).collect(),
        modes: vec![trace(&bench.numatrace, &bench.file("report.json"))],
    };
    let outcomes = compare::here(&bench.program, &plan)?;
    let kib = compare::of(&outcomes, TRACE).and_then(|o| o.reported("/tracer_rss_kb"));
    Ok(kib.map(|Figure { low, median, high }| Figure {
        low: low / 1024.0,
        median: median / 1024.0,
        high: high / 1024.0,
    }))
}
