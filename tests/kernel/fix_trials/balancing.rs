//! Fixes of NUMA balancing that costs more than it gains.

use std::process::Command;

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::findings;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::trial;
use numatrace_tests::test_name;

use super::{start_as_printed, trace, workload};
use crate::two_nodes_or_skip;

const ID: &str = "balancer-hurting";

/// Sessions to try until the balancer moves pages back and forth, which it need not do.
const ATTEMPTS: usize = 4;

#[test]
fn memory_that_threads_of_two_nodes_use_is_spread_or_left_alone() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let (home, away) = (format!("--init-node={a}"), format!("--use-node={b}"));
    let program = workload(&[
        "first-touch",
        &home,
        &away,
        "--threads=2",
        "--home-threads=2",
        "--pages=24576",
        "--secs=10",
    ]);
    let mut hurt = None;
    for _ in 0..ATTEMPTS {
        let report = trace(&program);
        if report.hook_state("balancer") != Some("attached") {
            return skipped(test_name!(), "no programs at functions here");
        }
        hurt = findings(&report.value, ID).first().copied().cloned();
        if hurt.is_some() {
            break;
        }
        eprintln!("not yet: {:#}", report.value["findings"]);
    }
    let Some(finding) = hurt else {
        return skipped(test_name!(), "the balancer did well here");
    };
    // Its threads choose their CPUs, so nothing is printed that would bind them.
    assert_eq!(trial::command(&finding, "run_command", "--membind"), None);
    start_as_printed(ID, "--interleave", &finding);
    let line = trial::command(&finding, "sysctl", "numa_balancing").unwrap();
    let status = Command::new("sh").args(["-c", &line]).status().unwrap();
    assert!(status.success(), "{line}");
    let after = trace(&program).value;
    let left = findings(&after, ID);
    assert!(left.is_empty(), "{line}: {left:#?}");
    trial::worked(ID, &line).unwrap();
}

#[test]
fn a_program_whose_threads_wander_over_its_memory_is_bound() {
    two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let program = workload(&[
        "rounds",
        "--threads=5",
        "--us=40000",
        "--ms=10000",
        "--shared=24576",
    ]);
    for _ in 0..ATTEMPTS {
        let report = trace(&program);
        if report.hook_state("balancer") != Some("attached") {
            return skipped(test_name!(), "no programs at functions here");
        }
        let hurt = findings(&report.value, ID).first().copied().cloned();
        if let Some(finding) = hurt {
            return start_as_printed(ID, "--membind", &finding);
        }
        eprintln!("not yet: {:#}", report.value["findings"]);
    }
    skipped(test_name!(), "the balancer did well here");
}
