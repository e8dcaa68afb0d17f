//! Nodes that could not give what was wanted, by the state that they were in; and amounts that are
//! few allocations and many pages.

use std::fs;
use std::process::Command;

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::findings;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::{DEADLINE, Outcome};
use numatrace_tests::harness::trial;
use numatrace_tests::{or_skip, test_name, tracer};
use serde_json::Value;

use crate::support::machine;
use crate::two_nodes_or_skip;

/// Effort of page faults for huge pages.
const DEFRAG: &str = "/sys/kernel/mm/transparent_hugepage/defrag";

/// Fragmentation from which on the kernel compacts by itself, out of 1,000.
const THRESHOLD: &str = "/proc/sys/vm/extfrag_threshold";

/// Eagerness of the kernel to compact in the background, out of 100.
const PROACTIVE: &str = "/proc/sys/vm/compaction_proactiveness";

const ID: &str = "node-full-fallback";

/// A setting of the kernel, as it was once dropped.
struct Setting(&'static str, String);

impl Setting {
    fn set(path: &'static str, value: &str) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let chosen = text
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'));
        let before = chosen.map_or(text.trim(), |(chosen, _)| chosen).to_owned();
        fs::write(path, value).ok()?;
        Some(Self(path, before))
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = fs::write(self.0, &self.1);
    }
}

fn run(line: &str) {
    let status = Command::new("sh").args(["-c", line]).status().unwrap();
    assert!(status.success(), "{line}");
}

/// Keeps the free memory of a node in single pages until it is told to end; `None` on machines that
/// cannot.
fn in_pieces(node: u32) -> Option<Running> {
    let pieces = Running::start(Command::new(programs::workload().unwrap()).args([
        "in-pieces",
        "--node",
        &node.to_string(),
    ]))
    .unwrap();
    if pieces.wait_for_output("\n", DEADLINE).is_ok() {
        return Some(pieces);
    }
    let ended = pieces.finish(DEADLINE).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
    None
}

/// So many huge pages on the CPUs of a node, from wherever the kernel takes them.
fn huge_pages(count: u32, node: u32) -> Outcome {
    let (count, node) = (count.to_string(), node.to_string());
    let words = ["thp", "--count", &count, "--cpu-node", &node];
    tracer!().launch(&words).unwrap()
}

#[test]
fn huge_pages_that_a_node_in_pieces_cannot_give_are_told_with_fixes_that_work() {
    let (a, b) = two_nodes_or_skip!();
    // Never by itself: pages of programs can be moved, so it would mend what this is about.
    let Some(_never) = Setting::set(THRESHOLD, "1000") else {
        return skipped(test_name!(), "no vm.extfrag_threshold");
    };
    let _quiet = Setting::set(PROACTIVE, "0").expect("vm.compaction_proactiveness, from 5.9 on");
    let Some(madvised) = Setting::set(DEFRAG, "madvise") else {
        return skipped(test_name!(), "no transparent huge pages");
    };
    // The tracer inherits the CPUs: its own memory, of a hundred MiB, must not fill the node.
    let nodes = machine::nodes();
    nodes.run_on(b).unwrap();
    let Some(mut pieces) = in_pieces(a) else {
        return skipped(test_name!(), "the node's memory cannot be taken apart");
    };
    let traced = or_skip!(Ok::<Outcome, anyhow::Error>(huge_pages(40, a)));
    let report = &traced.report.value;
    let found = findings(report, ID);
    assert_eq!(found.len(), 1, "{:#}", report["findings"]);
    let pages = &report["processes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|process| process["pid"] == traced.truth.pid())
        .expect("the workload")["alloc"]["in_pages"];
    let at = machine::at(a);
    let went = pages["huge_foreign"][at].as_u64().unwrap();
    assert!(went > 20, "{pages}");
    // The kernel's own answer: the pages that the workload found on the other node.
    let there = traced.truth.0["placement"][machine::at(b)]
        .as_u64()
        .unwrap();
    assert_eq!(went * 512, there, "{pages}");
    let title = found[0]["title"].as_str().unwrap();
    assert!(title.starts_with(&format!("node {a} had ")), "{title}");
    assert!(title.contains("free but no 2 MiB block: "), "{title}");
    assert!(
        title.ends_with(&format!("huge pages went to node {b}")),
        "{title}"
    );
    let looks = report["shortages"].as_array().unwrap();
    let look = looks
        .iter()
        .find(|look| look["node"] == a && look["block_kb"] == 2048);
    let look = look.unwrap_or_else(|| panic!("{looks:#?}"));
    assert!(look["fragmented"].as_u64() > Some(0), "{look}");
    assert!(look["most_free_kb"].as_u64() > Some(32 << 10), "{look}");

    let of = |word: &str| {
        let line = trial::command(found[0], "sysctl", word);
        line.unwrap_or_else(|| panic!("{word}: {:#}", found[0]))
    };
    // Small pages of the own node instead of huge ones of the other.
    let (defrag, compact) = (of("defrag"), of("compact"));
    run(&defrag);
    let small = or_skip!(Ok::<Outcome, anyhow::Error>(huge_pages(40, a)));
    let left = findings(&small.report.value, ID);
    assert!(left.is_empty(), "{left:#?}");
    trial::worked(ID, &defrag).unwrap();
    drop(madvised);
    // Blocks put together.
    run(&compact);
    // Fewer: compaction makes blocks of a part of what is free.
    let whole = or_skip!(Ok::<Outcome, anyhow::Error>(huge_pages(16, a)));
    let left = findings(&whole.report.value, ID);
    assert!(left.is_empty(), "{left:#?}");
    trial::worked(ID, &compact).unwrap();
    nodes.run_anywhere().unwrap();
    pieces.hang_up();
    assert!(pieces.finish(DEADLINE).unwrap().status.success());
}

#[test]
fn a_full_node_is_called_full_and_was_below_its_watermark() {
    let (a, _) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().launch(&["exhaust", "--node", &a.to_string(), "--pages", "2000"]));
    let report = &run.report.value;
    let found = findings(report, ID);
    assert_eq!(found.len(), 1, "{:#}", report["findings"]);
    let title = found[0]["title"].as_str().unwrap();
    assert!(
        title.starts_with(&format!("node {a} was full: ")),
        "{title}"
    );
    let looks = report["shortages"].as_array().unwrap();
    let single = looks
        .iter()
        .find(|look| look["node"] == a && look["block_kb"] == 4 && look["movable"] == true);
    let single = single.unwrap_or_else(|| panic!("{looks:#?}"));
    assert!(single["full"].as_u64() > Some(0), "{single}");
    assert_eq!(single["closed"], 0, "{single}");
}

#[test]
fn thirty_two_huge_pages_bound_to_the_other_node_are_a_finding() {
    let (a, b) = two_nodes_or_skip!();
    let (a, b) = (a.to_string(), b.to_string());
    let run = or_skip!(tracer!().launch(&["thp", "--node", &b, "--count", "32", "--cpu-node", &a]));
    let report = &run.report.value;
    let found = findings(report, "remote-by-policy");
    assert_eq!(found.len(), 1, "{:#}", report["findings"]);
    let evidence = found[0]["evidence"].as_array().unwrap();
    // Pages that compaction hands to their fault are no allocations to numastat; 256 are a MiB.
    let captured = "/coverage/not_in_numastat/captured by compaction";
    let captured = run.report.count(captured).unwrap_or(0);
    let amount = format!("these were {}.", 64 - (captured / 256).min(16));
    let amount = |line: &Value| line.as_str().is_some_and(|line| line.starts_with(&amount));
    assert!(evidence.iter().any(amount), "{evidence:#?}");
}

#[test]
fn policies_with_several_nodes_are_information_on_every_kernel() {
    let (a, b) = two_nodes_or_skip!();
    let nodes = machine::nodes();
    let third = nodes.with_memory().iter().copied();
    let third = third
        .filter(|node| *node != a && *node != b)
        .map(|node| node.to_string());
    let third = third.into_iter().next();
    let (both, b, a) = (format!("{a},{b}"), b.to_string(), a.to_string());
    let bind = ["bind", "--node", &b, "--pages", "4000", "--cpu-node", &a];
    let preferred = [
        "preferred-many",
        "--pages",
        "4000",
        "--nodes",
        &b,
        "--cpu-node",
        &a,
    ];
    let weighted = [
        "interleave",
        "--weighted",
        "--pages",
        "4000",
        "--nodes",
        &both,
        "--cpu-node",
        &a,
    ];
    let mut cases = vec![
        (bind.to_vec(), true),
        (preferred.to_vec(), false),
        (weighted.to_vec(), false),
    ];
    if let Some(third) = &third {
        let several = [&bind[..], &["--also", third]].concat();
        cases.push((several, false));
    }
    for (words, warns) in cases {
        let run = match tracer!().launch(&words).unwrap() {
            Outcome::Done(run) => run,
            Outcome::Unsupported(why) => {
                eprintln!("{words:?}: {why}");
                continue;
            }
        };
        let findings = findings(&run.report.value, "remote-by-policy");
        let about = findings
            .iter()
            .filter(|finding| finding["pid"] == run.truth.pid());
        let about: Vec<_> = about.collect();
        assert_eq!(
            about.len(),
            1,
            "{words:?}: {:#}",
            run.report.value["findings"]
        );
        assert_eq!(
            about[0]["severity"] != "info",
            warns,
            "{words:?}: {about:#?}"
        );
    }
}

#[test]
fn huge_pages_of_a_pool_are_remote_by_policy_or_because_the_own_pool_is_empty() {
    let (a, b) = two_nodes_or_skip!();
    let (a, b) = (a.to_string(), b.to_string());
    let bound = ["hugetlb", "--node", &b, "--count", "4", "--cpu-node", &a];
    let unbound = [&bound[..], &["--unbound"]].concat();
    for (words, cause) in [(&bound[..], "policy"), (&unbound, "fallback")] {
        let run = or_skip!(tracer!().launch(words));
        let process = run.report.process(run.truth.pid()).expect("the workload");
        let mappings = process.0["mappings"].as_array().unwrap();
        let huge: Vec<&Value> = mappings
            .iter()
            .filter(|mapping| mapping["kind"] == "hugetlb")
            .collect();
        assert_eq!(huge.len(), 1, "{mappings:#?}");
        let causes = &huge[0]["first_touch"]["remote_by_cause"];
        assert_eq!(causes[cause], 4 * 512, "{words:?}: {causes}");
    }
}
