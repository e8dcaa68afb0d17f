//! `trace -i`: every interval is a session of its own, and together the intervals are one session.

use numatrace_tests::harness::report::Report;
use numatrace_tests::tracer;

use crate::support::closed::closed;
use crate::two_nodes_or_skip;

/// Returns the sum over intervals of an array per node of one process.
fn over_intervals(reports: &[Report], pid: u64, pointer: &str) -> u64 {
    let processes = reports.iter().filter_map(|report| report.process(pid));
    processes
        .filter_map(|process| process.vector(pointer))
        .flatten()
        .sum()
}

#[test]
fn every_interval_is_audited_and_together_they_are_the_session() {
    let (a, b) = two_nodes_or_skip!();
    let bound = format!("bind --node {b} --pages 40000 --cpu-node {a}");
    let touched = format!("touch --mib 64 --rounds 12 --cpu-node {a}");
    let (reports, truths) = tracer!()
        .intervals("1", &[&bound, &touched, "fork-storm --count 400"])
        .unwrap();
    assert!(reports.len() >= 3, "{} intervals only", reports.len());
    for (number, report) in (0u64..).zip(&reports) {
        closed(report);
        assert_eq!(report.count("/session/interval"), Some(number));
    }
    // A workload that lies across a boundary is in both intervals, each part once.
    let remote = over_intervals(&reports, truths[0].pid(), "/alloc/other_node");
    let misses: u64 = reports.iter().map(Report::recursion_misses).sum();
    assert!(
        (40_000 - misses..40_100).contains(&remote),
        "{remote} of 40000 bound pages, {misses} skipped"
    );
    let pages = over_intervals(&reports, truths[1].pid(), "/alloc/pages");
    let expected = truths[1]
        .count("touched_pages")
        .or(truths[1].count("pages"));
    assert!(
        pages + misses * 512 >= expected.unwrap(),
        "{pages} of {expected:?}"
    );
    // All intervals but the last have the length that was asked for; a busy guest may be late,
    // never early.
    for report in &reports[..reports.len() - 1] {
        let seconds = report.value["session"]["duration_s"].as_f64().unwrap();
        assert!(seconds > 0.5, "an interval of {seconds} s");
        assert!(report.value["session"]["ended_by"].is_null());
    }
    let last = reports.last().unwrap();
    assert_eq!(last.value["session"]["ended_by"], "signal");
}

#[test]
fn who_did_nothing_in_an_interval_is_not_in_it() {
    let (a, b) = two_nodes_or_skip!();
    let bound = format!("bind --node {b} --pages 2000 --cpu-node {a}");
    let storm = "fork-storm --count 1500";
    let (reports, truths) = tracer!()
        .intervals("500ms", &[&bound, storm, storm])
        .unwrap();
    let with = |pid: u64| {
        let listed = reports
            .iter()
            .filter(|report| report.process(pid).is_some());
        listed.count()
    };
    // A start and an end can each fall into an interval of their own.
    let entries = with(truths[0].pid());
    assert!(
        (1..=2).contains(&entries),
        "{entries} of {} intervals",
        reports.len()
    );
    let children = truths[1].0["child_pids"].as_array().unwrap();
    assert_eq!(children.len(), 1500);
    let seen: usize = children
        .iter()
        .filter_map(serde_json::Value::as_u64)
        .map(with)
        .sum();
    assert!(
        (children.len() * 9 / 10..=children.len() * 11 / 10).contains(&seen),
        "{seen} entries of {} children in {} intervals",
        children.len(),
        reports.len()
    );
}
