//! Memory that one thread placed and others use, and the findings about it.

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::report::{self, Part};
use numatrace_tests::harness::skipped;
use numatrace_tests::harness::tracer::Traced;
use numatrace_tests::{or_skip, test_name, tracer};
use serde_json::Value;

use crate::support::compare::{Overhead, within_a_hundredth};
use crate::support::machine::at;
use crate::two_nodes_or_skip;

/// Pages of 64 MiB.
const PAGES: u64 = 16_384;

/// Returns the mapping of a process that holds a given range.
fn mapping<'a>(process: Part<'a>, span: &Value) -> Part<'a> {
    let address = |value: &Value| {
        let text = value.as_str().expect("an address").trim_start_matches("0x");
        u64::from_str_radix(text, 16).unwrap()
    };
    let (start, end) = (address(&span["start"]), address(&span["end"]));
    let mappings = process.0["mappings"].as_array().expect("mappings");
    let found = mappings
        .iter()
        .find(|m| address(&m["start"]) <= start && end <= address(&m["end"]));
    Part(found.unwrap_or_else(|| panic!("no mapping holds {span}: {mappings:#?}")))
}

fn findings<'a>(run: &'a Traced, id: &str) -> Vec<&'a Value> {
    report::findings(&run.report.value, id)
}

/// Returns the arguments of a workload whose first thread touches memory on node `from`, and whose
/// two workers use it on node `to`.
fn touched_elsewhere((from, to): (u32, u32), pages: u64, secs: u32) -> Vec<String> {
    let words = format!(
        "first-touch --init-node {from} --use-node {to} --pages {pages} --threads 2 --secs {secs}"
    );
    words.split(' ').map(str::to_owned).collect()
}

/// Returns functions and lines of the stack that touched most of a mapping, innermost first.
fn function(run: &Traced, mapping: &Part<'_>) -> Vec<(String, String)> {
    let id = mapping
        .count("/first_touch/stacks/0")
        .expect("a stack of the first touch");
    let stacks = run.report.value["stacks"].as_array().expect("stacks");
    let stack = stacks.iter().find(|stack| stack["id"] == id);
    let frames = stack.expect("the stack")["frames"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    frames
        .iter()
        .map(|frame| (text(&frame["symbol"]), text(&frame["line"])))
        .collect()
}

#[test]
fn memory_of_an_initialiser_that_others_use_is_found_with_both_sides() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let args = touched_elsewhere((a, b), PAGES, 6);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let run = or_skip!(tracer!().launch(&args));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let region = mapping(process, &run.truth.0["spans"][0]);

    let init = run.truth.count("init_tid").unwrap();
    let first = &region.0["first_touch"]["by_tid"][0];
    assert_eq!(first["tid"], init, "{first}");
    assert_eq!(first["node"], a, "{first}");
    // The kernel may have merged the region with its neighbours, whose pages are other threads'.
    assert!(
        first["pages"].as_u64().unwrap().abs_diff(PAGES) <= 64,
        "16384 pages were touched first: {first}"
    );
    let overhead = Overhead::measured().whole();
    let touched = region.matrix("/first_touch/pages").unwrap();
    assert!(
        touched[at(a)][at(a)].abs_diff(PAGES) <= 64 + overhead,
        "on {a}, from {a}: {touched:?}"
    );
    assert!(
        touched.iter().flatten().sum::<u64>() <= PAGES + 64 + overhead,
        "what the balancer moves is touched once: {touched:?}"
    );
    let users = region.0["users"].as_array().expect("users");
    for worker in run.truth.0["workers"].as_array().unwrap() {
        let user = users.iter().find(|user| user["tid"] == worker["tid"]);
        assert_eq!(user.map(|user| &user["node"]), Some(&b.into()), "{users:?}");
    }
    // The region's pages are nearly all there is to fault on, and the workers cause nearly all
    // faults.
    let faults = region.matrix("/hint_faults/matrix").unwrap();
    let remote = run.truth.count("numa_hint_faults").unwrap()
        - run.truth.count("numa_hint_faults_local").unwrap();
    within_a_hundredth(
        "remote hint faults",
        faults[at(b)][at(a)],
        remote - remote / 100,
        remote / 50,
    );
    let surprise = region.count("/surprise_pages").unwrap();
    // Asking where pages lie counts as a use from the asking thread's node.
    assert!(surprise * 2 >= PAGES, "surprise {surprise}");

    let function = function(&run, &region);
    assert!(
        function.iter().any(|(symbol, line)| {
            symbol.ends_with("init") && line.starts_with("first_touch.rs:")
        }),
        "who touched it, by name and line: {function:?}"
    );

    let first = &run.report.value["findings"][0];
    assert_eq!(first["id"], "first-touch-elsewhere", "{first:#}");
    assert_eq!(first["pid"], run.truth.pid());
    let text = first.to_string();
    for needle in [format!("init ({init})"), "numactl --interleave=".to_owned()] {
        assert!(text.contains(&needle), "{needle}: {first:#}");
    }
    assert!(!text.contains("migratepages"), "it has ended: {first:#}");
}

