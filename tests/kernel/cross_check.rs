//! The audit's second opinions: `/proc/vmstat` compared with the trace, and numastat's own
//! equations.

use numatrace_tests::harness::report::Report;
use numatrace_tests::tracer;

use crate::two_nodes_or_skip;

/// Returns the kernel's delta and the residual of one row.
fn row(report: &Report, what: &str) -> (u64, i64) {
    let rows = report.value["audit"]["beside"].as_array().unwrap();
    let row = rows.iter().find(|row| row["what"] == what);
    let row = row.unwrap_or_else(|| panic!("no {what} in {rows:?}"));
    (
        row["kernel"].as_u64().unwrap(),
        row["residual"].as_i64().unwrap_or_else(|| panic!("{row}")),
    )
}

#[test]
fn vmstat_says_the_same_and_numastats_equations_hold() {
    let (a, b) = two_nodes_or_skip!();
    let (report, _) = tracer!()
        .system_wide_all(&[
            format!("touch --mib 64 --rounds 4 --cpu-node {a}"),
            format!("thp --node {b} --count 20 --cpu-node {a}"),
            "fork-storm --count 200".to_owned(),
            format!("move-pages --pages 4000 --from {a} --to {b}"),
            format!("exhaust --node {a} --pages 2000"),
        ])
        .unwrap();

    let (kernel, residual) = row(&report, "pages");
    assert!(kernel > 70_000, "{kernel}");
    // Skipped executions and allocations in flight: base pages mostly, and at most a thousandth.
    let missed = report.recursion_misses();
    assert!(
        residual.unsigned_abs() <= missed * 16 + kernel / 1000,
        "{residual} of {kernel}, {missed} skipped"
    );

    let (kernel, residual) = row(&report, "page_migrations");
    assert!(kernel >= 4000, "{kernel}");
    // Kernels that preempt tracing programs skip some executions here too; these are not among the
    // allocation programs' misses.
    assert!(
        residual.unsigned_abs() * 100 <= kernel,
        "{residual} of {kernel}"
    );

    let equations = &report.value["audit"]["equations"];
    let left = |side: &str| -> Vec<i64> {
        let by_node = equations[side]["by_node"].as_array().unwrap();
        assert_eq!(by_node.len(), report.nodes().len());
        let misses = &equations[side]["misses"];
        let all = by_node.iter().chain(std::iter::once(misses));
        all.map(|left| left.as_i64().unwrap()).collect()
    };
    assert!(left("traced").iter().all(|left| *left == 0), "{equations}");
    assert!(
        left("kernel").iter().all(|left| left.abs() <= 8),
        "{equations}"
    );
}
