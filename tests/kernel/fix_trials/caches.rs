//! The fix of threads that move between the last-level caches of a node: findings that say that
//! NUMA is not the problem stay, and no longer have it.

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::findings;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::trial;
use numatrace_tests::test_name;

use super::{trace, words, workload};
use crate::support::machine::nodes;

/// Sessions to try until the scheduler moves threads as often as the fix needs.
const ATTEMPTS: usize = 4;

/// Threads of the workload write so many pages in all that "nothing was remote" can be said.
const PAGES: usize = 16_384;

#[test]
fn threads_that_move_between_caches_are_kept_within_one() {
    let node = match nodes().online() {
        [node] => *node,
        _ => return skipped(test_name!(), "needs a machine with one node"),
    };
    kept_within_one(test_name!(), "one-node", node);
}

#[test]
fn threads_that_move_between_caches_of_one_of_several_nodes_are_kept_within_one() {
    if nodes().online().len() < 2 {
        return skipped(test_name!(), "needs a machine with several nodes");
    }
    let node = nodes().online()[0];
    kept_within_one(test_name!(), "numa-is-not-your-problem", node);
}

/// Tries the advice about caches that a finding has, with a program on the CPUs of a node.
fn kept_within_one(test: &str, id: &str, node: u32) {
    if !programs::is_installed("taskset") {
        return skipped(test, "no taskset");
    }
    let machine = nodes();
    let cpus = machine.cpus(node);
    let threads = cpus.len() + 1;
    let program = workload(&[
        "rounds",
        &format!("--threads={threads}"),
        "--us=500",
        "--ms=5000",
        &format!("--pages={}", PAGES / threads),
    ]);
    let cpus: Vec<String> = cpus.iter().map(ToString::to_string).collect();
    let program = words(&["taskset", "-c", &cpus.join(",")], &program);
    for _ in 0..ATTEMPTS {
        let report = trace(&program).value;
        let found = findings(&report, id);
        let Some(line) = found
            .first()
            .and_then(|found| trial::command(found, "run_command", "taskset"))
        else {
            eprintln!("not yet: {:#}", report["findings"]);
            continue;
        };
        let after = trace(&["sh", "-c", &format!("exec {line}")].map(str::to_owned)).value;
        let left = findings(&after, id);
        assert_eq!(left.len(), 1, "{line}: {:#}", after["findings"]);
        let again = trial::command(left[0], "run_command", "taskset");
        assert_eq!(again, None, "{line}: {:#}", left[0]);
        return trial::worked(id, &line).unwrap();
    }
    skipped(test, "no threads that move between caches of a node");
}
