//! Moves between the last-level caches of a node: counted exactly where a node has several, and not
//! measured where each has one. Guests get several by `--smp sockets=2,cores=2` on `--nodes 1x4`.

use std::collections::BTreeSet;
use std::fs;

use numatrace_tests::harness::report::findings;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::{Outcome, Tracer};
use numatrace_tests::workload::nodes::{Nodes, parse_list, pin};
use numatrace_tests::{or_skip, test_name, tracer};
use serde_json::Value;

const TIMES: u64 = 200;

/// Returns the CPUs of each L3 cache, as sysfs lists them.
fn domains() -> Vec<Vec<u32>> {
    let nodes = Nodes::read().unwrap_or_else(|trouble| panic!("{trouble:?}"));
    let online = nodes.online().iter();
    let cpus = online.flat_map(|&node| nodes.cpus(node));
    let list = |cpu: &u32| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/cache/index3/shared_cpu_list");
        parse_list(fs::read_to_string(path).ok()?.trim()).ok()
    };
    let domains: BTreeSet<Vec<u32>> = cpus.filter_map(list).collect();
    domains.into_iter().collect()
}

/// Returns two L3 caches of one node, each with several CPUs.
fn two_of_a_node() -> Option<(Vec<u32>, Vec<u32>)> {
    let nodes = Nodes::read().unwrap_or_else(|trouble| panic!("{trouble:?}"));
    let shared = |domain: &Vec<u32>| domain.len() > 1;
    let domains: Vec<Vec<u32>> = domains().into_iter().filter(shared).collect();
    nodes.online().iter().find_map(|&node| {
        let here = |domain: &&Vec<u32>| nodes.cpus(node).contains(&domain[0]);
        let mut of_node = domains.iter().filter(here);
        Some((of_node.next()?.clone(), of_node.next()?.clone()))
    })
}

/// Traces a task that is sent to and fro between two CPUs, and begins on the first.
fn bounce(tracer: Tracer, a: u32, b: u32) -> anyhow::Result<Outcome> {
    // On a thread of its own, because the child inherits the mask, and later tests must not.
    let traced = std::thread::spawn(move || {
        pin(&[a])?;
        let (times, cpus) = (TIMES.to_string(), format!("{a},{b}"));
        tracer.launch(&["bounce", "--times", &times, "--cpus", &cpus])
    });
    traced.join().expect("the tracing thread")
}

/// Returns the evidence of the finding that NUMA is not the problem, of either kind of machine.
fn evidence(report: &Value) -> String {
    ["one-node", "numa-is-not-your-problem"]
        .iter()
        .flat_map(|id| findings(report, id))
        .map(|finding| finding["evidence"].to_string())
        .collect()
}

#[test]
fn moves_between_two_caches_of_a_node_are_counted_exactly() {
    let Some((here, there)) = two_of_a_node() else {
        skipped(test_name!(), "needs two shared L3 caches in one node");
        return;
    };
    let run = or_skip!(bounce(tracer!(), here[0], there[0]));
    assert_eq!(run.truth.count("moves"), Some(TIMES));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let moves = process.0.pointer("/task_moves").unwrap();
    assert_eq!(process.count("/task_moves/total"), Some(TIMES), "{moves}");
    assert_eq!(
        process.count("/task_moves/cross_llc"),
        Some(TIMES),
        "{moves}"
    );
    assert_eq!(process.count("/task_moves/cross_node"), Some(0), "{moves}");

    let caches = run.report.value["host"]["caches"].as_array().unwrap();
    let told: Vec<Vec<u32>> = caches
        .iter()
        .map(|cache| serde_json::from_value(cache["cpus"].clone()).unwrap())
        .collect();
    assert_eq!(told, domains());
    if run.report.nodes().len() == 1 {
        let says = format!(
            "{} L3 domains: moves between them still cost: {TIMES} of {TIMES} moves",
            told.len()
        );
        let evidence = evidence(&run.report.value);
        assert!(evidence.contains(&says), "{evidence}");
    }
}

#[test]
fn moves_within_a_cache_are_not_moves_between_caches() {
    let Some((here, _)) = two_of_a_node() else {
        skipped(test_name!(), "needs two shared L3 caches in one node");
        return;
    };
    let run = or_skip!(bounce(tracer!(), here[0], here[1]));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let moves = process.0.pointer("/task_moves").unwrap();
    assert_eq!(process.count("/task_moves/total"), Some(TIMES), "{moves}");
    assert_eq!(process.count("/task_moves/cross_llc"), Some(0), "{moves}");
}

#[test]
fn where_each_node_has_one_cache_nothing_is_said_about_moves_between_them() {
    if two_of_a_node().is_some() {
        skipped(test_name!(), "a node has two shared L3 caches");
        return;
    }
    let run = or_skip!(tracer!().launch(&["bounce", "--times", "50", "--cpus", "0,1"]));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    assert!(process.count("/task_moves/total").unwrap() >= 50);
    assert_eq!(process.0["task_moves"]["cross_llc"], Value::Null);
    let evidence = evidence(&run.report.value);
    assert!(!evidence.contains("still cost"), "{evidence}");
}
