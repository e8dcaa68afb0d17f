//! Instructions added per event, in a guest whose clock counts instructions: a figure that no
//! neighbour on the machine can change.
//!
//! QEMU's `-icount shift=0` makes a nanosecond of the guest's time one instruction, so the loads'
//! own timing is the count.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{
    Bench, EMPTY, Found, TRACE, beside,
    compare::{self, Mode, Outcome, Plan},
    document::{Section, cell},
    figures::short,
    untraced,
    verdict::Verdict,
};
use crate::vm::{
    guest::Guest, initramfs::Put, kernel, layout::Layout, lines::Sink, verdict::Ending,
};

/// Kernels that are measured: the one most machines run, and a newer one whose fault path differs.
const KERNELS: [&str; 2] = ["6.12", "7.2"];
/// Two nodes with a CPU each: moves need two.
const LAYOUT: &str = "1:512M,1:512M";
/// Longest time of a guest.
const TIMEOUT: Duration = Duration::from_secs(400);

/// Names of modes that stand for one hook.
const HOOK_EMPTY: &str = "allocation hook alone, empty";
const HOOK_OURS: &str = "allocation hook alone, ours";
const FALLBACK_EMPTY: &str = "fallback hooks of allocation and fault, empty";
const FALLBACK_OURS: &str = "fallback hooks of allocation and fault, ours";

/// Measures on each kernel.
///
/// # Errors
/// A guest could not be run.
pub fn run(bench: &Bench) -> Result<Found> {
    let mut section = Section::new("Instructions added");
    section.say(&format!(
        "Instructions of one event in a guest (`{LAYOUT}`, QEMU `-icount \
         shift=0,sleep=off`), with the work of the event itself, and the instructions \
         that each mode adds. One fault of 4 KiB is one allocation and a small part of \
         page tables. Guests have fentry and fexit, so numatrace uses the exact hooks."
    ));
    let mut verdicts = Vec::new();
    let kernels = if bench.quick { &KERNELS[..1] } else { &KERNELS };
    for kernel in kernels {
        for (title, load, outcomes) in measure(bench, kernel)? {
            section.say(&format!("**{title}, Linux {kernel}**"));
            if load == RUNS {
                runs(&outcomes, &mut section);
            } else {
                table(&outcomes, &mut section);
            }
            if load == "faults" {
                verdicts.extend(judge(kernel, &outcomes));
            }
        }
    }
    Ok(Found { section, verdicts })
}

/// A load and its plan.
fn plans(bench: &Bench) -> Vec<(&'static str, &'static str, Plan)> {
    let program = PathBuf::from("/usr/local/bin/numatrace-bench");
    let all = || {
        vec![
            untraced(),
            beside(
                EMPTY,
                &program,
                &["empty", "--like", "/tmp/like.json"],
                "ready",
            ),
            // As `numatrace trace`, but without the intervals in which it measures itself: a load
            // is shorter than the time between two of them.
            beside(TRACE, &program, &["ours"], "ready"),
        ]
    };
    let empty = |name: &str, hooks: &[&str]| -> Mode {
        let words: Vec<&str> = std::iter::once("empty")
            .chain(hooks.iter().copied())
            .collect();
        beside(name, &program, &words, "ready")
    };
    let ours = |name: &str, words: &[&str]| -> Mode {
        let words: Vec<&str> = std::iter::once("ours")
            .chain(words.iter().copied())
            .collect();
        beside(name, &program, &words, "ready")
    };
    let mut of_allocations = all();
    of_allocations.extend([
        empty(HOOK_EMPTY, &["fexit get_page_from_freelist"]),
        ours(HOOK_OURS, &["--counts-only", "page_alloc"]),
        empty(
            FALLBACK_EMPTY,
            &["tp_btf mm_page_alloc", "tp_btf page_fault_user"],
        ),
        ours(FALLBACK_OURS, &["--fallback", "page_alloc", "page_fault"]),
    ]);
    let plan = |load: &str, modes| Plan {
        rounds: if bench.quick { 1 } else { 2 },
        load: load.split(' ').map(str::to_owned).collect(),
        first: Vec::new(),
        modes,
    };
    vec![
        (
            "Faults of 4 KiB",
            "faults",
            plan("faults --mib 16 --rounds 2", of_allocations),
        ),
        (
            "Context switches",
            "switches",
            plan("switches --trips 8000", all()),
        ),
        (
            "Moves from CPU to CPU",
            "moves",
            plan("moves --count 1000", all()),
        ),
        (
            "Instructions of one run of each program, faults of 4 KiB",
            RUNS,
            plan(
                "--runs --beside fexit:get_page_from_freelist faults --mib 16 --rounds 2",
                vec![beside(TRACE, &program, &["ours"], "ready")],
            ),
        ),
    ]
}

