//! A known load on a machine that may refuse hooks: counted values are right, and refused ones are
//! named.

use std::process::Command;

use numatrace_tests::harness::programs;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::running::Running;
use numatrace_tests::harness::tracer::{DEADLINE, READY};
use numatrace_tests::harness::truth::Truth;
use numatrace_tests::{
    harness::{contract, skipped},
    or_skip, test_name, tracer,
};

const MIB: u64 = 200;

#[test]
fn a_process_that_touches_200_mib_has_its_pages_within_one_percent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let tracer = Running::start(&mut tracer!().args(["-d", "3"]).command(&path).unwrap()).unwrap();
    tracer.wait_for(READY, DEADLINE).unwrap();
    let workload = Running::start(Command::new(programs::workload().unwrap()).args([
        "touch",
        "--mib",
        &MIB.to_string(),
    ]))
    .unwrap();
    let truth = Truth::parse(&workload.finish(DEADLINE).unwrap().stdout).unwrap();
    let finished = tracer.finish(DEADLINE).unwrap();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");

    let report = Report::read(&path).unwrap();
    contract::check(&path).unwrap();
    let expected = truth.count("pages").unwrap();
    let process = report
        .process(truth.pid())
        .expect("the workload is in the report");
    let pages: u64 = process.vector("/alloc/pages").unwrap().iter().sum();
    assert!(
        pages.abs_diff(expected) <= expected / 100,
        "it touched {expected} pages, the report has {pages}"
    );
    let seconds = report.value["session"]["duration_s"].as_f64().unwrap();
    assert!((2.9..5.0).contains(&seconds), "-d 3 lasted {seconds} s");
}

