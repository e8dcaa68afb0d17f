//! Interleaving over a node whose memory is for movable pages only: memory that cannot be moved
//! goes elsewhere when it is that node's turn. numastat then counts no interleave_hit, although the
//! page comes from its preferred zone.

use std::fs;

use numatrace_tests::harness::skipped;
use numatrace_tests::workload::nodes::parse_list;
use numatrace_tests::{or_skip, test_name, tracer};

use crate::support::machine::{at, whole_node};

/// Returns a node with memory that the kernel cannot use for itself.
fn movable_only() -> Option<u32> {
    let nodes = |what: &str| {
        let list = fs::read_to_string(format!("/sys/devices/system/node/{what}")).unwrap();
        parse_list(list.trim()).unwrap()
    };
    let normal = nodes("has_normal_memory");
    let mut all = nodes("has_memory").into_iter();
    all.find(|node| !normal.contains(node))
}

#[test]
fn memory_that_cannot_be_moved_is_no_hit_at_a_movable_node_s_turn() {
    let Some(movable) = movable_only() else {
        skipped(test_name!(), "no node has movable memory only");
        return;
    };
    const PAGES: u64 = 2000;
    const PIPES: u64 = 2000;
    let home = whole_node();
    let args = format!(
        "interleave --pages {PAGES} --in-pipes {PIPES} --nodes {home},{movable} --cpu-node {home}"
    );
    let words: Vec<&str> = args.split(' ').collect();
    let run = or_skip!(tracer!().launch(&words));

    assert_eq!(run.report.value["audit"]["verdict"], "exact");
    let kernel = run.report.audited("interleave_hit", "kernel").unwrap();
    assert_eq!(
        run.report.audited("interleave_hit", "traced").unwrap(),
        kernel
    );
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let hits = process.vector("/alloc/interleave_hit").unwrap();
    let near = |what: &str, count: u64, expected: u64| {
        assert!(
            (expected..expected + expected / 5).contains(&count),
            "{what}: {count}, expected {expected}: {hits:?}, {kernel:?}"
        );
    };
    // Half of the user's pages, and half of the pipes' with their page tables and buffers.
    near("of the home node", hits[at(home)], (PAGES + PIPES) / 2);
    near("of the movable node", hits[at(movable)], PAGES / 2);
    // The other half of the pipes: from the preferred zone, and not where it was their turn.
    let numa_hit = process.vector("/alloc/numa_hit").unwrap();
    assert!(
        numa_hit[at(home)] >= hits[at(home)] + PIPES / 2,
        "{numa_hit:?}"
    );
}
