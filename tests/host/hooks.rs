//! The requested hooks decide what is attached; quantities of the others are null, and the report
//! says so.

use numatrace_tests::harness::report::Report;
use numatrace_tests::{or_skip, tracer};

const LEFT_OUT: &str = "left out on request";

/// Returns the hooks that are attached, in either form.
fn in_place(report: &Report) -> Vec<&str> {
    let hooks = report.value["hooks"].as_array().expect("hooks");
    hooks
        .iter()
        .filter(|hook| hook["state"] != "absent")
        .filter_map(|hook| hook["hook"].as_str())
        .collect()
}

fn reason<'a>(report: &'a Report, hook: &str) -> Option<&'a str> {
    let hooks = report.value["hooks"].as_array()?;
    hooks.iter().find(|entry| entry["hook"] == hook)?["reason"].as_str()
}

#[test]
fn just_the_listed_hooks_and_what_they_need_are_attached() {
    let run = or_skip!(
        tracer!()
            .args(["--hooks", "task_move"])
            .launch(&["touch", "--mib", "1"])
    );
    assert_eq!(in_place(&run.report), ["task_life", "task_move"]);
    assert!(
        run.tracer.stderr.contains("task_life is attached too"),
        "{}",
        run.tracer.stderr
    );
    assert_eq!(reason(&run.report, "page_alloc"), Some(LEFT_OUT));
    assert_eq!(run.report.value["audit"]["verdict"], "unavailable");
    let why = run.report.value["audit"]["why"].as_str().unwrap();
    assert!(why.contains("page_alloc"), "{why}");
    let process = run.report.process(run.truth.pid()).expect("it is named");
    for stem in [
        "alloc",
        "first_touch",
        "hint_faults",
        "page_migrations",
        "run_ns",
    ] {
        assert!(process.0[stem].is_null(), "{stem}: {}", process.0[stem]);
    }
    assert!(process.count("/task_moves/total").is_some());
}

#[test]
fn a_hook_left_out_takes_its_dependents_with_it_and_nothing_else() {
    let run = or_skip!(
        tracer!()
            .args(["--hooks", "-page_fault"])
            .launch(&["touch", "--mib", "4"])
    );
    for hook in ["page_fault", "page_fault_hugetlb"] {
        assert_eq!(reason(&run.report, hook), Some(LEFT_OUT));
    }
    assert!(
        run.tracer
            .stderr
            .contains("page_fault_hugetlb is left out too: it needs page_fault"),
        "{}",
        run.tracer.stderr
    );
    let process = run.report.process(run.truth.pid()).expect("it is named");
    assert!(process.0["first_touch"].is_null());
    let pages: u64 = process.vector("/alloc/pages").unwrap().iter().sum();
    assert!(
        pages >= 1024,
        "allocations are counted all the same: {pages}"
    );
    assert!(process.vector("/run_ns").is_some());
}

#[test]
fn without_the_allocation_hook_the_rest_is_measured_and_the_text_says_so() {
    let output = numatrace_tests::harness::running::Running::start(
        std::process::Command::new(numatrace_tests::harness::programs::numatrace().unwrap())
            .args(["trace", "-d", "1", "--full", "--hooks", "-page_alloc"]),
    )
    .unwrap()
    .finish(numatrace_tests::harness::tracer::DEADLINE)
    .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        output
            .stdout
            .contains("Left out on request, so not measured: page_alloc"),
        "{}",
        output.stdout
    );
    assert!(
        !output.stdout.contains("Read this first"),
        "{}",
        output.stdout
    );
}
