//! The fix of memory that is promoted to fast nodes and demoted again.

use std::process::Command;

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::report::findings;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::trial;
use numatrace_tests::test_name;

use super::{trace, workload};
use crate::support::machine::{nodes, size, whole_node};

const ID: &str = "tiering-churn";

/// Seconds that the memory is used.
const SECS: u64 = 25;

#[test]
fn memory_that_cycles_between_fast_and_slow_nodes_is_promoted_no_more() {
    let nodes = nodes();
    let mut memory = nodes.with_memory().iter();
    if !memory.any(|node| nodes.cpus(*node).is_empty()) {
        return skipped(test_name!(), "needs a node of memory only");
    }
    let fast = whole_node();
    let Some(_tiering) = Balancer::tiering().unwrap() else {
        return skipped(test_name!(), "a kernel that does not demote");
    };
    // More than the fast node has, used over and over.
    let pages = (size(fast) + 64) << 8;
    let (init, user) = (format!("--init-node={fast}"), format!("--use-node={fast}"));
    let program = workload(&[
        "first-touch",
        &init,
        &user,
        &format!("--pages={pages}"),
        &format!("--secs={SECS}"),
    ]);
    let report = trace(&program).value;
    let found = findings(&report, ID);
    if found.is_empty() {
        let migrations = &report["system"]["page_migrations"];
        return skipped(test_name!(), &format!("nothing cycles here: {migrations}"));
    }
    let line = trial::command(found[0], "sysctl", "numa_balancing=0").unwrap();
    let status = Command::new("sh").args(["-c", &line]).status().unwrap();
    assert!(status.success(), "{line}");
    let after = trace(&program).value;
    let left = findings(&after, ID);
    assert!(left.is_empty(), "{line}: {left:#?}");
    trial::worked(ID, &line).unwrap();
}
