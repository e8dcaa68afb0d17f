//! The workloads compared with the kernel's counters: wrong ground truth proves nothing.

use std::process::Command;
use std::time::Duration;

use numatrace_tests::counters::{self, Counters};
use numatrace_tests::harness::running::{Finished, Running};
use numatrace_tests::harness::truth::Truth;
use numatrace_tests::harness::{left_out, programs, skipped};
use numatrace_tests::test_name;

use crate::support::machine::{at, memoryless_node, nodes};
use crate::two_nodes_or_skip;

const DEADLINE: Duration = Duration::from_secs(120);
/// Allocations of all other processes on an idle guest during a short workload, its own start
/// included.
const NOISE: u64 = 600;

fn run(args: &str) -> Finished {
    let mut command = Command::new(programs::workload().unwrap());
    Running::start(command.args(args.split(' ')))
        .unwrap()
        .finish(DEADLINE)
        .unwrap()
}

/// Runs a workload. Returns its truth and the growth of numastat on each node; `None` when this
/// machine cannot run it.
fn measured(test: &str, args: &str) -> Option<(Truth, Vec<Counters>)> {
    let numastat = || {
        nodes()
            .online()
            .iter()
            .map(|&node| counters::numastat(node).unwrap())
            .collect::<Vec<_>>()
    };
    let before = numastat();
    let finished = run(args);
    let after = numastat();
    if finished.status.code() == Some(2) {
        skipped(test, finished.stderr.trim());
        return None;
    }
    assert!(finished.status.success(), "{args}: {finished:?}");
    let grown = before
        .iter()
        .zip(&after)
        .map(|(before, after)| counters::growth(before, after))
        .collect();
    Some((Truth::parse(&finished.stdout).unwrap(), grown))
}

#[test]
fn every_workload_holds() {
    let (a, b) = two_nodes_or_skip!();
    let commands = [
        format!("bind --node {b} --pages 1000 --cpu-node {a}"),
        "touch --mib 16 --rounds 2".to_owned(),
        format!("first-touch --init-node {a} --use-node {b} --pages 256 --threads 2 --secs 1"),
        format!("interleave --pages 1001 --nodes {a},{b}"),
        format!("interleave --pages 1001 --nodes {a},{b} --weighted"),
        format!("preferred-many --pages 500 --nodes {b}"),
        "heap --pages 300".to_owned(),
        format!("hugetlb --node {b} --count 4"),
        format!("shmem --kind memfd --pages 100 --node {a} --other-node {b}"),
        format!("shmem --kind sysv --pages 100 --node {a} --other-node {b}"),
        format!("shmem --kind posix --pages 100 --node {a} --other-node {b}"),
        format!("shmem --kind anon --pages 100 --node {a} --other-node {b}"),
        "stack --pages 500".to_owned(),
        format!("thp --node {b} --count 8 --cpu-node {a}"),
        format!("cow --node {a} --child-node {b} --pages 400"),
        "fork-storm --count 20".to_owned(),
        "fork-storm --count 20 --exec".to_owned(),
        format!("hold --node {b} --pages 10"),
        "spawn-tree --pages 20".to_owned(),
        format!("settled --mib 4 --node {a} --cpu-node {a} --bound --ms 20"),
        format!("bounce --times 21 --nodes {a},{b}"),
        format!("move-pages --pages 512 --from {a} --to {b}"),
        format!("move-pages --pages 512 --from {a} --to {b} --other-process"),
        format!("written --by writev --pages 400 --cpu-node {a} --node {b}"),
        format!("copied --pages 400 --cpu-node {a} --node {b}"),
        "dispatched --threads 6 --ms 200".to_owned(),
        format!("written --by ptrace --pages 400 --cpu-node {a}"),
    ];
    let (mut held, all) = (0, commands.len());
    for command in commands {
        let finished = run(&command);
        match finished.status.code() {
            Some(0) => {
                let truth = Truth::parse(&finished.stdout).unwrap();
                assert_eq!(truth.0["problems"], serde_json::json!([]), "{command}");
                held += 1;
            }
            Some(2) => left_out(
                test_name!(),
                &format!("{command}: {}", finished.stderr.trim()),
            ),
            _ => panic!("{command}: {finished:?}"),
        }
    }
    assert!(held * 2 > all, "{held} of {all} workloads only");
}

#[test]
fn bound_pages_are_hits_and_remote_but_never_misses() {
    let (a, b) = two_nodes_or_skip!();
    let Some((_, grown)) = measured(
        test_name!(),
        &format!("bind --node {b} --pages 1000 --cpu-node {a}"),
    ) else {
        return;
    };
    let there = &grown[at(b)];
    assert!(
        (1000..1000 + NOISE).contains(&there["other_node"]),
        "{there:?}"
    );
    assert!(there["numa_hit"] >= 1000, "{there:?}");
    assert_eq!(there["numa_miss"], 0, "{there:?}");
}

#[test]
fn a_huge_page_is_one_allocation() {
    let (a, b) = two_nodes_or_skip!();
    let Some((truth, grown)) = measured(
        test_name!(),
        &format!("thp --node {b} --count 50 --cpu-node {a}"),
    ) else {
        return;
    };
    assert_eq!(truth.vector("placement").unwrap()[at(b)], 50 * 512);
    let there = &grown[at(b)];
    assert!((50..50 + NOISE).contains(&there["other_node"]), "{there:?}");
}

#[test]
fn an_exhausted_node_misses_what_fell_back() {
    let (a, _) = two_nodes_or_skip!();
    let Some((truth, grown)) = measured(test_name!(), &format!("exhaust --node {a} --pages 2000"))
    else {
        return;
    };
    let missed = truth.count("missed_pages").unwrap();
    let misses: u64 = grown.iter().map(|node| node["numa_miss"]).sum();
    // Page tables and other kernel memory of the full node fall back as well.
    assert!(
        (missed..missed + missed / 10 + NOISE).contains(&misses),
        "fell back {missed}, numa_miss grew by {misses}"
    );
    assert_eq!(
        misses,
        grown.iter().map(|node| node["numa_foreign"]).sum::<u64>()
    );
}

#[test]
fn a_node_without_memory_hits_at_its_neighbours_and_misses_nowhere() {
    let Some(node) = memoryless_node() else {
        return skipped(test_name!(), "needs a node with CPUs and no memory");
    };
    let Some((truth, grown)) = measured(test_name!(), &format!("touch --mib 8 --cpu-node {node}"))
    else {
        return;
    };
    let pages = truth.count("pages").unwrap();
    let remote: u64 = grown.iter().map(|node| node["other_node"]).sum();
    assert!(
        (pages..pages + NOISE).contains(&remote),
        "touched {pages}, other_node {remote}"
    );
    assert_eq!(grown.iter().map(|node| node["numa_miss"]).sum::<u64>(), 0);
}

#[test]
fn a_moved_page_is_a_migrated_page() {
    let (a, b) = two_nodes_or_skip!();
    let before = counters::vmstat().unwrap();
    let Some((truth, _)) = measured(
        test_name!(),
        &format!("move-pages --pages 512 --from {a} --to {b}"),
    ) else {
        return;
    };
    let migrated = counters::growth(&before, &counters::vmstat().unwrap())["pgmigrate_success"];
    assert_eq!(truth.count("moved_pages"), Some(512));
    assert!(
        (512..512 + NOISE).contains(&migrated),
        "pgmigrate_success grew by {migrated}"
    );
}
