//! Pids that are reused within a session: each process is an entry of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use nix::sys::signal::Signal;

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use numatrace_tests::harness::truth::Truth;
use numatrace_tests::{or_skip, tracer};

use crate::support::closed::closed;

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

/// A lower limit of pids, put back at the end.
struct Few(String);

impl Few {
    fn new(pids: u32) -> Self {
        let before = std::fs::read_to_string(PID_MAX).unwrap();
        std::fs::write(PID_MAX, pids.to_string()).unwrap();
        Self(before)
    }
}

impl Drop for Few {
    fn drop(&mut self) {
        let _ = std::fs::write(PID_MAX, &self.0);
    }
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    // Six hundred are left after the kernel's reserved ones: each is used three times or more.
    let few = Few::new(900);
    let children = 2000;
    let run = or_skip!(tracer!().system_wide(&["fork-storm", "--count", &children.to_string()]));
    drop(few);
    closed(&run.report);
    lives_are_apart(&run.report, &run.truth, children);
}

#[test]
fn twenty_pids_for_hundreds_of_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let children = 400;
    let mut load = Command::new(programs::workload().unwrap());
    load.args(["--start-on-stdin", "fork-storm", "--at-once", "2"]);
    let mut load = Running::start(load.args(["--count", &children.to_string()])).unwrap();
    load.wait_for("workload: ready", DEADLINE).unwrap();
    let tracer = Running::start(&mut tracer!().command(&path).unwrap()).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    // Three hundred are the kernel's; tracer and load have theirs.
    let few = Few::new(320);
    load.send("\n").unwrap();
    let done = load.finish(DEADLINE).unwrap();
    drop(few);
    assert!(done.status.success(), "{done:?}");
    tracer.signal(Signal::SIGINT).unwrap();
    let end = tracer.finish(DEADLINE).unwrap();
    assert!(end.status.success(), "{end:?}");
    let report = Report::read(&path).unwrap();
    closed(&report);
    lives_are_apart(&report, &Truth::parse(&done.stdout).unwrap(), children);
}

/// Each child is an entry of its own, however few pids they had.
fn lives_are_apart(report: &Report, truth: &Truth, children: usize) {
    let expected: BTreeSet<u64> = truth.0["child_pids"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(serde_json::Value::as_u64)
        .collect();
    assert!(
        expected.len() < children / 2,
        "{} pids for {children} children",
        expected.len()
    );
    let mut lives: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for process in report.processes() {
        if let (Some(pid), Some(start)) = (process.count("/pid"), process.count("/start_ns"))
            && expected.contains(&pid)
        {
            assert!(
                lives.entry(pid).or_default().insert(start),
                "{pid} twice since {start}"
            );
        }
    }
    let listed: usize = lives.values().map(BTreeSet::len).sum();
    let others = 100;
    assert!(
        (children..children + others).contains(&listed),
        "{listed} lives of {children} children"
    );
}
