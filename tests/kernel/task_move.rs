//! Tasks that changed their node.

use numatrace_tests::{or_skip, tracer};

use crate::support::machine::at;
use crate::two_nodes_or_skip;

/// Moves besides the forced ones: placement at exec, wake-ups, the first pin.
const OTHER: u64 = 6;

#[test]
fn forced_bounces_are_cross_node_moves_by_affinity() {
    let (a, b) = two_nodes_or_skip!();
    let run =
        or_skip!(tracer!().launch(&["bounce", "--times", "200", "--nodes", &format!("{a},{b}")]));
    let forced = run.truth.count("moves").unwrap();
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let moves = process.0.pointer("/task_moves").unwrap();
    let crossed = process.count("/task_moves/cross_node").unwrap();
    assert!((forced..=forced + OTHER).contains(&crossed), "{moves}");
    let matrix = process.matrix("/task_moves/matrix").unwrap();
    for (from, to) in [(a, b), (b, a)] {
        let count = matrix[at(from)][at(to)];
        assert!(
            (forced / 2..=forced / 2 + OTHER).contains(&count),
            "{from} to {to}: {moves}"
        );
    }
    // Without function hooks a pin looks like any other change of the mask.
    if run.report.hook_state("task_move") == Some("attached") {
        let pinned = process.count("/task_moves/by_reason/affinity").unwrap_or(0);
        assert!((forced..=forced + 1).contains(&pinned), "{moves}");
    }
    // Every move but the first goes back to the node that the previous one left.
    assert!(
        process.count("/task_moves/ping_pong").unwrap() + 2 >= forced,
        "{moves}"
    );
    assert!(
        process.count("/task_moves/total").unwrap() >= crossed,
        "{moves}"
    );
    assert_eq!(run.report.count("/coverage/records_lost"), Some(0));
}

#[test]
fn a_task_that_stays_on_its_node_is_not_moved_across() {
    let (a, _) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&[
        "touch",
        "--mib",
        "8",
        "--rounds",
        "4",
        "--cpu-node",
        &a.to_string()
    ]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let crossed = process.count("/task_moves/cross_node").unwrap();
    // The exec and the pin may each cross nodes; nothing afterwards can.
    assert!(crossed <= OTHER, "{crossed} moves across nodes");
}
