//! Storms: one kind of event at full speed, under each mode in turn.

use anyhow::Result;

use super::{
    Bench, EMPTY, Found, TRACE, beside,
    compare::{self, Mode, Outcome, Plan},
    document::{Section, cell},
    figures::{percent, short},
    trace, untraced,
    verdict::Verdict,
};

/// A storm.
struct Storm {
    title: &'static str,
    /// Arguments of `numatrace-bench load`.
    load: Vec<String>,
    /// True if the peers take part, which count allocations.
    peers: bool,
    /// Limit of the slow-down, as a multiple of the empty programs' own.
    multiple: Option<f64>,
    /// Limit of the slow-down over the empty programs.
    over_empty: Option<f64>,
}

/// Runs all of them.
///
/// # Errors
/// A comparison could not be run.
pub fn run(bench: &Bench) -> Result<Found> {
    let mut section = Section::new("Storms");
    section.say(
        "Time of one event in ns. The wall time is that of each thread; other load on the \
         machine disturbs it more than it disturbs CPU time.",
    );
    let mut verdicts = Vec::new();
    let mut lost = None;
    for storm in storms(bench) {
        let plan = Plan {
            rounds: bench.rounds,
            first: Vec::new(),
            load: storm.load.clone(),
            modes: modes(bench, &storm),
        };
        let outcomes = compare::here(&bench.program, &plan)?;
        section.say(&format!("**{}** (`{}`)", storm.title, storm.load[0]));
        table(&outcomes, &mut section);
        verdicts.extend(judge(&storm, &outcomes));
        let records = compare::of(&outcomes, TRACE).map(|outcome| {
            let lost = outcome
                .samples
                .iter()
                .filter_map(|sample| sample.coverage.as_ref()?.get("records_lost")?.as_f64());
            lost.sum::<f64>()
        });
        lost = lost.into_iter().chain(records).reduce(|a: f64, b| a + b);
    }
    verdicts.push(Verdict::at_most(
        "records lost in all storms",
        0.0,
        lost,
        short,
    ));
    Ok(Found { section, verdicts })
}

fn storms(bench: &Bench) -> Vec<Storm> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let storm = |title, load: &str| Storm {
        title,
        load: words(load),
        peers: false,
        multiple: None,
        over_empty: None,
    };
    let faults = |title, load| Storm {
        peers: true,
        multiple: Some(1.5),
        ..storm(title, load)
    };
    let mut reads = storm("Page-cache reads, one thread", "reads --rounds 8 --path");
    reads.load.push(bench.file("holes"));
    vec![
        faults("Faults of 4 KiB, one thread", "faults --rounds 6"),
        faults(
            "Faults of 4 KiB, a thread on each CPU",
            "faults --threads 0 --rounds 6",
        ),
        storm(
            "Faults of 2 MiB, one thread",
            "faults --thp --mib 512 --rounds 2",
        ),
        reads,
        storm(
            "Fork and exec, one after another on each CPU",
            "forks --threads 0 --count 200",
        ),
        Storm {
            over_empty: Some(0.03),
            ..storm(
                "Context switches, a pair of threads on one CPU",
                "switches --trips 60000",
            )
        },
        Storm {
            over_empty: Some(0.03),
            ..storm(
                "Context switches, a pair on each CPU",
                "switches --pairs 0 --trips 60000",
            )
        },
        storm("Moves of a thread from CPU to CPU", "moves --count 10000"),
    ]
}

fn modes(bench: &Bench, storm: &Storm) -> Vec<Mode> {
    let like = bench.like();
    let mut modes = vec![
        untraced(),
        beside(
            EMPTY,
            &bench.program,
            &["empty", "--like", &like.to_string_lossy()],
            "ready",
        ),
        trace(&bench.numatrace, &bench.file("report.json")),
    ];
    if storm.peers {
        modes.insert(
            2,
            beside(
                COUNTS,
                &bench.program,
                &["ours", "--counts-only", "page_alloc"],
                "ready",
            ),
        );
        modes.extend(bench.peers.modes(&bench.program));
    }
    modes
}

/// The name of the mode that only counts.
const COUNTS: &str = "numatrace's allocation hook alone, counts by thread and node";

fn table(outcomes: &[Outcome], section: &mut Section) {
    let base = compare::of(outcomes, "untraced").and_then(Outcome::cpu_ns);
    let rows: Vec<Vec<String>> = outcomes
        .iter()
        .map(|outcome| {
            let cpu = outcome.cpu_ns();
            let slower = cpu
                .zip(base)
                .map(|(cpu, base)| percent(cpu.median / base.median));
            let last = match &outcome.failed {
                Some(why) => why.clone(),
                None => costs(outcome),
            };
            vec![
                outcome.name.clone(),
                cell(cpu),
                slower.unwrap_or_default(),
                cell(outcome.wall_ns()),
                last,
            ]
        })
        .collect();
    section.table(
        &[
            "mode",
            "CPU ns",
            "over untraced",
            "wall ns",
            "the tracer itself",
        ],
        &rows,
    );
}

/// Returns a mode's own report of its losses and cost.
fn costs(outcome: &Outcome) -> String {
    let seconds = outcome.reported("/tracer_cpu_s");
    let lost = outcome.reported("/records_lost");
    let records = outcome.reported("/records");
    match (seconds, records, lost) {
        (Some(seconds), Some(records), Some(lost)) => format!(
            "{} s of CPU time, {} records, {} lost",
            short(seconds.median),
            records,
            short(lost.median)
        ),
        _ => String::new(),
    }
}

fn judge(storm: &Storm, outcomes: &[Outcome]) -> Vec<Verdict> {
    let cpu = |name: &str| Some(compare::of(outcomes, name)?.cpu_ns()?.median);
    let (base, empty, traced) = (cpu("untraced"), cpu(EMPTY), cpu(TRACE));
    let mut verdicts = Vec::new();
    if let Some(limit) = storm.multiple {
        let multiple = base
            .zip(empty)
            .zip(traced)
            .map(|((base, empty), traced)| (traced - base) / (empty - base));
        let times = |times: f64| format!("{} × that of empty programs", short(times));
        verdicts.push(Verdict::at_most(
            &format!("slow-down, {}", storm.title),
            limit,
            multiple,
            times,
        ));
    }
    if storm.peers {
        for peer in ["record", " tracepoint"] {
            let name = outcomes.iter().map(|o| &o.name).find(|n| n.contains(peer));
            let theirs = name.and_then(|name| cpu(name));
            let ratio = base
                .zip(theirs)
                .zip(traced)
                .map(|((base, theirs), traced)| (theirs - base) / (traced - base));
            let name = name.map_or(peer, String::as_str);
            verdicts.push(Verdict::at_least(
                &format!("slow-down by {name}, {}", storm.title),
                4.0,
                ratio,
                |times| format!("{} × ours", short(times)),
            ));
        }
    }
    if let Some(limit) = storm.over_empty {
        let over = empty.zip(traced).map(|(empty, traced)| traced / empty);
        verdicts.push(Verdict::at_most(
            &format!("over empty programs, {}", storm.title),
            1.0 + limit,
            over,
            percent,
        ));
    }
    verdicts
}
