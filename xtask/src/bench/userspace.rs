//! The stages behind the ring: counts and records per second on one core.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{
    Bench, Found,
    document::{Section, cell},
    figures::{Figure, percent, short},
    verdict::Verdict,
};
use crate::run;

/// The output of `numatrace-bench fold`.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Throughput {
    runs_per_s: f64,
    records_per_s: f64,
    rss_kib: f64,
}

const PROCESSES: [u32; 3] = [10, 1_000, 100_000];
const NODES: [u16; 3] = [2, 8, 64];

/// Measures each pair.
///
/// # Errors
/// The program fails.
pub fn run(bench: &Bench) -> Result<Found> {
    let mut section = Section::new("Decode, attribute, fold");
    section.say(
        "Millions per second on one core, with synthetic input. Counts from the totals \
         map are decoded, charged to their process and folded into accumulators. Records \
         of moves from the ring buffer are decoded and charged to their process.",
    );
    let mut rows = Vec::new();
    let mut at_two_nodes = Vec::new();
    for processes in PROCESSES {
        for nodes in NODES {
            let samples: Vec<Throughput> = (0..bench.rounds.div_ceil(2))
                .map(|_| measure(bench, processes, nodes))
                .collect::<Result<_>>()?;
            let figure = |of: fn(&Throughput) -> f64| Figure::of(samples.iter().map(of).collect());
            let runs = figure(|t| t.runs_per_s / 1e6);
            if nodes == NODES[0] {
                at_two_nodes.push(runs.map(|figure| figure.median));
            }
            rows.push(vec![
                processes.to_string(),
                nodes.to_string(),
                cell(runs),
                cell(figure(|t| t.records_per_s / 1e6)),
                cell(figure(|t| t.rss_kib / 1024.0)),
            ]);
        }
    }
    section.table(
        &[
            "processes",
            "nodes",
            "counts, M/s",
            "records of moves, M/s",
            "resident, MiB",
        ],
        &rows,
    );
    let sweeps = (0..bench.rounds.div_ceil(2)).map(|_| sweep(bench));
    let sweeps = Figure::of(sweeps.collect::<Result<_>>()?);
    section.say(
        "Of a sweep of 131,072 totals, with the counts of 256 CPUs on 8 nodes beside them, finding \
         what is new takes so many milliseconds:",
    );
    section.table(&["ms"], &[vec![cell(sweeps)]]);
    let (thousand, many) = (at_two_nodes[1], at_two_nodes[2]);
    let ratio = thousand.zip(many).map(|(thousand, many)| many / thousand);
    let verdicts = vec![
        Verdict::at_least(
            "counts folded per second, 1,000 processes",
            10.0,
            thousand,
            |m| format!("{} million", short(m)),
        ),
        Verdict::at_least("the same with 100,000 processes", 0.8, ratio, percent),
        Verdict::at_most(
            "a sweep of 131,072 totals and 256 CPUs",
            50.0,
            sweeps.map(|figure| figure.median),
            |ms| format!("{} ms", short(ms)),
        ),
    ];
    Ok(Found { section, verdicts })
}

fn sweep(bench: &Bench) -> Result<f64> {
    #[derive(Deserialize)]
    struct Sweeps {
        sweep_ms: f64,
    }
    let text = run::capture(Command::new(&bench.program).arg("sweep"))?;
    let sweeps: Sweeps = serde_json::from_str(&text).context("the time of a sweep")?;
    Ok(sweeps.sweep_ms)
}

fn measure(bench: &Bench, processes: u32, nodes: u16) -> Result<Throughput> {
    let mut command = Command::new(&bench.program);
    command.args(["fold", "--millis", "300"]);
    command.args(["--processes", &processes.to_string()]);
    let text = run::capture(command.args(["--nodes", &nodes.to_string()]))?;
    serde_json::from_str(&text).context("the throughput")
}
