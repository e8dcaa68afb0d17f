//! Memory of a session: it is for what lives, and not for what has come and gone.
//!
//! Each test compares the peaks of resident memory of two storms, the second one twice as long. The
//! first takes several sweeps, because what ended within the last ones is kept whole.
//! `NUMATRACE_STORM=whole` makes the second one 200,000 processes and 500,000 threads.

use std::fs;
use std::path::Path;
use std::process::Command;

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::tracer::{DEADLINE, READY};

/// A storm, and how many come and go in its first part.
#[derive(Clone, Copy)]
struct Storm {
    workload: &'static str,
    usual: usize,
    whole: usize,
    /// The number of those that are added up, in a report.
    folded: &'static str,
}

const PROCESSES: Storm = Storm {
    workload: "fork-storm",
    usual: 50_000,
    whole: 100_000,
    folded: "/coverage/folded/processes",
};

const THREADS: Storm = Storm {
    workload: "thread-storm",
    usual: 60_000,
    whole: 250_000,
    folded: "/coverage/folded/threads",
};

impl Storm {
    fn count(self) -> usize {
        let whole = std::env::var("NUMATRACE_STORM").is_ok_and(|value| value == "whole");
        if whole { self.whole } else { self.usual }
    }

    /// Runs the storm to its end.
    fn run(self, count: usize) {
        let mut command = Command::new(programs::workload().unwrap());
        command.args([self.workload, "--count", &count.to_string()]);
        let end = Running::start(&mut command).unwrap();
        let end = end.finish(DEADLINE * 10).unwrap();
        assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    }
}

/// The peak of a process's resident memory in KiB, since the last call of [`forget_peak`].
fn peak_kb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.unwrap().trim().trim_end_matches(" kB");
    kb.parse().unwrap()
}

fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

/// Runs a session through both parts of a storm: its peak in the second one is that of the first.
fn is_flat(args: &[&str], storm: Storm) {
    let mut command = Command::new(programs::numatrace().unwrap());
    command.args(args);
    let tracer = Running::start(&mut command).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    let peak = |count: usize| {
        forget_peak(tracer.pid());
        storm.run(count);
        peak_kb(tracer.pid())
    };
    let first = peak(storm.count());
    let second = peak(2 * storm.count());
    println!(
        "{args:?}, {}: {first} KiB, then {second} KiB",
        storm.workload
    );
    tracer.signal(nix::sys::signal::Signal::SIGINT).unwrap();
    let end = tracer.finish(DEADLINE).unwrap();
    assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    assert!(second * 10 <= first * 11, "{first} KiB, then {second} KiB");
}

/// Checks the report of a storm: all sums are whole, and so many are added up.
fn check(report: &Path, storm: Storm) {
    let report = Report::read(report).unwrap();
    assert_eq!(report.broken_sums(), [""; 0]);
    assert_ne!(report.value["audit"]["verdict"], "failed");
    let folded = report.count(storm.folded).unwrap();
    let least = u64::try_from(storm.count()).unwrap();
    assert!(folded > least, "{folded} are added up");
    let rows = report
        .processes()
        .filter_map(|row| row.count("/stands_for"));
    let processes = report.count("/coverage/folded/processes").unwrap();
    assert_eq!(rows.sum::<u64>(), processes);
}

/// Traces a storm, few of whose parts keep entries of their own.
fn traced(storm: Storm) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let out = path.to_str().unwrap();
    is_flat(
        &["trace", "--keep-processes", "500", "-f", "json", "-o", out],
        storm,
    );
    check(&path, storm);
}

#[test]
fn a_trace_takes_no_memory_for_processes_that_have_ended() {
    traced(PROCESSES);
}

#[test]
fn a_trace_takes_no_memory_for_threads_that_have_ended() {
    traced(THREADS);
}

/// Records a storm within a limit.
fn recorded(storm: Storm, limit: &str, bytes: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.nmt");
    let out = path.to_str().unwrap();
    let keep = ["record", "--keep-processes", "500", "--max-size", limit];
    is_flat(&[&keep[..], &["-o", out]].concat(), storm);
    let length = fs::metadata(&path).unwrap().len();
    assert!(length <= bytes, "{length} bytes of {limit}");
    let json = folder.path().join("report.json");
    let mut command = Command::new(programs::numatrace().unwrap());
    command
        .args(["report", "-f", "json", "-o"])
        .arg(&json)
        .arg(&path);
    let read = Running::start(&mut command).unwrap();
    let read = read.finish(DEADLINE).unwrap();
    assert_eq!(read.status.code(), Some(0), "{}", read.stderr);
    assert_eq!(Report::read(&json).unwrap().broken_sums(), [""; 0]);
}

#[test]
fn a_flight_recorder_keeps_its_limit_and_its_memory_while_processes_come_and_go() {
    recorded(PROCESSES, "1M", 1 << 20);
}

#[test]
fn a_flight_recorder_keeps_its_limit_and_its_memory_while_threads_come_and_go() {
    recorded(THREADS, "64K", 64 << 10);
}

#[test]
fn a_stream_of_events_takes_no_memory_for_threads_that_have_ended() {
    is_flat(
        &[
            "events",
            "--kind",
            "oom_kill,incident,task_move",
            "-o",
            "/dev/null",
        ],
        THREADS,
    );
}
