//! Incidents: a thread that was sent away from its memory and back, and the report's account of it.

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::skipped;
use numatrace_tests::{or_skip, test_name, tracer};

use crate::two_nodes_or_skip;

/// Asserts that `a` is `b`, give or take a twentieth.
fn near(what: &str, a: u64, b: u64) {
    assert!(a.abs_diff(b) <= b / 20, "{what}: {a}, expected {b}");
}

/// Asserts that the report says that the process left its memory, or, where a bind is the cause,
/// that it was bound too late.
fn ran_away(report: &Report, pid: u64) {
    let findings = report.value["findings"].as_array().unwrap();
    let is_it = |finding: &serde_json::Value| {
        let ids = ["ran-away-from-memory", "touched-before-bind"];
        ids.iter().any(|id| finding["id"] == *id) && finding["pid"] == pid
    };
    assert!(findings.iter().any(is_it), "{findings:#?}");
}

#[test]
fn an_absence_is_told_with_its_memory_and_what_followed() {
    let (a, b) = two_nodes_or_skip!();
    let (from, to) = (a.to_string(), b.to_string());
    let run = or_skip!(tracer!().launch(&[
        "away",
        "--mib",
        "24",
        "--follow-mib",
        "8",
        "--node",
        &from,
        "--to",
        &to,
        "--ms",
        "2000"
    ]));
    let incidents = run.report.value["incidents"].as_array().unwrap();
    let pid = run.truth.pid();
    let incident = incidents
        .iter()
        .find(|incident| incident["pid"] == pid)
        .unwrap_or_else(|| panic!("no incident of {pid} in {incidents:#?}"));
    assert_eq!(incident["from"], a);
    assert_eq!(incident["to"], b);
    assert_eq!(incident["reason"], "affinity", "{incident:#}");
    assert_eq!(incident["back"], "affinity", "{incident:#}");
    let count = |field: &str| incident[field].as_u64().unwrap();
    near(
        "pages left",
        count("pages_left"),
        run.truth.count("pages").unwrap(),
    );
    near(
        "pages that followed",
        count("pages_followed"),
        run.truth.count("followed").unwrap(),
    );
    let away_ms = incident["away_ms"].as_f64().unwrap();
    let expected = run.truth.count("away_ms").unwrap();
    // From the pin to the pin back: a little more than the work between them.
    assert!(
        away_ms >= expected as f64 && away_ms <= expected as f64 * 1.5 + 500.0,
        "{away_ms} ms away, expected {expected}"
    );
    let process = run
        .report
        .process(pid)
        .expect("the workload is in the report");
    assert_eq!(process.0["home_node"], a);
    let away = process.count("/away_ns").unwrap() / 1_000_000;
    // The workload's start, before it pinned itself, may have been on that node too.
    assert!(
        away * 2 >= expected && away as f64 <= away_ms + 500.0,
        "{away} ms of CPU time away, {away_ms} by the clock"
    );
    ran_away(&run.report, pid);
}

#[test]
fn an_absence_tells_its_hinting_faults_and_what_the_balancer_moved() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let (from, to) = (a.to_string(), b.to_string());
    let run = or_skip!(tracer!().launch(&[
        "away",
        "--mib",
        "16",
        "--unbound",
        "--node",
        &from,
        "--to",
        &to,
        "--ms",
        "6000"
    ]));
    let pid = run.truth.pid();
    let incidents = run.report.value["incidents"].as_array().unwrap();
    let incident = incidents
        .iter()
        .find(|incident| incident["pid"] == pid && incident["from"] == a)
        .unwrap_or_else(|| panic!("no incident of {pid} in {incidents:#?}"));
    assert_eq!(incident["reason"], "affinity", "{incident:#}");
    // The costliest incident comes first, and this one is most of the session.
    assert_eq!(incidents[0], *incident);
    let count = |field: &str| {
        incident[field]
            .as_u64()
            .unwrap_or_else(|| panic!("{field}: {incident:#}"))
    };
    if run.report.hook_state("hint_fault") != Some("attached") {
        assert!(incident["remote_hint_faults"].is_null(), "{incident:#}");
        return;
    }
    let sampled = run.truth.count("numa_hint_faults").unwrap();
    let faults = count("remote_hint_faults");
    // The kernel's count also has the faults of other threads, and this thread's faults on memory
    // that had followed.
    assert!(
        faults > 0 && faults <= sampled,
        "{faults} of {sampled}: {incident:#}"
    );
    let run_ms = incident["run_ms"].as_f64().unwrap();
    let away_ms = incident["away_ms"].as_f64().unwrap();
    assert!(run_ms > 0.0 && run_ms <= away_ms * 1.01, "{incident:#}");
    // Counted by where the pages lay when the thread went back; a few of its other pages may have
    // followed too.
    let migrated = run.truth.count("followed").unwrap();
    near("pages that followed", count("pages_followed"), migrated);
    // The balancer moves page by page; the report has runs of them.
    let records = run.report.count("/coverage/records").unwrap();
    assert!(
        migrated < 1_000 || records < migrated / 4,
        "{records} records for {migrated} pages"
    );
}

#[test]
fn a_task_that_stays_has_no_story() {
    let (a, _) = two_nodes_or_skip!();
    let node = a.to_string();
    let run =
        or_skip!(tracer!().launch(&["touch", "--mib", "8", "--rounds", "4", "--cpu-node", &node]));
    let pid = run.truth.pid();
    let incidents = run.report.value["incidents"].as_array().unwrap();
    let found: Vec<_> = incidents
        .iter()
        .filter(|incident| incident["pid"] == pid && incident["reason"] == "affinity")
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    assert!(run.report.process(pid).is_some(), "it was traced");
}

#[test]
fn memory_of_before_the_session_is_left_behind_too_where_it_is_looked_at() {
    let (a, b) = two_nodes_or_skip!();
    let (from, to) = (a.to_string(), b.to_string());
    let run = or_skip!(tracer!().args(["--residency"]).attach(&[
        "away", "--early", "--mib", "24", "--node", &from, "--to", &to, "--ms", "3000"
    ]));
    let pid = run.truth.pid();
    let process = run.report.process(pid).expect("the workload");
    assert_eq!(process.0["home_node"], a, "{:#}", process.0["mappings"]);
    let incidents = run.report.value["incidents"].as_array().unwrap();
    let incident = incidents
        .iter()
        .find(|incident| incident["pid"] == pid && incident["from"] == a)
        .unwrap_or_else(|| panic!("no incident of {pid} in {incidents:#?}"));
    let pages = run.truth.count("pages").unwrap();
    near(
        "pages left",
        incident["pages_left"].as_u64().unwrap(),
        pages,
    );
    ran_away(&run.report, pid);
}
