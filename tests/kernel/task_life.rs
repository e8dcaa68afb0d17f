//! Processes and threads that come and go within a session.

use std::collections::BTreeSet;

use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::{or_skip, tracer};
use serde_json::Value;

fn child_pids(truth: &Value) -> BTreeSet<u64> {
    truth["child_pids"]
        .as_array()
        .expect("child_pids")
        .iter()
        .filter_map(Value::as_u64)
        .collect()
}

fn all_of_a_storm_are_there(extra: &[&str]) {
    let args = [["fork-storm", "--count", "200"].as_slice(), extra].concat();
    let run = or_skip!(tracer!().launch(&args));
    let children = child_pids(&run.truth.0);
    assert_eq!(children.len(), 200);
    let written = run.truth.count("child_pages").expect("child_pages");
    let listed: BTreeSet<u64> = run
        .report
        .processes()
        .filter_map(|p| p.count("/pid"))
        .collect();
    let missing = children.difference(&listed).count();
    let overflow = run
        .report
        .bucket("[overflow]")
        .and_then(|p| p.vector("/alloc/pages"))
        .unwrap_or_default();
    assert!(
        missing == 0 || overflow.iter().sum::<u64>() > 0,
        "{missing} of 200 children are nowhere"
    );
    assert!(missing < 100, "{missing} of 200 children overflowed");
    for pid in children.intersection(&listed) {
        let child = run.report.process(*pid).expect("a child is a user process");
        let pages: u64 = child.vector("/alloc/pages").unwrap().iter().sum();
        // The pages it writes alone are certain: fork(2) copies page tables in the parent, and a
        // page that the parent copied first is the child's without an allocation.
        assert!(
            pages + run.report.recursion_misses() >= written,
            "child {pid} wrote {written} pages and has {pages}"
        );
    }
    assert_eq!(run.report.count("/coverage/records_lost"), Some(0));
}

#[test]
fn every_child_of_a_fork_storm_is_in_the_report() {
    all_of_a_storm_are_there(&[]);
}

#[test]
fn every_child_of_a_fork_and_exec_storm_is_in_the_report() {
    all_of_a_storm_are_there(&["--exec"]);
}

#[test]
fn threads_children_and_grandchildren_are_followed_from_the_launch() {
    let run = or_skip!(tracer!().launch(&["spawn-tree", "--pages", "200"]));
    let wanted = run.truth.count("pages_per_process").unwrap();
    let mut members = run.truth.members();
    assert_eq!(members.len(), 6);
    members.push((run.truth.pid(), Vec::new()));
    for (pid, _) in members {
        let process = run
            .report
            .process(pid)
            .unwrap_or_else(|| panic!("process {pid} is not in the report"));
        let pages: u64 = process.vector("/alloc/pages").unwrap().iter().sum();
        assert!(
            pages + run.report.recursion_misses() >= wanted,
            "process {pid} wrote {wanted} pages, the report has {pages}"
        );
        assert_eq!(
            process.text("/comm"),
            Some("workload"),
            "a process that ended keeps its name"
        );
    }
}

#[test]
fn each_thread_has_its_own_allocations() {
    let run = or_skip!(tracer!().launch(&[
        "spawn-tree",
        "--pages",
        "300",
        "--threads",
        "3",
        "--children",
        "0"
    ]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let tids = run.truth.vector("tids").unwrap();
    assert_eq!(tids.len(), 4);
    let mut sum = 0;
    for tid in tids {
        let thread = process
            .thread(tid)
            .unwrap_or_else(|| panic!("thread {tid} is not in the report"));
        let pages: u64 = thread.vector("/alloc/pages").unwrap().iter().sum();
        assert!(
            pages + run.report.recursion_misses() >= 300,
            "thread {tid} wrote 300 pages, the report has {pages}"
        );
        sum += pages;
    }
    let whole: u64 = process.vector("/alloc/pages").unwrap().iter().sum();
    assert_eq!(sum, whole, "threads add up to their process");
}

#[test]
fn the_commands_own_status_is_passed_on() {
    for (command, status) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + 15)] {
        let folder = tempfile::tempdir().unwrap();
        let mut tracer = tracer!()
            .command(&folder.path().join("report.json"))
            .unwrap();
        let finished = Running::start(tracer.args(["--", "sh", "-c", command]))
            .unwrap()
            .finish(DEADLINE)
            .unwrap();
        assert_eq!(
            finished.status.code(),
            Some(status),
            "sh -c {command:?}: {finished:?}"
        );
    }
}

#[test]
fn counting_begins_at_the_commands_exec() {
    // The launcher waits before its exec while the hooks are attached; none of that is the
    // command's.
    let run = or_skip!(tracer!().launch(&["touch", "--mib", "1"]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let pages: u64 = process.vector("/alloc/pages").unwrap().iter().sum();
    let expected = run.truth.count("pages").unwrap();
    assert!(
        (expected..expected + 300).contains(&pages),
        "expected {expected}, traced {pages}"
    );
    assert_eq!(process.text("/comm"), Some("workload"));
}
