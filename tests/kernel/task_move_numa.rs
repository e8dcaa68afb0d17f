//! Tasks that NUMA balancing moves to their memory, against the kernel's own decisions.

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::kernel_count::KernelCount;
use numatrace_tests::harness::skipped;
use numatrace_tests::{or_skip, test_name, tracer};

use crate::two_nodes_or_skip;

#[test]
fn threads_that_the_balancer_sends_to_their_memory_have_its_reason() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let decided = ["sched/sched_move_numa", "sched/sched_swap_numa"].map(|event| {
        let keys = if event.ends_with("swap_numa") {
            "src_pid"
        } else {
            "pid"
        };
        KernelCount::begin(event, keys)
    });
    let [Ok(moved), Ok(swapped)] = decided else {
        return skipped(test_name!(), "no histograms of the balancer's decisions");
    };
    let (init, on) = (a.to_string(), b.to_string());
    let run = or_skip!(tracer!().launch(&[
        "first-touch",
        "--init-node",
        &init,
        "--use-node",
        &on,
        "--pages",
        "4096",
        "--threads",
        "1",
        "--secs",
        "12",
        "--free",
        "--keep",
    ]));
    let (moved, swapped) = (moved.read().unwrap(), swapped.read().unwrap());
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let (mut told, mut followed) = (0, 0);
    for worker in run.truth.0["workers"].as_array().unwrap() {
        let tid = worker["tid"].as_u64().unwrap();
        let thread = process.thread(tid).expect("a worker is in the report");
        let count = |reason: &str| {
            thread
                .count(&format!("/task_moves/by_reason/{reason}"))
                .unwrap_or(0)
        };
        let decisions = moved.get(&vec![tid]).copied().unwrap_or(0);
        let swaps = swapped.get(&vec![tid]).copied().unwrap_or(0);
        // A decision can come to nothing when the task is gone from its CPU by then; a swap counts for both.
        let (moves, all) = (count("numa_move"), decisions + swaps);
        assert!(
            moves <= decisions && moves + count("numa_swap") + 1 >= all,
            "thread {tid}: the kernel decided {decisions} moves and {swaps} swaps, {}",
            thread.0["task_moves"]
        );
        told += all;
        followed += moves + count("numa_swap");
    }
    if told == 0 {
        return skipped(test_name!(), "the balancer moved nobody this time");
    }
    assert!(followed > 0, "of {told} decisions none has its reason");
}
