//! The time that tasks ran on each node, compared with their `schedstat`.

use numatrace_tests::{or_skip, tracer};

use crate::support::machine::at;
use crate::two_nodes_or_skip;

#[test]
fn run_time_is_that_of_schedstat_on_the_node_it_was_pinned_to() {
    let (a, b) = two_nodes_or_skip!();
    let args = [
        "first-touch",
        "--init-node",
        &a.to_string(),
        "--use-node",
        &b.to_string(),
        "--pages",
        "64",
        "--threads",
        "2",
        "--secs",
        "3",
    ];
    let run = or_skip!(tracer!().launch(&args));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let mut expected = 0;
    let workers = run.truth.0["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 2);
    for worker in workers {
        let (tid, ran) = (
            worker["tid"].as_u64().unwrap(),
            worker["run_ns"].as_u64().unwrap(),
        );
        let thread = process.thread(tid).expect("a worker is in the report");
        let traced = thread.vector("/run_ns").expect("run_ns");
        let sum: u64 = traced.iter().sum();
        assert!(
            sum.abs_diff(ran) <= ran / 100,
            "thread {tid}: schedstat {ran} ns, traced {traced:?}"
        );
        assert!(
            traced[at(b)] * 100 >= sum * 99,
            "thread {tid} was pinned to node {b}: {traced:?}"
        );
        expected += ran;
    }
    let whole: u64 = process.vector("/run_ns").expect("run_ns").iter().sum();
    assert!(
        whole >= expected - expected / 100,
        "threads ran {expected} ns, the process {whole} ns"
    );
}