#[test]
fn touched_memory_has_its_mapping_whatever_the_hooks() {
    let run = or_skip!(tracer!().launch(&["touch", "--mib", "40"]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let expected = run.truth.count("pages").unwrap();
    let address = |value: &serde_json::Value| {
        let text = value.as_str().expect("an address").trim_start_matches("0x");
        u64::from_str_radix(text, 16).unwrap()
    };
    let span = &run.truth.0["spans"][0];
    let (start, end) = (address(&span["start"]), address(&span["end"]));
    let mappings = process.0["mappings"].as_array().expect("mappings");
    let holding: Vec<_> = mappings
        .iter()
        .filter(|m| address(&m["start"]) < end && start < address(&m["end"]))
        .collect();
    let pages: u64 = holding
        .iter()
        .filter_map(|m| m["first_touch"]["pages"].as_array())
        .flatten()
        .filter_map(|row| row.as_array())
        .flatten()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert!(
        pages + expected / 100 >= expected && pages <= expected + expected / 20,
        "{pages} pages in its mapping, {expected} expected: {mappings:#?}"
    );
    assert_eq!(holding[0]["kind"], "anon");
    // A quantity that was not measured is not 0.
    if run.report.hook_state("hint_fault") == Some("absent") {
        assert!(holding[0]["hint_faults"].is_null(), "{:#}", holding[0]);
        assert!(holding[0]["surprise_pages"].is_null(), "{:#}", holding[0]);
    }
}

#[test]
fn hooks_that_are_not_attached_say_why() {
    let run = or_skip!(tracer!().launch(&["touch", "--mib", "1"]));
    let hooks = run.report.value["hooks"].as_array().expect("hooks");
    assert!(
        hooks
            .iter()
            .any(|hook| hook["hook"] == "page_alloc" && hook["state"] != "absent"),
        "{hooks:#?}"
    );
    for hook in hooks.iter().filter(|hook| hook["state"] != "attached") {
        assert!(
            hook["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "{hook}"
        );
    }
    let exact = run.report.hook_state("page_alloc") == Some("attached");
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    // The fallback does not know the preferred node: quantities that depend on it are unknown,
    // never 0.
    assert_eq!(process.vector("/alloc/numa_hit").is_some(), exact);
    assert_eq!(process.vector("/alloc/numa_miss").is_some(), exact);
    assert!(process.vector("/alloc/local_node").is_some());
}

#[test]
fn the_load_counts_the_same_by_pid_by_command_and_system_wide() {
    let args = ["touch", "--mib", "40"];
    for run in [
        or_skip!(tracer!().launch(&args)),
        or_skip!(tracer!().attach(&args)),
        or_skip!(tracer!().system_wide(&args)),
    ] {
        let expected = run.truth.count("pages").unwrap();
        let process = run
            .report
            .process(run.truth.pid())
            .expect("the workload is in the report");
        let pages: u64 = process.vector("/alloc/pages").unwrap().iter().sum();
        assert!(
            pages >= expected && pages <= expected + expected / 20,
            "it touched {expected} pages, the report has {pages}"
        );
    }
}

#[test]
fn memory_of_processes_of_some_milliseconds_is_named() {
    let folder = std::env::temp_dir();
    let folder = folder.to_str().expect("a folder");
    let run = or_skip!(tracer!().launch(&[
        "brief", "--folder", folder, "--count", "20", "--pages", "64"
    ]));
    if run.report.hook_state("mapping_names") != Some("attached") {
        let hooks = &run.report.value["hooks"];
        let row = hooks.as_array().expect("hooks").iter();
        let row = row.filter(|hook| hook["hook"] == "mapping_names");
        return skipped(test_name!(), &format!("no records of mappings: {row:?}"));
    }
    assert_eq!(run.report.value["coverage"]["mapping_records_lost"], 0);
    let children = run.truth.0["children"].as_array().expect("children");
    assert_eq!(children.len(), 20);
    for child in children {
        let process = run.report.process(child[0].as_u64().expect("a pid"));
        let process = process.expect("a child");
        let mappings = process.0["mappings"].as_array().expect("mappings");
        let named = mappings.iter().find(|mapping| {
            mapping["name"]
                .as_str()
                .is_some_and(|name| Some(name) == child[1].as_str())
        });
        let named = named.unwrap_or_else(|| panic!("not {}: {mappings:#?}", child[1]));
        let pages = named["first_touch"]["pages"].as_array().expect("pages");
        let pages = pages.iter().filter_map(|row| row.as_array()).flatten();
        let pages: u64 = pages.filter_map(serde_json::Value::as_u64).sum();
        assert!((64..=66).contains(&pages), "{named:#}");
    }
}

#[test]
fn code_that_is_made_as_it_runs_has_the_names_of_its_perf_map() {
    let run = or_skip!(tracer!().launch(&["jit", "--pages", "2000"]));
    let map = run.truth.0["map"].as_str().expect("a path");
    std::fs::remove_file(map).expect("its map is still there");
    let stacks = run.report.value["stacks"].as_array().expect("stacks");
    let of_code = |stack: &&serde_json::Value| {
        let frames = stack["frames"].as_array().expect("frames");
        frames
            .first()
            .is_some_and(|frame| frame["symbol"] == run.truth.0["function"])
    };
    let stack = stacks.iter().find(of_code);
    let stack = stack.unwrap_or_else(|| panic!("no frame of it: {stacks:#?}"));
    // The stack reaches back through the made code to its caller.
    let frames = stack["frames"].as_array().expect("frames");
    assert!(frames.len() > 1, "{stack:#}");
    assert!(
        frames[0]["module"]
            .as_str()
            .is_some_and(|name| name.ends_with(".map"))
    );
}

#[test]
fn the_code_that_asks_for_kernel_memory_is_named_on_request() {
    let args = ["fork-storm", "--count", "100", "--child-pages", "64"];
    let run = or_skip!(tracer!().args(["--kernel-stacks", "8"]).launch(&args));
    let processes: Vec<_> = run.report.processes().collect();
    let parts = processes
        .iter()
        .filter_map(|process| process.0["kernel_memory"].as_array())
        .flatten();
    let ids: Vec<u64> = parts.filter_map(|part| part["stack"].as_u64()).collect();
    let stacks = run.report.value["stacks"].as_array().expect("stacks");
    let named = |name: &str| {
        stacks
            .iter()
            .filter(|stack| stack["id"].as_u64().is_some_and(|id| ids.contains(&id)))
            .filter_map(|stack| stack["frames"].as_array())
            .flatten()
            .any(|frame| {
                frame["symbol"]
                    .as_str()
                    .is_some_and(|symbol| symbol.starts_with(name))
            })
    };
    // Forking takes page tables.
    assert!(
        named("pte_alloc_one") || named("__pte_alloc"),
        "{stacks:#?}"
    );
    // An address would reveal where the kernel lies.
    let frames = stacks.iter().filter_map(|stack| stack["frames"].as_array());
    for frame in frames
        .flatten()
        .filter(|frame| frame["module"] == "[kernel]")
    {
        assert!(frame["addr"].is_null(), "{frame}");
    }
    let without = or_skip!(tracer!().launch(&args));
    assert!(
        without
            .report
            .processes()
            .all(|process| process.0["kernel_memory"].is_null())
    );
}
