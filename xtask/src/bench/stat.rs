//! `numatrace stat -p` of many processes, compared with reading the same files of `/proc` once and
//! throwing them away.

use anyhow::Result;

use super::{
    Bench, Found,
    compare::{self, Outcome, Plan},
    crowd::Crowd,
    document::{Section, cell},
    figures::short,
    untraced,
    verdict::Verdict,
};

/// How many processes.
const CROWDS: [usize; 2] = [1_000, 10_000];
/// The files that `stat -p PID` reads of each.
const FILES: &str = "comm,numa_maps";

/// Measures both numbers of processes.
///
/// # Errors
/// The machine has no room for so many.
pub fn run(bench: &Bench) -> Result<Found> {
    let mut section = Section::new("stat -p of many processes");
    section.say(&format!(
        "CPU time in ms and peak memory of `numatrace stat -p` of that many processes, \
         and the CPU time of reading `{FILES}` of the same processes once."
    ));
    let mut rows = Vec::new();
    let mut verdicts = Vec::new();
    let mut memory = Vec::new();
    for processes in CROWDS {
        let crowd = Crowd::of(bench, processes)?;
        let ours = [
            bench.numatrace.to_string_lossy().into_owned(),
            "stat".into(),
            "-p".into(),
            crowd.pids.clone(),
        ];
        let bare = [
            bench.program.to_string_lossy().into_owned(),
            "procfiles".into(),
            "--files".into(),
            FILES.into(),
            "--pids".into(),
            crowd.pids.clone(),
        ];
        let (mut stat, mut files) = (Vec::new(), Vec::new());
        for _ in 0..bench.rounds.div_ceil(2) {
            stat.push(once(bench, &ours)?);
            files.push(once(bench, &bare)?);
        }
        drop(crowd);
        let cpu = |all: &[Outcome]| {
            let samples = all
                .iter()
                .filter_map(|one| Some(one.cpu_ns()?.median / 1e6));
            super::figures::Figure::of(samples.collect())
        };
        let (stat_ms, files_ms) = (cpu(&stat), cpu(&files));
        let mib = super::figures::Figure::of(
            stat.iter()
                .flat_map(|one| &one.samples)
                .map(|sample| sample.done.max_rss_kib.unwrap_or(f64::NAN) / 1024.0)
                .collect(),
        );
        rows.push(vec![
            processes.to_string(),
            cell(stat_ms),
            cell(files_ms),
            cell(mib),
        ]);
        let ratio = stat_ms
            .zip(files_ms)
            .map(|(stat, files)| stat.median / files.median);
        verdicts.push(Verdict::at_most(
            &format!("stat -p of {processes} processes"),
            1.2,
            ratio,
            |times| format!("{} × reading the files", short(times)),
        ));
        memory.extend(mib.map(|figure| figure.median));
    }
    section.table(
        &[
            "processes",
            "stat, CPU ms",
            "files, CPU ms",
            "stat, peak MiB",
        ],
        &rows,
    );
    Ok(Found { section, verdicts })
}

fn once(bench: &Bench, argv: &[String]) -> Result<Outcome> {
    let mut load = vec!["command".to_owned(), "--".to_owned()];
    load.extend_from_slice(argv);
    let plan = Plan {
        rounds: 1,
        first: Vec::new(),
        load,
        modes: vec![untraced()],
    };
    let mut outcomes = compare::here(&bench.program, &plan)?;
    let outcome = outcomes.remove(0);
    if let Some(why) = &outcome.failed {
        anyhow::bail!("{why}");
    }
    Ok(outcome)
}
