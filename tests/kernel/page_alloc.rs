//! Allocations by process and node, and the totals compared with numastat.

use numatrace_tests::counters;
use numatrace_tests::harness::report::COUNTERS;
use numatrace_tests::harness::skipped;
use numatrace_tests::{or_skip, test_name, tracer};

use crate::support::machine::{at, memoryless_node, nodes};
use crate::two_nodes_or_skip;

/// Pages that a process of the workload's size allocates besides those of its scenario: page
/// tables, its program, stack and I/O.
const OVERHEAD: u64 = 70;

#[test]
fn pages_bound_to_the_other_node_are_remote_there() {
    let (a, b) = two_nodes_or_skip!();
    let pages = 1000;
    let args = [
        "bind",
        "--node",
        &b.to_string(),
        "--pages",
        &pages.to_string(),
        "--cpu-node",
        &a.to_string(),
    ];
    let run = or_skip!(tracer!().launch(&args));
    let report = run.report;
    assert_eq!(report.hook_state("page_alloc"), Some("attached"));
    let process = report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let remote = process.vector("/alloc/other_node").unwrap();
    assert!(
        (pages..=pages + OVERHEAD).contains(&remote[at(b)]),
        "other_node: {remote:?}"
    );
    assert!(process.vector("/alloc/numa_hit").unwrap()[at(b)] >= pages);
    assert_eq!(
        process
            .vector("/alloc/numa_miss")
            .unwrap()
            .iter()
            .sum::<u64>(),
        0
    );
    assert_eq!(report.count("/coverage/records_lost"), Some(0));
    assert_eq!(report.count("/coverage/rejected"), Some(0));
}

#[test]
fn a_huge_page_is_one_allocation_of_512_pages() {
    let (a, b) = two_nodes_or_skip!();
    let count = 8;
    let args = [
        "thp",
        "--node",
        &b.to_string(),
        "--count",
        &count.to_string(),
        "--cpu-node",
        &a.to_string(),
    ];
    let run = or_skip!(tracer!().launch(&args));
    let each = run.truth.count("pages_per_huge_page").unwrap();
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let allocations = process.vector("/alloc/other_node").unwrap()[at(b)];
    assert!(
        (count..=count + OVERHEAD).contains(&allocations),
        "{allocations} allocations on node {b}"
    );
    let there = process.vector("/alloc/local_node").unwrap()[at(b)] + allocations;
    let pages = process.vector("/alloc/pages").unwrap()[at(b)];
    let beyond = pages - there;
    // Small allocations have an order of up to three, and are few on a node that the process does
    // not run on.
    assert!(
        (count * (each - 1)..=count * (each - 1) + OVERHEAD).contains(&beyond),
        "{pages} pages in {there} allocations on node {b}"
    );
}

#[test]
fn interleaved_pages_are_half_and_half() {
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
    let remote = process.vector("/alloc/other_node").unwrap()[at(b)];
    assert!(
        (500..=500 + OVERHEAD).contains(&remote),
        "other_node on {b}: {remote}"
    );
    assert!(process.vector("/alloc/local_node").unwrap()[at(a)] >= 500);
}

#[test]
fn what_falls_back_from_a_full_node_is_missed_here_and_foreign_there() {
    let (a, _) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&["exhaust", "--node", &a.to_string(), "--pages", "2000"]));
    let missed = run.truth.count("missed_pages").unwrap();
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let misses = process.vector("/alloc/numa_miss").unwrap();
    let foreign = process.vector("/alloc/numa_foreign").unwrap();
    // Page tables fall back too: one for 512 pages.
    let most = missed + missed / 256 + OVERHEAD;
    assert!(
        (missed..=most).contains(&misses.iter().sum()),
        "fell back {missed}, misses {misses:?}"
    );
    assert_eq!(
        foreign[at(a)],
        misses.iter().sum::<u64>(),
        "all were wanted on node {a}: {foreign:?}"
    );
}

#[test]
fn a_node_without_memory_is_served_by_a_neighbour_and_misses_nothing() {
    let Some(node) = memoryless_node() else {
        return skipped(test_name!(), "needs a node with CPUs and no memory");
    };
    let run = or_skip!(tracer!().launch(&["touch", "--mib", "8", "--cpu-node", &node.to_string()]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let expected = run.truth.count("pages").unwrap();
    let remote: u64 = process.vector("/alloc/other_node").unwrap().iter().sum();
    let misses: u64 = process.vector("/alloc/numa_miss").unwrap().iter().sum();
    assert!(
        (expected..=expected + 2 * OVERHEAD).contains(&remote),
        "touched {expected}, other_node {remote}"
    );
    assert_eq!(
        (misses, process.vector("/alloc/numa_hit").unwrap()[at(node)]),
        (0, 0)
    );
}

#[test]
fn the_kernels_side_of_the_audit_is_numastat() {
    let numastat = || {
        nodes()
            .online()
            .iter()
            .map(|&node| counters::numastat(node).unwrap())
            .collect::<Vec<_>>()
    };
    let before = numastat();
    let run = or_skip!(tracer!().system_wide(&["touch", "--mib", "16"]));
    let after = numastat();
    for counter in COUNTERS {
        let kernel = run.report.audited(counter, "kernel").unwrap();
        for (i, inside) in kernel.iter().enumerate() {
            let around = after[i][counter] - before[i][counter];
            assert!(
                *inside <= around,
                "{counter}: the session saw {inside}, all the while it was {around}"
            );
        }
    }
    let hits: u64 = run
        .report
        .audited("numa_hit", "kernel")
        .unwrap()
        .iter()
        .sum();
    assert!(
        hits >= run.truth.count("pages").unwrap(),
        "numa_hit grew by {hits}"
    );
}

#[test]
fn traced_totals_are_within_a_hundredth_of_numastat() {
    let run = or_skip!(tracer!().system_wide(&["touch", "--mib", "64", "--rounds", "4"]));
    for (counter, least) in [
        ("local_node", 0),
        ("other_node", 0),
        ("numa_hit", 4 * 16_384),
    ] {
        let kernel: u64 = run.report.audited(counter, "kernel").unwrap().iter().sum();
        assert!(kernel >= least, "{counter}: {kernel} of {least} at least");
        let traced: u64 = run.report.audited(counter, "traced").unwrap().iter().sum();
        // Recursion misses, and allocations in flight at the boundaries; a session this short has
        // few of them.
        assert!(
            kernel.abs_diff(traced) <= kernel / 100 + 20,
            "{counter}: kernel {kernel}, traced {traced}"
        );
    }
}
