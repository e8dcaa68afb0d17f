//! Requests for memory below 4 GiB from a node that has none: the node is memoryless to them.

use std::fs;

use numatrace_tests::harness::skipped;
use numatrace_tests::{or_skip, test_name, tracer};

use crate::support::machine::nodes;
use crate::two_nodes_or_skip;

/// Returns a node with CPUs and with memory, none of it below 4 GiB.
fn high_node() -> Option<u32> {
    let zones = fs::read_to_string("/proc/zoneinfo").unwrap();
    let has_low = |node: u32| {
        let of_node = zones
            .split("Node ")
            .filter(|zone| zone.starts_with(&format!("{node},")));
        of_node
            .filter(|zone| zone.contains("zone      DMA") || zone.contains("zone    DMA32"))
            .any(|zone| {
                let mut words = zone
                    .split_whitespace()
                    .skip_while(|word| *word != "managed");
                words.nth(1).is_some_and(|pages| pages != "0")
            })
    };
    let nodes = nodes();
    let mut with_memory = nodes.with_memory().iter().copied();
    with_memory.find(|&node| !nodes.cpus(node).is_empty() && !has_low(node))
}

#[test]
fn a_node_without_low_memory_is_memoryless_to_a_driver_that_needs_it() {
    two_nodes_or_skip!();
    let Some(node) = high_node() else {
        skipped(test_name!(), "each node has memory below 4 GiB");
        return;
    };
    let node = node.to_string();
    let run = or_skip!(tracer!().launch(&["low-memory", "--cpu-node", &node]));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let cause = |name: &str| {
        let count = process.count(&format!("/alloc/remote_by_cause/{name}"));
        count.unwrap()
    };
    let causes = &process.0["alloc"]["remote_by_cause"];
    let channels = run.truth.count("channels").unwrap();
    assert!(cause("memoryless") >= channels, "{causes}");
    assert_eq!(cause("task_moved"), 0, "{causes}");
    assert_eq!(run.report.value["audit"]["verdict"], "exact");
}
