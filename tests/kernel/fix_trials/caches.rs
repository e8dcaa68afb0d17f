//! The fix of threads that move between the last-level caches of a node: findings that say that
//! NUMA is not the problem stay, and no longer have it.

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::findings;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::trial;
use numatrace_tests::test_name;

use super::{trace, workload};
use crate::support::machine::nodes;

const ID: &str = "one-node";

/// Sessions to try until the scheduler moves threads as often as the fix needs.
const ATTEMPTS: usize = 4;

#[test]
fn threads_that_move_between_caches_are_kept_within_one() {
    let node = match nodes().online() {
        [node] => *node,
        _ => return skipped(test_name!(), "needs a machine with one node"),
    };
    if !programs::is_installed("taskset") {
        return skipped(test_name!(), "no taskset");
    }
    let threads = nodes().cpus(node).len() + 1;
    let program = workload(&[
        "rounds",
        &format!("--threads={threads}"),
        "--us=500",
        "--ms=5000",
    ]);
    for _ in 0..ATTEMPTS {
        let report = trace(&program).value;
        let found = findings(&report, ID);
        assert_eq!(found.len(), 1, "{:#}", report["findings"]);
        let Some(line) = trial::command(found[0], "run_command", "taskset") else {
            eprintln!("not yet: {:#}", found[0]);
            continue;
        };
        let after = trace(&["sh", "-c", &format!("exec {line}")].map(str::to_owned)).value;
        let left = findings(&after, ID);
        assert_eq!(left.len(), 1, "{:#}", after["findings"]);
        let again = trial::command(left[0], "run_command", "taskset");
        assert_eq!(again, None, "{line}: {:#}", left[0]);
        return trial::worked(ID, &line).unwrap();
    }
    skipped(
        test_name!(),
        "no threads that move between caches of a node",
    );
}
