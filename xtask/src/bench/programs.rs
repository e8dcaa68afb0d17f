//! Program time per event by the kernel's own statistics, above an empty program at the same hook
//! in the same session.

use anyhow::Result;

use super::{
    Bench, Found, beside,
    compare::{self, Mode, Outcome, Plan},
    document::{Section, cell},
    figures::{Figure, short},
    verdict::Verdict,
};

/// The hook of the empty program that the allocation programs are compared with.
const ALLOCATION: &str = "tp_btf:mm_page_alloc";
/// Empty programs are named by this and their hook, shortened to 15 bytes.
const EMPTY_PREFIX: &str = "empty_";

/// A load and the modes whose programs are measured in it.
struct Measure {
    title: &'static str,
    load: &'static str,
    /// The hook of the empty program.
    beside: &'static str,
    modes: Vec<Mode>,
}

/// Measures all of them.
///
/// # Errors
/// A comparison could not be run.
pub fn run(bench: &Bench) -> Result<Found> {
    let mut section = Section::new("Program time per event");
    section.say(
        "Measured by `BPF_ENABLE_STATS`, which times each run of each program. Net is the \
         programs' time less the time of as many runs of an empty program at the same \
         hook in the same session. An event is a run of that empty program.",
    );
    let ours = |name: &str, arguments: &[&str]| {
        let words: Vec<&str> = std::iter::once("ours")
            .chain(arguments.iter().copied())
            .collect();
        beside(name, &bench.program, &words, "ready")
    };
    let mut alloc_modes = vec![
        ours(COUNTING, &["--counts-only", "page_alloc"]),
        ours(DEFAULT, &["page_alloc", "page_fault"]),
    ];
    alloc_modes.extend(bench.peers.bpftrace_counting());
    let all = |name: &str| vec![ours(name, &[])];
    let measures = [
        Measure {
            title: "Allocations (fault storm)",
            load: "faults --rounds 6",
            beside: ALLOCATION,
            modes: alloc_modes,
        },
        Measure {
            title: "Context switches",
            load: "switches",
            beside: "tp_btf:sched_switch",
            modes: all("all hooks"),
        },
        Measure {
            title: "Moves from CPU to CPU",
            load: "moves --count 10000",
            beside: "tp_btf:sched_migrate_task",
            modes: all("all hooks"),
        },
    ];
    let mut verdicts = Vec::new();
    for measure in measures {
        let mut load = vec![
            "--runs".to_owned(),
            "--beside".to_owned(),
            measure.beside.to_owned(),
        ];
        load.extend(measure.load.split(' ').map(str::to_owned));
        let plan = Plan {
            rounds: bench.rounds.div_ceil(2),
            first: vec![measure.beside.to_owned()],
            load,
            modes: measure.modes,
        };
        let outcomes = compare::here(&bench.program, &plan)?;
        section.say(&format!("**{}**", measure.title));
        table(&outcomes, measure.beside, &mut section);
        if measure.beside == ALLOCATION {
            verdicts.extend(judge(&outcomes));
        }
    }
    Ok(Found { section, verdicts })
}

const COUNTING: &str = "counting by thread and node";
const DEFAULT: &str = "all that a report has of allocations: counts, causes, first touch, runs";

fn judge(outcomes: &[Outcome]) -> Vec<Verdict> {
    let net = |name: &str| Some(net(compare::of(outcomes, name)?, ALLOCATION)?.median);
    let ns = |ns: f64| format!("{} ns", short(ns));
    let counting = net(COUNTING);
    let peer = outcomes
        .iter()
        .find(|outcome| outcome.name.contains("rawtracepoint"))
        .and_then(|outcome| net(&outcome.name));
    let ratio = peer.zip(counting).map(|(peer, ours)| peer / ours);
    vec![
        Verdict::at_most(
            "net program time per allocation, counting",
            15.0,
            counting,
            ns,
        ),
        Verdict::at_most(
            "net program time per allocation, default report",
            30.0,
            net(DEFAULT),
            ns,
        ),
        Verdict::at_least(
            "the same of bpftrace's raw tracepoint counting by pid",
            2.0,
            ratio,
            |times| format!("{} × ours", short(times)),
        ),
    ]
}

/// Returns executions and time of a sample's empty program.
fn empty(sample: &compare::Sample, hook: &str) -> Option<(f64, f64)> {
    let mut name = format!("{EMPTY_PREFIX}{}", hook.split(':').next_back()?);
    name.truncate(15);
    // The last one, which the load attached. The first in the chain pays for what all of them need.
    let mut programs = sample.done.programs.iter().rev();
    let program = programs.find(|p| p.name == name)?;
    Some((program.runs, program.ns))
}

/// Returns the net time of all programs but the empty one, per event.
fn net(outcome: &Outcome, hook: &str) -> Option<Figure> {
    outcome.figure(|sample| {
        let Some((events, empty_ns)) = empty(sample, hook) else {
            return f64::NAN;
        };
        let others = sample
            .done
            .programs
            .iter()
            .filter(|program| !program.name.starts_with(EMPTY_PREFIX));
        others
            .map(|program| program.ns - program.runs * empty_ns / events)
            .sum::<f64>()
            / events
    })
}

fn table(outcomes: &[Outcome], hook: &str, section: &mut Section) {
    let mut rows = Vec::new();
    for outcome in outcomes {
        let floor =
            outcome.figure(|sample| empty(sample, hook).map_or(f64::NAN, |(runs, ns)| ns / runs));
        rows.push(vec![
            outcome.name.clone(),
            outcome.failed.clone().unwrap_or_default(),
            cell(floor),
            cell(net(outcome, hook)),
        ]);
        let events: f64 = outcome
            .samples
            .iter()
            .filter_map(|sample| Some(empty(sample, hook)?.0))
            .sum();
        for (program, (runs, ns)) in compare::programs(outcome) {
            // A program that runs once in a thousand events explains nothing.
            if runs * 1000.0 >= events && !program.starts_with(EMPTY_PREFIX) {
                rows.push(vec![
                    format!("… `{program}`"),
                    format!("{} runs per event", short(runs / events)),
                    String::new(),
                    format!("{} a run, gross", short(ns / runs)),
                ]);
            }
        }
    }
    section.table(&["programs", "", "empty, ns", "net per event, ns"], &rows);
}
