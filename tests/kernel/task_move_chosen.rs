//! Moves that the scheduler chooses, with their reasons, and every move compared with the kernel's
//! own count of the raw tracepoint.

use std::collections::BTreeMap;

use numatrace_tests::harness::kernel_count::KernelCount;
use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::skipped;
use numatrace_tests::{or_skip, test_name, tracer};

use crate::support::machine::nodes;
use crate::two_nodes_or_skip;

/// Sessions to try until the scheduler makes the wanted move, which it need not make.
const ATTEMPTS: usize = 4;

/// Begins the kernel's count of moves by thread and both CPUs, or returns the reason why there is
/// none.
fn count_moves() -> anyhow::Result<KernelCount> {
    KernelCount::begin("sched/sched_migrate_task", "pid,orig_cpu,dest_cpu")
}

/// Returns the changes of CPU by thread; entries that lead from a CPU to itself are none.
fn by_thread(kernel: &KernelCount) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for (fields, hits) in kernel.read().unwrap() {
        let [pid, from, to] = fields[..] else {
            panic!("{fields:?}")
        };
        if from != to {
            *counts.entry(pid).or_default() += hits;
        }
    }
    counts
}

fn reason(part: Part<'_>, name: &str) -> u64 {
    part.count(&format!("/task_moves/by_reason/{name}"))
        .unwrap_or(0)
}

/// Asserts that every thread that lived wholly in the session has the kernel's number of moves, and
/// its placement at birth on top.
fn agrees_with_the_kernel(process: Part<'_>, kernel: &BTreeMap<u64, u64>, tids: &[u64]) {
    assert!(!tids.is_empty(), "a workload has threads");
    for tid in tids {
        let thread = process
            .thread(*tid)
            .unwrap_or_else(|| panic!("thread {tid} is in the report"));
        let traced = thread.count("/task_moves/total").unwrap();
        let expected = kernel.get(tid).copied().unwrap_or(0);
        assert!(
            traced == expected || traced == expected + 1,
            "thread {tid}: traced {traced}, the kernel counted {expected}: {}",
            thread.0["task_moves"]
        );
    }
}

#[test]
fn threads_that_are_let_go_are_spread_by_load_balancing() {
    let (a, _) = two_nodes_or_skip!();
    let kernel = match count_moves() {
        Ok(kernel) => kernel,
        Err(why) => return skipped(test_name!(), &format!("{why:#}")),
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
    let counted = by_thread(&kernel);
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let moves = &process.0["task_moves"];
    let balanced = reason(process, "load_balance") + reason(process, "active_balance");
    assert!(balanced > 0, "{moves}");
    // The workload's first pin may cross nodes.
    assert!(reason(process, "affinity") <= 1, "{moves}");
    assert_eq!(reason(process, "unknown"), 0, "{moves}");
    agrees_with_the_kernel(process, &counted, &run.truth.vector("tids").unwrap());
}

#[test]
fn running_threads_are_pushed_off_a_busy_node_by_active_balancing() {
    let (a, _) = two_nodes_or_skip!();
    // One thread for each CPU but one: no thread waits, so no CPU has a thread to pull, and the
    // idle ones stay idle.
    let threads = nodes().cpus(a).len().saturating_sub(1);
    if threads < 2 {
        return skipped(test_name!(), "needs a node with three CPUs");
    }
    let (threads, node) = (threads.to_string(), a.to_string());
    let words = ["crowd", "--threads", &threads, "--node", &node];
    for _ in 0..ATTEMPTS {
        let kernel = match count_moves() {
            Ok(kernel) => kernel,
            Err(why) => return skipped(test_name!(), &format!("{why:#}")),
        };
        let run = or_skip!(tracer!().launch(&[&words[..], &["--ms", "3000"]].concat()));
        let counted = by_thread(&kernel);
        let process = run
            .report
            .process(run.truth.pid())
            .expect("the workload is in the report");
        assert_eq!(reason(process, "unknown"), 0, "{}", process.0["task_moves"]);
        agrees_with_the_kernel(process, &counted, &run.truth.vector("tids").unwrap());
        if reason(process, "active_balance") > 0 {
            return;
        }
    }
    skipped(test_name!(), "nobody was pushed this time");
}

#[test]
fn a_thread_woken_from_two_nodes_follows_its_wakers() {
    let (a, b) = two_nodes_or_skip!();
    let kernel = match count_moves() {
        Ok(kernel) => kernel,
        Err(why) => return skipped(test_name!(), &format!("{why:#}")),
    };
    let list = format!("{a},{b}");
    let run = or_skip!(tracer!().launch(&["relay", "--rounds", "500", "--nodes", &list]));
    let counted = by_thread(&kernel);
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
    // The scheduler may leave the thread, and has to where nodes have one CPU. If the thread
    // follows, no pin and no priority moves it: only its birth and, on busy CPUs, the balancers
    // could.
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
