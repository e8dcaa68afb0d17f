//! Commands of fixes, run as they are printed, do away with the finding that they are of.

use std::fs;
use std::path::Path;
use std::process::Command;

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use numatrace_tests::harness::trial;
use numatrace_tests::{or_skip, test_name, tracer};
use serde_json::Value;

use crate::two_nodes_or_skip;

/// Setting of transparent huge pages: with them, 64 MiB are fewer allocations than a finding needs.
const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// A program that places nothing itself, and whose text a shell would take apart.
const PROGRAM: &str = "BEGIN { for (i = 0; i < 200000; i++) a[i] = i \"$(reboot) 'x'; y\" }";

/// Returns the findings with an id about a process.
fn findings<'a>(report: &'a Value, id: &str, pid: Option<u64>) -> Vec<&'a Value> {
    report::findings(report, id)
        .into_iter()
        .filter(|finding| pid.is_none_or(|pid| finding["pid"] == pid))
        .collect()
}

/// Returns the first command of the first fix of a kind.
fn command(finding: &Value, kind: &str) -> String {
    let fixes = finding["fixes"].as_array().expect("fixes");
    let fix = fixes.iter().find(|fix| fix["kind"] == kind);
    let fix = fix.unwrap_or_else(|| panic!("no {kind}: {finding:#}"));
    let command = fix["commands"][0].as_str();
    command
        .unwrap_or_else(|| panic!("no command: {fix:#}"))
        .to_owned()
}

fn kinds(finding: &Value) -> Vec<&str> {
    let fixes = finding["fixes"].as_array().expect("fixes");
    fixes
        .iter()
        .filter_map(|fix| fix["kind"].as_str())
        .collect()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Huge pages as they were, once dropped.
struct HugePages(String);

impl HugePages {
    fn off() -> Option<Self> {
        let text = fs::read_to_string(HUGE_PAGES).ok()?;
        let before = text.split_once('[')?.1.split_once(']')?.0.to_owned();
        fs::write(HUGE_PAGES, "never").ok()?;
        Some(Self(before))
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        let _ = fs::write(HUGE_PAGES, &self.0);
    }
}

#[test]
fn memory_that_is_brought_to_its_threads_is_no_finding_any_more() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("migratepages") {
        return skipped(test_name!(), "no migratepages");
    }
    let _off = Balancer::off().unwrap();
    let mut program = Running::start(
        Command::new(programs::workload().unwrap())
            .arg("--start-on-stdin")
            .args(["settled", "--mib=48", "--bound", "--ms=60000"])
            .args([format!("--node={b}"), format!("--cpu-node={a}")]),
    )
    .unwrap();
    program.wait_for("workload: ready", DEADLINE).unwrap();
    let pid = u64::from(program.pid());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let trace = || {
        let mut command = tracer!().command(&path).unwrap();
        let pid = pid.to_string();
        Running::start(command.args(["-d", "3", "-p", &pid])).unwrap()
    };
    let traced = trace();
    traced.wait_for(READY, DEADLINE).unwrap();
    program.send("\n").unwrap();
    assert!(traced.finish(DEADLINE).unwrap().status.success());
    let before = read(&path);
    let found = findings(&before, "ran-away-from-memory", Some(pid));
    assert_eq!(found.len(), 1, "{:#}", before["findings"]);
    let process = before["processes"].as_array().unwrap();
    let process = process.iter().find(|one| one["pid"] == pid).unwrap();
    assert_eq!(process["ended"], false);
    assert_eq!(process["args"][1], "--start-on-stdin", "{process:#}");

    let line = command(found[0], "move_pages");
    let status = Command::new("sh").args(["-c", &line]).status().unwrap();
    assert!(status.success(), "{line}");

    assert!(trace().finish(DEADLINE).unwrap().status.success());
    let after = read(&path);
    let left = findings(&after, "ran-away-from-memory", Some(pid));
    assert!(left.is_empty(), "{line}: {left:#?}");
    trial::worked("ran-away-from-memory", &line).unwrap();
    // The workload itself expects its memory where it was: its end does not count.
    program.signal(nix::sys::signal::Signal::SIGKILL).unwrap();
    let _ = program.finish(DEADLINE).unwrap();
}

#[test]
fn the_prefix_of_a_command_is_replaced_and_the_program_arrives_whole() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let _off = Balancer::off().unwrap();
    let Some(_base_pages) = HugePages::off() else {
        return skipped(test_name!(), "huge pages cannot be switched off");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let (cpus, memory) = (format!("--cpunodebind={a}"), format!("--membind={b}"));
    let started = ["numactl", &cpus, &memory, "awk", PROGRAM];
    let mut tracer = tracer!().command(&path).unwrap();
    let traced = Running::start(tracer.arg("--").args(started)).unwrap();
    assert!(traced.finish(DEADLINE).unwrap().status.success());
    let before = read(&path);
    let found = findings(&before, "remote-by-policy", None);
    assert_eq!(found.len(), 1, "{:#}", before["findings"]);
    assert!(!kinds(found[0]).contains(&"move_pages"), "{:#}", found[0]);
    let line = command(found[0], "run_command");
    let start = format!("numactl --cpunodebind={b} --membind={b} awk ");
    assert!(line.starts_with(&start), "{line}");

    let shell = format!("exec {line}");
    let mut tracer = tracer!().command(&path).unwrap();
    let traced = Running::start(tracer.args(["--", "sh", "-c", &shell])).unwrap();
    assert!(traced.finish(DEADLINE).unwrap().status.success(), "{line}");
    let after = read(&path);
    let left = findings(&after, "remote-by-policy", None);
    assert!(left.is_empty(), "{line}: {left:#?}");
}

#[test]
fn a_program_that_binds_its_memory_gets_the_call_and_no_memory_binding() {
    let (a, b) = two_nodes_or_skip!();
    let (a, b) = (a.to_string(), b.to_string());
    let run =
        or_skip!(tracer!().launch(&["bind", "--node", &b, "--cpu-node", &a, "--pages", "4000",]));
    let found = findings(&run.report.value, "remote-by-policy", Some(run.truth.pid()));
    assert_eq!(found.len(), 1, "{:#}", run.report.value["findings"]);
    let kinds = kinds(found[0]);
    assert!(kinds.contains(&"unbind"), "{:#}", found[0]);
    assert!(
        !kinds.contains(&"move_pages"),
        "it has ended: {:#}",
        found[0]
    );
    let fix = found[0]["fix"].as_str().unwrap();
    assert!(!fix.contains("--membind"), "{fix}");
}
