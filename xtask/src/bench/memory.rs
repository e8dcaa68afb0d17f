//! Memory of the tracer against live processes, and against processes that came and went.

use anyhow::Result;

use super::{
    Bench, Found, TRACE,
    compare::{self, Plan},
    crowd::Crowd,
    document::{Section, cell},
    figures::{Figure, short},
    trace,
    verdict::Verdict,
};

/// Live processes beside the machine's own.
const LIVE: [usize; 3] = [0, 1_000, 10_000];
/// Processes that come and go during a session.
const GONE: [usize; 2] = [500, 5_000];

/// Measures both.
///
/// # Errors
/// A comparison could not be run.
pub fn run(bench: &Bench) -> Result<Found> {
    let mut section = Section::new("Memory");
    section.say(
        "Resident memory of the tracer at the end of a session, as its report says. Maps of the kernel are what `numatrace doctor` computes for a machine.",
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
    let verdicts = vec![Verdict::at_most(
        "tracer's memory, 10,000 live processes",
        64.0,
        many.map(|figure| figure.median),
        |mib| format!("{} MiB", short(mib)),
    )];
    Ok(Found { section, verdicts })
}

fn resident(bench: &Bench, load: &[&str]) -> Result<Option<Figure>> {
    let plan = Plan {
        rounds: 3,
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
