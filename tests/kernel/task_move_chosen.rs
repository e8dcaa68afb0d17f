//! Moves that the scheduler chooses, with their reasons, and every move against a count of the raw tracepoint kept by the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::skipped;
use numatrace_tests::{or_skip, test_name, tracer};

use crate::machine::nodes;
use crate::two_nodes_or_skip;

/// Histogram of `sched_migrate_task` by thread and both CPUs, kept by the kernel while this lives.
struct KernelCount(PathBuf);

const HISTOGRAM: &str = "hist:keys=pid,orig_cpu,dest_cpu:size=4096";

impl KernelCount {
    fn begin() -> Result<Self, String> {
        let event = PathBuf::from("/sys/kernel/tracing/events/sched/sched_migrate_task");
        fs::write(event.join("trigger"), HISTOGRAM)
            .map_err(|error| format!("no histogram of sched_migrate_task: {error}"))?;
        Ok(Self(event))
    }

    /// Changes of CPU by thread; entries that lead from a CPU to itself are none.
    fn by_thread(&self) -> BTreeMap<u64, u64> {
        let text = fs::read_to_string(self.0.join("hist")).unwrap();
        assert!(text.contains("Dropped: 0"), "{text}");
        let mut counts = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with('{')) {
            let numbers: Vec<u64> = line
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|word| word.parse().ok())
                .collect();
            let [pid, from, to, hits] = numbers[..] else {
                panic!("{line}")
            };
            if from != to {
                *counts.entry(pid).or_default() += hits;
            }
        }
        counts
    }
}

impl Drop for KernelCount {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("trigger"), format!("!{HISTOGRAM}"));
    }
}

fn reason(part: Part<'_>, name: &str) -> u64 {
    part.count(&format!("/task_moves/by_reason/{name}"))
        .unwrap_or(0)
}

/// Every thread that lived wholly in the session has the kernel's number of moves, and its placement at birth on top.
fn agrees_with_the_kernel(process: Part<'_>, kernel: &BTreeMap<u64, u64>, tids: &[u64]) {
    for tid in tids {
        let thread = process
            .thread(*tid)
            .unwrap_or_else(|| panic!("thread {tid} is in the report"));
        let traced = thread.count("/task_moves/total").unwrap();
        let told = kernel.get(tid).copied().unwrap_or(0);
        assert!(
            traced == told || traced == told + 1,
            "thread {tid}: traced {traced}, the kernel counted {told}: {}",
            thread.0["task_moves"]
        );
    }
}

#[test]
fn threads_that_are_let_go_are_spread_by_load_balancing() {
    let (a, _) = two_nodes_or_skip!();
    let kernel = match KernelCount::begin() {
        Ok(kernel) => kernel,
        Err(why) => return skipped(test_name!(), &why),
    };
    let threads = 2 * nodes().cpus(a).len() + 2;
    let (threads, node) = (threads.to_string(), a.to_string());
    let run = or_skip!(tracer!().launch(&[
        "crowd",
        "--threads",
        &threads,
        "--node",
        &node,
        "--ms",
        "1500"
    ]));
    let counted = kernel.by_thread();
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let moves = &process.0["task_moves"];
    let balanced = reason(process, "load_balance") + reason(process, "active_balance");
    assert!(balanced > 0, "{moves}");
    // The pin that it begins with may cross.
    assert!(reason(process, "affinity") <= 1, "{moves}");
    assert_eq!(reason(process, "unknown"), 0, "{moves}");
    agrees_with_the_kernel(process, &counted, &run.truth.vector("tids").unwrap());
}

#[test]
fn a_thread_woken_from_two_nodes_follows_its_wakers() {
    let (a, b) = two_nodes_or_skip!();
    let kernel = match KernelCount::begin() {
        Ok(kernel) => kernel,
        Err(why) => return skipped(test_name!(), &why),
    };
    let list = format!("{a},{b}");
    let run = or_skip!(tracer!().launch(&["relay", "--rounds", "500", "--nodes", &list]));
    let counted = kernel.by_thread();
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let tids = run.truth.vector("tids").unwrap();
    let sleeper = process
        .thread(tids[0])
        .expect("the sleeper is in the report");
    let moves = &sleeper.0["task_moves"];
    let crossed = sleeper.count("/task_moves/cross_node").unwrap();
    // Whether it follows is the scheduler's choice, and on nodes of one CPU it may not. Where it does, nobody pins it and nobody outruns it: what else
    // could move it is its birth and, when CPUs are busy, the balancers.
    assert!(
        crossed < 10 || reason(sleeper, "wakeup") * 2 > crossed,
        "{moves}"
    );
    assert_eq!(
        reason(sleeper, "affinity") + reason(sleeper, "cpuset"),
        0,
        "{moves}"
    );
    assert_eq!(reason(sleeper, "unknown"), 0, "{moves}");
    agrees_with_the_kernel(process, &counted, &tids);
}