#[test]
fn without_a_balancer_cpu_time_shows_who_uses_the_memory() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_off) = Balancer::off().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing to switch off");
    };
    let args = touched_elsewhere((a, b), PAGES / 2, 4);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let run = or_skip!(tracer!().launch(&args));
    let found = findings(&run, "first-touch-elsewhere");
    assert_eq!(found.len(), 1, "{:#}", run.report.value["findings"]);
    let text = found[0].to_string();
    for needle in [
        format!("MiB on node {a} first"),
        "no sampled accesses (NUMA balancing is off)".to_owned(),
        "numactl --interleave=".to_owned(),
    ] {
        assert!(text.contains(&needle), "{needle}: {:#}", found[0]);
    }
    assert!(!text.contains("migratepages"), "it has ended: {text}");
    assert!(
        findings(&run, "ran-away-from-memory").is_empty(),
        "one cause is enough: {:#}",
        run.report.value["findings"]
    );
}

#[test]
fn workers_that_touch_what_they_use_are_no_surprise() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let nodes = format!("{a},{b}");
    let args = [
        "own-parts",
        "--nodes",
        &nodes,
        "--pages",
        "4096",
        "--secs",
        "5",
    ];
    let run = or_skip!(tracer!().launch(&args));
    assert!(findings(&run, "first-touch-elsewhere").is_empty());
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let region = mapping(process, &run.truth.0["spans"][0]);
    let faults: u64 = region
        .matrix("/hint_faults/matrix")
        .unwrap()
        .iter()
        .flatten()
        .sum();
    assert!(faults >= 1000, "the balancer looked at {faults} pages only");
    let surprise = region.count("/surprise_pages").unwrap();
    assert!(surprise < 128, "surprise {surprise}");
}

#[test]
fn a_policy_for_memory_that_is_there_already_is_told_with_its_range() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let (a, b) = (a.to_string(), b.to_string());
    let args = [
        "rebind", "--from", &a, "--to", &b, "--pages", "4096", "--secs", "5", "--mbind",
    ];
    let run = or_skip!(tracer!().launch(&args));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let tid = run.truth.count("worker_tid").unwrap();
    let thread = process.thread(tid).expect("the worker");
    let bind = &thread.0["binds"][0];
    assert_eq!(bind["what"], "range_policy", "{bind}");
    let span = &run.truth.0["spans"][0];
    assert_eq!(bind["range"][0], span["start"], "{bind}");
    assert_eq!(bind["range"][1], span["end"], "{bind}");
    let found = findings(&run, "touched-before-bind");
    assert_eq!(found.len(), 1, "{:#}", run.report.value["findings"]);
    assert!(found[0].to_string().contains("mbind(2)"), "{}", found[0]);
}

#[test]
fn a_worker_that_binds_itself_after_touching_is_told_the_moment() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let (a_text, b_text) = (a.to_string(), b.to_string());
    let args = [
        "rebind", "--from", &a_text, "--to", &b_text, "--pages", "4096", "--secs", "5",
    ];
    let run = or_skip!(tracer!().launch(&args));
    let found = findings(&run, "touched-before-bind");
    assert_eq!(found.len(), 1, "{:#}", run.report.value["findings"]);
    let tid = run.truth.count("worker_tid").unwrap();
    let text = found[0].to_string();
    assert!(text.contains(&format!("rebinder ({tid})")), "{text}");
    assert!(
        findings(&run, "first-touch-elsewhere").is_empty(),
        "one cause is enough"
    );

    let process = run.report.process(run.truth.pid()).expect("the workload");
    let thread = process.thread(tid).expect("the worker");
    let bound = thread.count("/binds/0/time_ns").expect("a bind");
    let (after, before) = (
        run.truth.count("bound_after_ns").unwrap(),
        run.truth.count("bound_before_ns").unwrap(),
    );
    assert!(
        (after..=before).contains(&bound),
        "{after} {bound} {before}"
    );
}
