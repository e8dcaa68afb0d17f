//! Commands that fixes print, run as they are printed: the finding that printed them is gone. Each
//! trial leaves a line for the table of docs/findings.md (`cargo xtask fixes`).

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::{Report, findings};
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::harness::trial;
use numatrace_tests::tracer;
use serde_json::Value;

mod balancing;
mod caches;
mod memoryless;
mod moves;
mod placement;
mod tiering;

/// A program that takes so much memory and nothing else, and places nothing itself.
fn buffer(mib: u64) -> [String; 5] {
    [
        "dd".to_owned(),
        "if=/dev/zero".to_owned(),
        "of=/dev/null".to_owned(),
        format!("bs={mib}M"),
        "count=1".to_owned(),
    ]
}

/// Traces a command; the program may fail, the tracer may not.
fn trace(words: &[String]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut command = tracer!().command(&path).unwrap();
    let traced = Running::start(command.arg("--").args(words)).unwrap();
    let ended = traced.finish(DEADLINE).unwrap();
    Report::read(&path).unwrap_or_else(|error| panic!("{error:#}: {}", ended.stderr))
}

fn words(before: &[&str], program: &[String]) -> Vec<String> {
    let before = before.iter().map(|word| (*word).to_owned());
    before.chain(program.iter().cloned()).collect()
}

/// A workload that is launched.
fn workload(args: &[&str]) -> Vec<String> {
    let path = programs::workload().unwrap();
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    words(&[&path.to_string_lossy()], &args)
}

/// Runs a command that has a finding, and then the command that the finding's fix prints: there the
/// finding must not be.
fn start_differently(id: &str, option: &str, before: &[&str], program: &[String]) {
    let report = trace(&words(before, program)).value;
    let found = findings(&report, id);
    assert!(!found.is_empty(), "{before:?}: {:#}", report["findings"]);
    start_as_printed(id, option, found[0]);
}

/// Runs the command of a finding's fix: there the finding must not be.
fn start_as_printed(id: &str, option: &str, finding: &Value) {
    let line = trial::command(finding, "run_command", option);
    let line = line.unwrap_or_else(|| panic!("no {option}: {finding:#}"));
    let shell = ["sh", "-c", &format!("exec {line}")].map(str::to_owned);
    let after = trace(&shell).value;
    let left = findings(&after, id);
    assert!(left.is_empty(), "{line}: {left:#?}");
    trial::worked(id, &line).unwrap();
}
