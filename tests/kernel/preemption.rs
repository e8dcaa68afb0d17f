//! The losses on kernels that preempt programs: with more threads than CPUs in the page allocator,
//! every page still has an owner.

use numatrace_tests::harness::report::COUNTERS;
use numatrace_tests::{or_skip, tracer};

use crate::support::machine::nodes;

/// Returns whether this kernel preempts kernel code; `None` when debugfs does not say.
fn preempts() -> Option<bool> {
    let line = std::fs::read_to_string("/sys/kernel/debug/sched/preempt").ok()?;
    let (_, rest) = line.split_once('(')?;
    let (mode, _) = rest.split_once(')')?;
    Some(matches!(mode, "full" | "lazy"))
}

#[test]
fn threads_that_preempt_each_other_in_our_programs_lose_nothing() {
    let cpus: usize = nodes()
        .online()
        .iter()
        .map(|&node| nodes().cpus(node).len())
        .sum();
    let threads = 2 * cpus;
    let command = [
        "spawn-tree",
        "--pages",
        "10000",
        "--children",
        "0",
        "--threads",
    ];
    let threads_word = threads.to_string();
    let words: Vec<&str> = command.into_iter().chain([threads_word.as_str()]).collect();
    let run = or_skip!(tracer!().launch(&words));
    let audit = &run.report.value["audit"];
    let mut largest = 0;
    for counter in COUNTERS {
        let kernel = run.report.audited(counter, "kernel").unwrap();
        let traced = run.report.audited(counter, "traced").unwrap();
        let apart: u64 = kernel
            .iter()
            .zip(&traced)
            .map(|(k, t)| k.abs_diff(*t))
            .sum();
        largest = largest.max(apart);
    }
    let expected = 10_000 * threads as u64;
    // Without twins, a thread that is preempted inside a program costs a short load a third of its
    // events. With twins only a third thread loses events, while two are preempted in the two
    // copies on one CPU.
    assert!(
        largest <= expected / 20,
        "{largest} of {expected}: {audit:#}"
    );
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let tids = run.truth.vector("tids").unwrap();
    assert_eq!(tids.len(), threads + 1, "the main thread, and the others");
    for tid in tids {
        let thread = process
            .thread(tid)
            .unwrap_or_else(|| panic!("thread {tid} is in the report"));
        let pages: u64 = thread
            .matrix("/first_touch/pages")
            .unwrap()
            .iter()
            .flatten()
            .sum();
        assert!(
            (7_500..=10_300).contains(&pages),
            "thread {tid}: {pages} of 10,000 pages"
        );
    }
    if let Some(preempts) = preempts() {
        let caught = run.report.count("/coverage/caught_by_twin").unwrap();
        assert_eq!(caught > 0, preempts, "{}", run.report.value["coverage"]);
    }
}
