//! Real-time tasks that are pushed to a different node by tasks of higher priority.

use numatrace_tests::{or_skip, tracer};

use crate::two_nodes_or_skip;

#[test]
fn a_real_time_thread_is_pushed_by_a_more_important_one() {
    let (a, b) = two_nodes_or_skip!();
    let nodes = format!("{a},{b}");
    let run = or_skip!(tracer!().launch(&["rt-push", "--times", "20", "--nodes", &nodes]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let tid = run.truth.vector("tids").unwrap()[0];
    let thread = process
        .thread(tid)
        .expect("the pushed thread is in the report");
    let moves = &thread.0["task_moves"];
    let pushed = run.truth.count("pushed").unwrap();
    assert!(pushed > 0, "nobody was pushed: {:#}", run.truth.0);
    let counted = thread.count("/task_moves/by_reason/rt_dl").unwrap_or(0);
    // The thread saw itself on the other CPU that often; a push that it did not see was undone by
    // the next.
    assert!(counted >= pushed, "{pushed} pushes, {moves}");
    assert_eq!(
        thread.count("/task_moves/by_reason/unknown").unwrap_or(0),
        0,
        "{moves}"
    );
}
