//! Moves by a scheduler of sched_ext: it dispatches a waiting task to a different CPU's queue.

use numatrace_tests::{or_skip, tracer};

use crate::two_nodes_or_skip;

#[test]
fn a_dispatch_to_a_different_cpu_is_sched_ext_and_its_stack_agrees() {
    two_nodes_or_skip!();
    let args = ["dispatched", "--threads", "12", "--ms", "2000"];
    let run = or_skip!(tracer!().args(["--verify-reasons"]).launch(&args));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let reason = |name: &str| {
        let moves = process.count(&format!("/task_moves/by_reason/{name}"));
        moves.unwrap_or(0)
    };
    let reasons = &process.0["task_moves"]["by_reason"];
    assert!(reason("sched_ext") >= 20, "{reasons}");
    // The scheduler has every thread of normal priority.
    assert_eq!(reason("load_balance"), 0, "{reasons}");
    assert_eq!(reason("active_balance"), 0, "{reasons}");
    let verify = &run.report.value["verify"];
    let (moves, agreed) = (&verify["moves"], &verify["agreed"]);
    let (moves, agreed) = (moves.as_u64().unwrap(), agreed.as_u64().unwrap());
    assert!(moves >= 20 && agreed * 100 >= moves * 99, "{verify:#}");
}
