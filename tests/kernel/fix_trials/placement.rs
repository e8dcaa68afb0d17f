//! Fixes of findings about where memory is put.

use std::fs;
use std::process::Command;

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::findings;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::harness::trial;
use numatrace_tests::test_name;

use super::{buffer, start_differently, trace, workload};
use crate::support::machine;
use crate::two_nodes_or_skip;

#[test]
fn memory_that_is_interleaved_for_nothing_is_kept_where_its_program_runs() {
    let (a, _) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let cpus = format!("--cpunodebind={a}");
    start_differently(
        "interleave-mismatch",
        "--membind",
        &["numactl", &cpus, "--interleave=all"],
        &buffer(64),
    );
}

#[test]
fn memory_that_a_policy_puts_on_the_other_node_is_run_there_or_freed_of_the_policy() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let (cpus, memory) = (format!("--cpunodebind={a}"), format!("--membind={b}"));
    for option in ["--membind", "--localalloc"] {
        let before = ["numactl", &cpus, &memory];
        start_differently("remote-by-policy", option, &before, &buffer(64));
    }
}

#[test]
fn a_program_that_is_bound_to_too_small_a_node_spills_over_or_is_spread() {
    let (a, _) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let memory = format!("--membind={a}");
    for option in ["--preferred", "--interleave"] {
        let program = buffer(machine::size(a) + 40);
        start_differently("bound-node-full", option, &["numactl", &memory], &program);
    }
}

#[test]
fn a_program_on_a_full_node_is_started_on_the_one_with_room() {
    let (a, _) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let mut filler = Running::start(Command::new(programs::workload().unwrap()).args([
        "exhaust",
        "--hold",
        "--pages",
        "2000",
        "--node",
        &a.to_string(),
    ]))
    .unwrap();
    if filler.wait_for_output("\n", DEADLINE).is_err() {
        return skipped(test_name!(), "the node cannot be filled");
    }
    let cpus = format!("--cpunodebind={a}");
    start_differently(
        "node-full-fallback",
        "--cpunodebind",
        &["numactl", &cpus],
        &buffer(24),
    );
    filler.hang_up();
    let _ = filler.finish(DEADLINE).unwrap();
}

#[test]
fn memory_that_one_thread_touches_for_others_is_spread() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let _off = Balancer::off().unwrap();
    let (init, user) = (a.to_string(), b.to_string());
    let program = [
        "first-touch",
        "--init-node",
        &init,
        "--use-node",
        &user,
        "--pages",
        "12288",
        "--threads",
        "2",
        "--secs",
        "2",
    ];
    let program = workload(&program);
    start_differently("first-touch-elsewhere", "--interleave", &[], &program);
}

#[test]
fn memory_that_threads_of_two_nodes_use_is_spread() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let _off = Balancer::off().unwrap();
    let (home, away) = (a.to_string(), b.to_string());
    let program = [
        "first-touch",
        "--init-node",
        &home,
        "--use-node",
        &away,
        "--home-threads",
        "1",
        "--pages",
        "12288",
        "--secs",
        "3",
    ];
    let program = workload(&program);
    start_differently("affinity-split", "--interleave", &[], &program);
}

#[test]
fn a_program_that_binds_after_it_has_touched_is_started_where_it_ends_up() {
    let (a, b) = two_nodes_or_skip!();
    if !programs::is_installed("numactl") {
        return skipped(test_name!(), "no numactl");
    }
    let (from, to) = (a.to_string(), b.to_string());
    let program = [
        "rebind", "--from", &from, "--to", &to, "--pages", "4096", "--secs", "5",
    ];
    let program = workload(&program);
    start_differently("touched-before-bind", "--membind", &[], &program);
}

#[test]
fn a_pool_gets_the_huge_pages_that_its_mapping_needs() {
    let (a, b) = two_nodes_or_skip!();
    let pool = |node: u32| {
        format!("/sys/devices/system/node/node{node}/hugepages/hugepages-2048kB/nr_hugepages")
    };
    let set = |node: u32, pages: &str| fs::write(pool(node), pages).is_ok();
    if !set(a, "12") || !set(b, "0") {
        return skipped(test_name!(), "no pools of huge pages by node");
    }
    let (on, other) = (b.to_string(), a.to_string());
    let program = [
        "hugetlb-empty",
        "--node",
        &on,
        "--other",
        &other,
        "--count",
        "4",
    ];
    let program = workload(&program);
    let id = "hugetlb-pool-empty";
    let report = trace(&program).value;
    let found = findings(&report, id);
    assert_eq!(found.len(), 1, "{:#}", report["findings"]);
    let line = trial::command(found[0], "sysctl", "nr_hugepages").unwrap();
    assert_eq!(line, format!("echo 4 > {}", pool(b)), "{:#}", found[0]);
    let status = Command::new("sh").args(["-c", &line]).status().unwrap();
    assert!(status.success(), "{line}");
    let after = trace(&program).value;
    let left = findings(&after, id);
    assert!(left.is_empty(), "{line}: {left:#?}");
    trial::worked(id, &line).unwrap();
    assert!(set(a, "0") && set(b, "0"));
}
