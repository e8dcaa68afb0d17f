//! The fix of a program on a node without memory. The machine stays as it is, so the finding stays
//! as information; the warning is about the program, and goes.

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::findings;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::trial;
use numatrace_tests::test_name;

use super::{buffer, trace, words};
use crate::support::machine::{memoryless_node, nodes};

const ID: &str = "memoryless-node";

#[test]
fn a_program_on_a_node_without_memory_is_started_on_one_with_memory() {
    let Some(bare) = memoryless_node() else {
        return skipped(test_name!(), "needs a node with CPUs and no memory");
    };
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let cpus: Vec<String> = nodes().cpus(bare).iter().map(u32::to_string).collect();
    let cpus = format!("--physcpubind={}", cpus.join(","));
    let report = trace(&words(&["numactl", &cpus], &buffer(64))).value;
    let found = findings(&report, ID);
    assert_eq!(found.len(), 1, "{:#}", report["findings"]);
    assert_eq!(found[0]["severity"], "warning", "{:#}", found[0]);
    let line = trial::command(found[0], "run_command", "--cpunodebind").unwrap();
    let after = trace(&["sh", "-c", &format!("exec {line}")].map(str::to_owned)).value;
    let left = findings(&after, ID);
    assert_eq!(left.len(), 1, "{:#}", after["findings"]);
    assert_eq!(left[0]["severity"], "info", "{line}: {:#}", left[0]);
    trial::worked(ID, &line).unwrap();
}
