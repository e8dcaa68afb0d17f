//! A storm of short processes with every hook in place: no record is lost uncounted, and the sums
//! are whole.

use numatrace_tests::harness::report::{Part, Report};
use numatrace_tests::{or_skip, tracer};

/// Returns the sum over processes of a count, and the system's count.
fn whole(report: &Report, process: &str, system: &str) -> (u64, Option<u64>) {
    let parts = report.processes().filter_map(|p| p.count(process)).sum();
    (parts, report.count(system))
}

#[test]
fn five_thousand_short_processes_lose_no_record_and_no_stem_its_sum() {
    // Each keeps an entry of its own.
    let tracer = tracer!().args(["--keep-processes", "10000"]);
    let run = or_skip!(tracer.system_wide(&["fork-storm", "--count", "5000"]));
    let report = &run.report;
    let lost = report.count("/coverage/records_lost").unwrap();
    let by_kind: u64 = report.value["coverage"]["lost_by_kind"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert_eq!(lost, by_kind, "{}", report.value["coverage"]);
    // At default settings the ring holds far more than a storm writes between two drains.
    assert_eq!(lost, 0, "{}", report.value["coverage"]);
    for stem in ["task_moves/total", "task_moves/cross_node"] {
        let (parts, system) = whole(report, &format!("/{stem}"), &format!("/system/{stem}"));
        assert_eq!(Some(parts), system, "{stem}");
    }
    for (part, of) in [
        ("/first_touch/pages", "/system/first_touch/pages"),
        ("/task_moves/matrix", "/system/task_moves/matrix"),
        ("/hint_faults/matrix", "/system/hint_faults/matrix"),
    ] {
        let system = Part(&report.value).matrix(of);
        assert_eq!(report.matrix_sum(part), system, "{part}");
    }
    if let Some(touched) = report.matrix_sum("/first_touch/pages") {
        let pages: u64 = touched.iter().flatten().sum();
        assert!(pages >= 5000, "{pages} first touches by 5,000 children");
    }
    let system = Part(&report.value).vector("/system/run_ns");
    assert_eq!(report.sum("/run_ns"), system);
    assert_ne!(report.value["audit"]["verdict"], "failed");
    let moved = report.count("/system/task_moves/total").unwrap();
    assert!(moved > 0, "5,000 children and not one changed its CPU");
}
