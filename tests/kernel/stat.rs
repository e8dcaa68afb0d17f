//! `numatrace stat` on machines of several nodes: kinds of memory to the page, and a full node.

use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::DEADLINE;
use numatrace_tests::harness::truth::Truth;
use numatrace_tests::test_name;
use serde_json::Value;

use crate::stat_numastat::{ours, workload};
use crate::support::machine;
use crate::two_nodes_or_skip;

/// Base pages of each kind on each node.
const PAGES: usize = 512;

#[test]
fn kinds_on_two_nodes_are_right_to_the_page() {
    let (a, b) = two_nodes_or_skip!();
    if !Path::new("/data").is_dir() {
        return skipped(test_name!(), "needs a disk at /data for page cache");
    }
    let nodes = format!("{a},{b}");
    let args = ["kinds", "--nodes", &nodes, "--folder", "/data", "--pages"];
    let mut holder = workload(&[&args[..], &[&PAGES.to_string()]].concat());
    if holder.wait_for_output("\n", DEADLINE).is_err() {
        let ended = holder.finish(DEADLINE).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        return skipped(test_name!(), ended.stderr.trim());
    }
    let truth = Truth::parse(&holder.output()).unwrap();
    assert_eq!(truth.0["problems"], serde_json::json!([]), "{:?}", truth.0);

    let pid = holder.pid().to_string();
    let text = ours(&["-p", &pid, "--by-mapping", "-f", "json"]);
    let sample: Value = serde_json::from_str(&text).unwrap();
    let mappings = sample
        .pointer("/processes/processes/0/kinds/mappings")
        .and_then(Value::as_array)
        .unwrap();
    let parts = truth.0["kinds"].as_array().unwrap();
    assert_eq!(parts.len(), 2 * 6, "six kinds on two nodes: {parts:#?}");
    for part in parts {
        let found = mappings
            .iter()
            .find(|mapping| mapping["start"] == part["start"])
            .unwrap_or_else(|| panic!("no mapping for {part} in {mappings:#?}"));
        let kib = part["pages"].as_u64().unwrap() * 4;
        let node = u32::try_from(part["node"].as_u64().unwrap()).unwrap();
        let mut wanted = vec![0; machine::nodes().online().len()];
        wanted[machine::at(node)] = kib;
        assert_eq!(Part(found).vector("/kib"), Some(wanted), "{part} {found}");
        assert_eq!(found["policy"], part["policy"], "{part} {found}");
        let (kind, thp) = match part["kind"].as_str().unwrap() {
            "thp" => ("anon", kib),
            kind => (kind, 0),
        };
        assert_eq!(found["kind"], kind, "{part} {found}");
        assert_eq!(found["thp_kib"], thp, "{part} {found}");
    }
    holder.hang_up();
    assert!(holder.finish(DEADLINE).unwrap().status.success());
}

#[test]
fn a_full_node_explains_itself_and_alerts_once() {
    let (_, node) = two_nodes_or_skip!();
    let alert = format!("node({node}).free_share < 10%");
    let mut command = Command::new(programs::numatrace().unwrap());
    command.args(["stat", "--pressure", "-f", "json", "--alert", &alert]);
    let stat = Running::start(command.arg("200ms")).unwrap();
    stat.wait_for_output("\n", DEADLINE).unwrap();
    let node_text = node.to_string();
    let mut filler = workload(&["exhaust", "--hold", "--node", &node_text, "--pages", "8192"]);
    // The node stays full until a reading shows it full together with the refused allocations: the
    // alert alone comes before it is quite full. Of two readings the second began afterwards.
    if filler.wait_for_output("\n", DEADLINE).is_ok() {
        stat.wait_for("alert: ", DEADLINE).unwrap();
        stat.wait_for_lines(stat.lines() + 2, DEADLINE).unwrap();
        filler.hang_up();
    }
    let filled = filler.finish(DEADLINE).unwrap();
    if filled.status.code() == Some(2) {
        return skipped(test_name!(), filled.stderr.trim());
    }
    assert!(filled.status.success(), "{filled:?}");
    stat.wait_for("clear: ", DEADLINE).unwrap();
    stat.signal(Signal::SIGINT).unwrap();
    let output = stat.finish(DEADLINE).unwrap();

    let count = |word: &str| output.stderr.lines().filter(|l| l.contains(word)).count();
    assert_eq!((count("alert: "), count("clear: ")), (1, 1), "{output:?}");
    let at = machine::at(node);
    let explained = output.stdout.lines().any(|line| {
        let reading: Value = serde_json::from_str(line).unwrap();
        let grown = |name: &str| {
            reading["counters"]["interval"]["nodes"][at][name]
                .as_u64()
                .unwrap_or(0)
        };
        let pressure = &reading["pressure"]["nodes"][at];
        let (free, total) = (&pressure["free_kib"], &pressure["total_kib"]);
        let full = free.as_u64().unwrap() * 10 < total.as_u64().unwrap();
        let zones = pressure["zones"].as_array().unwrap();
        let marked = zones.iter().all(|zone| zone["low_kib"].is_u64());
        let has_finding = reading["pressure"]["findings"]
            .as_array()
            .is_some_and(|findings| !findings.is_empty());
        full && grown("numa_foreign") > 0
            && marked
            && pressure["above_low_kib"].is_i64()
            && has_finding
    });
    assert!(
        explained,
        "no reading shows the full node with the allocations that it refused: {}",
        output.stdout
    );
}

#[test]
fn the_mismatch_is_1_apart_from_the_memory_and_0_beside_it() {
    let (near, far) = two_nodes_or_skip!();
    let at = machine::at(near);
    for (cpu_node, apart) in [(far, 0.9..=1.0), (near, 0.0..=0.1)] {
        let [node, cpu] = [near, cpu_node].map(|node| node.to_string());
        let args = [
            "hold",
            "--pages",
            "8192",
            "--node",
            &node,
            "--cpu-node",
            &cpu,
        ];
        let holder = workload(&args);
        holder.wait_for_output("\n", DEADLINE).unwrap();
        let pid = holder.pid().to_string();
        let text = ours(&["-p", &pid, "-f", "json"]);
        assert!(holder.finish(DEADLINE).unwrap().status.success());
        let sample: Value = serde_json::from_str(&text).unwrap();
        let process = sample.pointer("/processes/processes/0").unwrap();
        // 32 MiB of its own; all else that it has without files is less than a tenth of that.
        let kib = Part(process).vector("/without_files_kib").unwrap();
        assert!(kib[at] >= 8192 * 4, "{process:#}");
        if Part(process).vector("/cpu_ms").unwrap().iter().sum::<u64>() == 0 {
            return skipped(
                test_name!(),
                "it was done before the first tick of CPU time",
            );
        }
        let mismatch = process["placement_mismatch"].as_f64().unwrap();
        assert!(apart.contains(&mismatch), "{process:#}");
        let said = sample.pointer("/processes/findings").unwrap();
        let sentences = said.as_array().unwrap().len();
        assert_eq!(sentences, usize::from(cpu_node == far), "{said}");
    }
}
