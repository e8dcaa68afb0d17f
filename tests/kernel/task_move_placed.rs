//! Children that the scheduler places elsewhere because their node is busy: at fork, and at exec.

use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::tracer::Traced;
use numatrace_tests::{or_skip, tracer};

use crate::two_nodes_or_skip;

const CHILDREN: u64 = 20;

/// Returns the cross-node moves of all processes with that reason.
fn all(run: &Traced, reason: &str) -> u64 {
    let processes = run.report.processes();
    let pointer = format!("/task_moves/by_reason/{reason}");
    let of = |process: &Part<'_>| process.count(&pointer).unwrap_or(0);
    processes.map(|process| of(&process)).sum()
}

fn place(at: &str, node: u32) -> Vec<String> {
    let words = ["place", "--at", at, "--node", &node.to_string(), "--count"];
    let mut words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    words.push(CHILDREN.to_string());
    words
}

#[test]
fn a_child_of_a_busy_node_is_placed_elsewhere_at_fork() {
    let (a, _) = two_nodes_or_skip!();
    let words = place("fork", a);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = or_skip!(tracer!().launch(&words));
    let placed = all(&run, "fork");
    // Each child is one placement, and the busy threads are some more; the scheduler chooses their
    // nodes.
    let most = CHILDREN + 2 * 64;
    assert!(
        (1..=most).contains(&placed),
        "{placed} placements across nodes"
    );
    assert_eq!(all(&run, "unknown"), 0);
}

#[test]
fn a_program_begun_on_a_busy_node_is_placed_elsewhere_at_exec() {
    let (a, _) = two_nodes_or_skip!();
    let words = place("exec", a);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = or_skip!(tracer!().launch(&words));
    let placed = all(&run, "exec");
    // Children, and the workload itself.
    assert!(
        (1..=CHILDREN + 1).contains(&placed),
        "{placed} placements across nodes at exec"
    );
    assert_eq!(all(&run, "unknown"), 0);
}
