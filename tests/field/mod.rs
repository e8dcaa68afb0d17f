//! Public reports and scenarios of people with NUMA machines, one file for each: the situation is
//! made again in a guest, and the first screen of the report must say what the person needed.
//!
//! Each file names its source and the sentence. A number in a sentence is compared only where the
//! situation fixes it.

mod balancing_off;
mod bound_node_oom;
mod huge_pages_of_the_other_node;
mod mbind_refused;
mod redis_started_elsewhere;
mod settled_elsewhere;

use std::process::Command;

use numatrace_tests::harness::programs;
use numatrace_tests::harness::running::{Finished, Running};
use numatrace_tests::harness::tracer::{DEADLINE, READY};

/// Lines that a terminal shows without scrolling.
const SCREEN: usize = 24;

/// A text report as a person on a terminal of 80 columns sees it.
struct Report(String);

impl Report {
    /// Holds the first screen to a sentence, and the whole report to have no acquittal.
    fn says(&self, sentence: &str) {
        let screen: Vec<&str> = self.0.lines().take(SCREEN).collect();
        // Sentences are wrapped.
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            words(&screen.join("\n")).contains(&words(sentence)),
            "not on the first screen: {sentence}\n{}",
            self.0
        );
        assert!(!self.0.contains("NUMA is not the problem"), "{}", self.0);
    }
}

/// Traces a workload that was there before, with `-p`, until it ends.
fn attached(workload: &[&str]) -> (Report, u64) {
    let mut program = Running::start(
        Command::new(programs::workload().unwrap())
            .arg("--start-on-stdin")
            .args(workload),
    )
    .unwrap();
    program.wait_for("workload: ready", DEADLINE).unwrap();
    let pid = program.pid();
    let tracer = trace(&["-p", &pid.to_string()]);
    tracer.wait_for(READY, DEADLINE).unwrap();
    program.send("\n").unwrap();
    let ended = program.finish(DEADLINE).unwrap();
    assert!(ended.status.success(), "{ended:?}");
    if !tracer.has_ended(std::time::Duration::ZERO).unwrap() {
        tracer.signal(nix::sys::signal::Signal::SIGINT).unwrap();
    }
    (report(tracer), u64::from(pid))
}

/// Traces a workload from its start. Its own status may be that of a signal.
fn launched(workload: &[&str]) -> Report {
    let program = programs::workload().unwrap();
    let mut args = vec!["--", program.to_str().unwrap()];
    args.extend(workload);
    report(trace(&args))
}

fn trace(args: &[&str]) -> Running {
    let mut command = Command::new(programs::numatrace().unwrap());
    Running::start(command.args(["trace"]).args(args)).unwrap()
}

fn report(tracer: Running) -> Report {
    let ended: Finished = tracer.finish(DEADLINE).unwrap();
    // A launched workload prints its truth before the report.
    let text = ended.stdout.split_once("numatrace trace:");
    let (_, text) = text.unwrap_or_else(|| panic!("no report: {ended:?}"));
    Report(format!("numatrace trace:{text}"))
}
