//! `/sys` as containers show it: masked, or with fewer CPUs. Nodes, CPUs and counts stay whole, and
//! the report and `doctor` say so.

use std::process::Command;

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::running::{Finished, Running};
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::test_name;
use serde_json::Value;

use crate::support::machine::{nodes, whole_node};
use crate::two_nodes_or_skip;

/// Hides all folders of nodes.
const NO_NODES: &str = "mount -t tmpfs none /sys/devices/system/node";

/// Shows one CPU, as lxcfs does for a container with one.
const ONE_CPU: &str =
    "echo 0 >/tmp/one-cpu && mount --bind /tmp/one-cpu /sys/devices/system/cpu/online";

/// Runs numatrace in a mount namespace of its own, in which `mounts` ran first.
fn inside(mounts: &str, args: &[&str]) -> Finished {
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &format!("{mounts} && exec \"$@\""), "sh"]);
    command.arg(programs::numatrace().unwrap()).args(args);
    let ended = Running::start(&mut command)
        .unwrap()
        .finish(DEADLINE)
        .unwrap();
    assert!(ended.status.success(), "{mounts}: {ended:?}");
    ended
}

fn json(mounts: &str, args: &[&str]) -> Value {
    let ended = inside(mounts, &[args, &["-f", "json"]].concat());
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Returns the nodes with their CPUs, as a report has them.
fn listed(report: &Value) -> Vec<(u64, Vec<u64>)> {
    let nodes = report["host"]["nodes"].as_array().unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    let cpus = |node: &Value| {
        node["cpus"]
            .as_array()
            .unwrap()
            .iter()
            .map(number)
            .collect()
    };
    nodes
        .iter()
        .map(|node| (number(&node["node"]), cpus(node)))
        .collect()
}

#[test]
fn no_node_cpu_or_count_is_lost_where_sys_is_masked_or_rewritten() {
    let _ = two_nodes_or_skip!();
    let can = Command::new("unshare").args(["-m", "true"]).status();
    if !can.is_ok_and(|status| status.success()) {
        return skipped(test_name!(), "needs unshare");
    }
    let whole = listed(&json("true", &["trace", "-d", "1"]));
    assert!(whole.len() > 1, "{whole:?}");
    for (mounts, said) in [
        (NO_NODES, "/sys/devices/system/node is masked (tmpfs)"),
        (ONE_CPU, "/sys/devices/system/cpu/online is masked"),
    ] {
        let report = json(mounts, &["trace", "-d", "1"]);
        assert_eq!(listed(&report), whole, "{mounts}");
        let view = report["host"]["view"].to_string();
        assert!(view.contains(said), "{view}");
        let audit = &report["audit"];
        let verdict = audit["verdict"].as_str().unwrap();
        assert!(
            ["exact", "within_misses"].contains(&verdict),
            "{mounts}: {audit:#}"
        );
        let traced = Part(audit).0["nodes"].as_array().unwrap().iter();
        let traced: u64 = traced
            .map(|node| node["local_node"]["traced"].as_u64().unwrap())
            .sum();
        assert!(traced > 0, "{audit:#}");

        let text = inside(mounts, &["trace", "-d", "1", "--full"]).stdout;
        let (_, missing) = text.split_once("Missing or lost").unwrap();
        assert!(missing.contains("/sys/devices/system/"), "{missing}");

        let doctor = json(mounts, &["doctor"]);
        let checks = doctor["checks"].as_array().unwrap();
        let check = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap();
        assert_eq!(check("/sys and /proc")["state"], "limited", "{doctor:#}");
        let count = nodes().online().len().to_string();
        assert_eq!(
            check("NUMA nodes")["value"],
            Value::from(count),
            "{doctor:#}"
        );

        let stat = json(mounts, &["stat"]);
        let counted = stat["counters"]["nodes"].as_array().unwrap();
        let of = usize::try_from(whole_node()).unwrap();
        assert!(counted[of]["numa_hit"].as_u64().unwrap() > 0, "{stat:#}");
    }
    let doctor = json("true", &["doctor"]);
    let checks = doctor["checks"].as_array().unwrap();
    let own = checks
        .iter()
        .find(|check| check["name"] == "/sys and /proc");
    assert_eq!(own.unwrap()["state"], "ok", "{doctor:#}");
}
