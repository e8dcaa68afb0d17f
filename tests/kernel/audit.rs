//! All six counters closed against the kernel's, and the workload's ground truth by process and
//! cause.

use numatrace_tests::{or_skip, tracer};

use crate::support::closed::closed;
use crate::support::machine::at;
use crate::two_nodes_or_skip;

#[test]
fn bound_pages_are_remote_by_policy() {
    let (a, b) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&[
        "bind",
        "--node",
        &b.to_string(),
        "--pages",
        "1000",
        "--cpu-node",
        &a.to_string()
    ]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let causes = &process.0["alloc"]["remote_by_cause"];
    assert_eq!(causes["policy"], 1000, "{causes}");
    let remote: u64 = process.vector("/alloc/other_node").unwrap().iter().sum();
    let named: u64 = causes
        .as_object()
        .unwrap()
        .values()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert_eq!(named, remote, "{causes}");
    assert!(
        causes["unknown"].as_u64().unwrap() * 100 <= remote,
        "{causes}"
    );
}

#[test]
fn what_a_full_node_refused_is_remote_by_fallback() {
    let (a, _) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&["exhaust", "--node", &a.to_string(), "--pages", "2000"]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let misses: u64 = process.vector("/alloc/numa_miss").unwrap().iter().sum();
    let fallback = process.count("/alloc/remote_by_cause/fallback").unwrap();
    assert!(fallback >= run.truth.count("missed_pages").unwrap());
    assert_eq!(fallback, misses);
    // The nodes' misses are those of the report's processes: no other process is charged with them.
    let kernel: u64 = run
        .report
        .audited("numa_miss", "kernel")
        .unwrap()
        .iter()
        .sum();
    let all: u64 = run.report.sum("/alloc/numa_miss").unwrap().iter().sum();
    assert!(
        kernel.abs_diff(all) * 1000 <= kernel,
        "kernel {kernel}, processes {all}"
    );
}

#[test]
fn interleaved_pages_are_interleave_hits() {
    let (a, b) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&[
        "interleave",
        "--pages",
        "1000",
        "--nodes",
        &format!("{a},{b}"),
        "--cpu-node",
        &a.to_string()
    ]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let hits = process.vector("/alloc/interleave_hit").unwrap();
    assert_eq!((hits[at(a)], hits[at(b)]), (500, 500));
}

#[test]
fn weighted_interleave_is_counted_as_this_kernel_counts_it() {
    let (a, b) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&[
        "interleave",
        "--weighted",
        "--pages",
        "1000",
        "--nodes",
        &format!("{a},{b}")
    ]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    // By whichever weights: both nodes have some of the thousand.
    let pages = process.vector("/alloc/pages").unwrap();
    assert!(
        pages[at(a)] > 0 && pages[at(b)] > 0 && pages[at(a)] + pages[at(b)] >= 1000,
        "{pages:?}"
    );
    // Kernels count it or not; the kernel's own growth says which, and ours has to be the same.
    let kernel = run.report.audited("interleave_hit", "kernel").unwrap();
    let traced = run.report.audited("interleave_hit", "traced").unwrap();
    assert_eq!(traced, kernel);
    let hits = process.vector("/alloc/interleave_hit").unwrap();
    let hits: u64 = hits.iter().sum();
    let counted: u64 = kernel.iter().sum();
    assert!(
        (hits == 0 && counted == 0) || hits + run.report.recursion_misses() >= 1000,
        "the kernel counts all interleaved pages or none: {hits} of {counted}"
    );
}

#[test]
fn five_thousand_short_processes_leave_the_sums_whole() {
    // Each keeps an entry of its own.
    let tracer = tracer!().args(["--keep-processes", "10000"]);
    let run = or_skip!(tracer.system_wide(&["fork-storm", "--count", "5000"]));
    closed(&run.report);
    let children = run.truth.0["child_pids"].as_array().unwrap();
    assert_eq!(children.len(), 5000);
    let listed = children
        .iter()
        .filter(|pid| {
            pid.as_u64()
                .is_some_and(|pid| run.report.process(pid).is_some())
        })
        .count();
    let overflow: u64 = run
        .report
        .bucket("[overflow]")
        .and_then(|p| p.vector("/alloc/pages"))
        .unwrap_or_default()
        .iter()
        .sum();
    assert!(
        listed == children.len() || overflow > 0,
        "{listed} of {} children are listed, and nothing overflowed",
        children.len()
    );
}
