//! The time from start to attached, and from Ctrl-C to the report.

use anyhow::Result;

use super::{
    Bench, Found, TRACE,
    compare::{self, Plan},
    crowd::Crowd,
    document::{Section, cell},
    figures::short,
    trace,
    verdict::Verdict,
};

/// Processes on the machine besides its own.
const PROCESSES: [usize; 2] = [0, 1_000];

/// Measures with few and with many processes.
///
/// # Errors
/// A comparison could not be run.
pub fn run(bench: &Bench) -> Result<Found> {
    let mut section = Section::new("Start and end");
    section.say(
        "Milliseconds from starting the program to its line that all hooks are attached, \
         and from SIGINT to its end with the report written.",
    );
    section.say(
        "When a session or an interval (`-i`, a refresh of `top`) begins and ends, an interrupt \
         makes each CPU charge its running task with the time so far, and so does one each second \
         on CPUs that are not isolated (isolcpus=, nohz_full=, isolated partitions of cpusets). \
         While the cost of the programs is measured, \
         the kernel switches their statistics on and off twice a second, which patches its code \
         and interrupts every CPU. The maps lie on the node on which numatrace was started.",
    );
    let (mut rows, mut last) = (Vec::new(), (None, None));
    for processes in PROCESSES {
        let crowd = (processes > 0)
            .then(|| Crowd::of(bench, processes))
            .transpose()?;
        let plan = Plan {
            rounds: bench.rounds,
            first: Vec::new(),
            load: ["switches", "--trips", "1000"].map(str::to_owned).to_vec(),
            modes: vec![trace(&bench.numatrace, &bench.file("report.json"))],
        };
        let outcomes = compare::here(&bench.program, &plan)?;
        drop(crowd);
        let outcome = compare::of(&outcomes, TRACE);
        let start = outcome.and_then(|o| o.figure(|s| s.start_ms.unwrap_or(f64::NAN)));
        let end = outcome.and_then(|o| o.figure(|s| s.end_ms.unwrap_or(f64::NAN)));
        rows.push(vec![processes.to_string(), cell(start), cell(end)]);
        last = (start, end);
    }
    section.table(
        &[
            "more processes",
            "start to attached, ms",
            "Ctrl-C to report, ms",
        ],
        &rows,
    );
    let ms = |ms: f64| format!("{} ms", short(ms));
    let verdicts = vec![
        Verdict::at_most(
            "start to attached, 1,000 processes",
            150.0,
            last.0.map(|figure| figure.median),
            ms,
        ),
        Verdict::at_most(
            "Ctrl-C to report, 1,000 processes",
            500.0,
            last.1.map(|figure| figure.median),
            ms,
        ),
    ];
    Ok(Found { section, verdicts })
}