/// The load in which the kernel's statistics time each program.
const RUNS: &str = "runs";

type Measured = (&'static str, &'static str, Vec<Outcome>);

fn measure(bench: &Bench, kernel: &str) -> Result<Vec<Measured>> {
    let plans = plans(bench);
    let mut files = vec![
        Put {
            from: bench.numatrace.clone(),
            to: "/usr/local/bin/numatrace".into(),
        },
        Put {
            from: bench.program.clone(),
            to: "/usr/local/bin/numatrace-bench".into(),
        },
    ];
    let mut script = String::from(
        "#!/bin/sh\nset -e\nnumatrace trace -q -d 0.2 -f json -o /tmp/like.json >&2\n",
    );
    for (_, name, plan) in &plans {
        let from = PathBuf::from(bench.file(&format!("{name}.plan")));
        fs::write(&from, serde_json::to_vec(plan)?)?;
        let to = PathBuf::from(format!("/root/{name}.plan"));
        script += &format!("numatrace-bench compare <{}\n", to.display());
        files.push(Put { from, to });
    }
    let kernel = kernel::get(kernel)?;
    let layout: Layout = LAYOUT.parse()?;
    let guest = Guest {
        kernel: &kernel,
        layout: &layout,
        smp: None,
        append: "",
        script: &script,
        files: &files,
        artifacts: None,
        data: false,
        modules: false,
        icount: true,
        timeout: TIMEOUT,
    };
    let said = Shared::default();
    let sink = || -> (Sink, Sink) { (Box::new(said.clone()), Box::new(io::stderr())) };
    let outcome = guest.run(&sink)?;
    if outcome.ending != Ending::Exited(0) {
        bail!("the guest: {}\n{}", outcome.ending, outcome.console_tail);
    }
    let text = said.text();
    let results: Vec<Vec<Outcome>> = text
        .lines()
        .map(|line| serde_json::from_str(line).context("a guest's result"))
        .collect::<Result<_>>()?;
    Ok(plans
        .into_iter()
        .zip(results)
        .map(|((title, load, _), outcomes)| (title, load, outcomes))
        .collect())
}

fn table(outcomes: &[Outcome], section: &mut Section) {
    let base = compare::of(outcomes, "untraced").and_then(Outcome::cpu_ns);
    let rows: Vec<Vec<String>> = outcomes
        .iter()
        .map(|outcome| {
            let figure = outcome.cpu_ns();
            let added = figure
                .zip(base)
                .map(|(f, base)| short(f.median - base.median));
            vec![
                outcome.name.clone(),
                cell(figure),
                added.unwrap_or_default(),
                outcome.failed.clone().unwrap_or_default(),
            ]
        })
        .collect();
    section.table(&["mode", "instructions", "added", ""], &rows);
}

/// Returns the time of an execution of each program by the kernel's statistics, whose clock counts
/// instructions here.
fn runs(outcomes: &[Outcome], section: &mut Section) {
    let mut rows = Vec::new();
    for outcome in outcomes {
        let events: f64 = outcome.samples.iter().map(|sample| sample.done.count).sum();
        for (program, (runs, ns)) in compare::programs(outcome) {
            // A program that runs seldom explains nothing.
            if runs * 100.0 >= events {
                rows.push(vec![
                    format!("`{program}`"),
                    short(runs / events),
                    short(ns / runs),
                ]);
            }
        }
    }
    section.table(&["program", "runs per fault", "instructions a run"], &rows);
}

fn judge(kernel: &str, outcomes: &[Outcome]) -> Vec<Verdict> {
    let median = |name: &str| Some(compare::of(outcomes, name)?.cpu_ns()?.median);
    let base = median("untraced");
    let times = |ours: &str, empty: &str| {
        let (base, ours, empty) = (base?, median(ours)?, median(empty)?);
        Some((ours - base) / (empty - base))
    };
    let write = |times: f64| format!("{} × what empty programs add", short(times));
    vec![
        Verdict::at_most(
            &format!("instructions added per allocation, all hooks, {kernel}"),
            2.0,
            times(TRACE, EMPTY),
            write,
        ),
        Verdict::at_most(
            &format!("instructions added per allocation, its hook alone, {kernel}"),
            2.0,
            times(HOOK_OURS, HOOK_EMPTY),
            write,
        ),
    ]
}

/// A writer that several owners share.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
