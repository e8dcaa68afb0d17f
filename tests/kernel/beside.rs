//! The audit's second opinions: `/proc/vmstat` beside what was traced, and numastat's own equations.

use numatrace_tests::harness::report::Report;
use numatrace_tests::{or_skip, tracer};
use serde_json::Value;

use crate::two_nodes_or_skip;

/// One row: the kernel's delta and the residual.
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
fn pages_are_those_of_pgalloc_huge_ones_included() {
    let (a, b) = two_nodes_or_skip!();
    let (report, _) = tracer!()
        .system_wide_all(&[
            format!("touch --mib 64 --rounds 4 --cpu-node {a}"),
            format!("thp --node {b} --count 20 --cpu-node {a}"),
            "fork-storm --count 300".to_owned(),
        ])
        .unwrap();
    let (kernel, residual) = row(&report, "pages");
    assert!(kernel > 70_000 && kernel < 1_000_000, "{kernel}");
    // What the kernel skipped, and what was in flight: base pages mostly, and a thousandth at the very most.
    let missed = report.recursion_misses();
    assert!(
        residual.unsigned_abs() <= missed * 16 + kernel / 1000,
        "{residual} of {kernel}, {missed} skipped"
    );
}

#[test]
fn pages_moved_are_those_of_pgmigrate_success() {
    let (a, b) = two_nodes_or_skip!();
    let args = format!("move-pages --pages 4000 --from {a} --to {b}");
    let args: Vec<&str> = args.split(' ').collect();
    let run = or_skip!(tracer!().system_wide(&args));
    let (kernel, residual) = row(&run.report, "page_migrations");
    assert!(kernel >= 4000, "{kernel}");
    // Tracing programs that the kernel preempts can be skipped here too; they are not among the allocation programs' misses.
    assert!(
        residual.unsigned_abs() * 100 <= kernel,
        "{residual} of {kernel}"
    );
}

#[test]
fn the_kernels_equations_hold_but_for_a_few_and_ours_always() {
    let (a, _) = two_nodes_or_skip!();
    let exhaust = ["exhaust", "--node", &a.to_string(), "--pages", "2000"];
    let run = or_skip!(tracer!().system_wide(&exhaust));
    let equations = &run.report.value["audit"]["equations"];
    let left = |side: &str| -> Vec<i64> {
        let by_node = equations[side]["by_node"].as_array().unwrap();
        let misses = &equations[side]["misses"];
        let all = by_node.iter().chain(std::iter::once(misses));
        all.map(|left| left.as_i64().unwrap()).collect()
    };
    assert!(left("traced").iter().all(|left| *left == 0), "{equations}");
    assert!(
        left("kernel").iter().all(|left| left.abs() <= 8),
        "{equations}"
    );
    assert!(
        run.report.value["audit"]["nodes"].as_array().map(Vec::len)
            == equations["kernel"]["by_node"].as_array().map(Vec::len)
    );
    assert_ne!(equations["kernel"], Value::Null);
}
