//! Fixes of findings about threads that move between nodes.

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::findings;
use numatrace_tests::harness::skipped;
use numatrace_tests::test_name;

use super::{start_as_printed, trace, workload};
use crate::support::machine::nodes;
use crate::two_nodes_or_skip;

/// Sessions to try until the scheduler moves threads as often as a finding needs.
const ATTEMPTS: usize = 4;

/// Runs programs until each of these findings was there, and runs the commands that they print.
fn keep_on_one_node(name: &str, ids: &[&str], programs: &[Vec<String>]) {
    let mut wanted = ids.to_vec();
    let again = programs.iter().cycle();
    for program in again.take(ATTEMPTS * programs.len()) {
        let report = trace(program).value;
        wanted.retain(|id| match findings(&report, id).first() {
            None => true,
            Some(finding) => {
                start_as_printed(id, "--cpunodebind", finding);
                false
            }
        });
        if wanted.is_empty() {
            return;
        }
        eprintln!("not yet {wanted:?}: {:#}", report["findings"]);
    }
    // The scheduler need not move threads so often; the findings that it brought about were tried.
    skipped(name, &format!("no {}", wanted.join(", no ")));
}

#[test]
fn threads_that_wake_where_their_wakers_run_are_kept_on_one_node() {
    let _two = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let _off = Balancer::off().unwrap();
    let ring = ["ring", "--threads=8", "--tokens=4", "--us=300", "--ms=4000"];
    let ids = ["woken-across-nodes", "ping-pong"];
    keep_on_one_node(test_name!(), &ids, &[workload(&ring)]);
}

#[test]
fn threads_that_load_balancing_pulls_are_kept_on_one_node() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let _off = Balancer::off().unwrap();
    // More threads than CPUs, of which some end sooner: an idle CPU pulls one from the other node.
    let threads = 2 * (nodes().cpus(a).len() + nodes().cpus(b).len());
    let program = workload(&[
        "rounds",
        &format!("--threads={threads}"),
        "--us=300",
        "--ms=6000",
    ]);
    keep_on_one_node(test_name!(), &["load-balance-across-nodes"], &[program]);
}
