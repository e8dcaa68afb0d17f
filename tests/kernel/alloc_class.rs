//! Size and use of allocations, and the mode of the policy that placed them, by process.

use numatrace_tests::harness::report::{Part, Report};
use numatrace_tests::harness::truth::Truth;
use numatrace_tests::tracer;

use crate::two_nodes_or_skip;

/// Returns the report's entry of the workload of that name; `None` when this machine cannot run it.
fn of<'a>(report: &'a Report, truths: &[Truth], workload: &str) -> Option<Part<'a>> {
    let truth = truths
        .iter()
        .find(|truth| truth.0["workload"] == workload)?;
    let process = report.process(truth.pid());
    Some(process.expect("a workload is in the report"))
}

/// Returns the allocations and pages of a class.
fn class(process: Part<'_>, class: &str) -> (u64, u64) {
    let of = |unit: &str| process.count(&format!("/alloc/by_class/{class}/{unit}"));
    (of("allocations").unwrap(), of("pages").unwrap())
}

#[test]
fn huge_pages_of_both_kinds_base_pages_page_tables_and_the_kernels_own_are_told_apart() {
    let (a, b) = two_nodes_or_skip!();
    let (report, truths) = tracer!()
        .system_wide_all(&[
            format!("thp --node {b} --count 8 --cpu-node {a}"),
            format!("hugetlb --node {b} --count 4 --cpu-node {a}"),
            format!("bind --node {b} --pages 4096 --cpu-node {a}"),
        ])
        .unwrap();
    let missed = report.recursion_misses();
    for (workload, own, other, count) in [
        ("thp", "thp", "hugetlb", 8),
        ("hugetlb", "hugetlb", "thp", 4),
    ] {
        let Some(process) = of(&report, &truths, workload) else {
            continue;
        };
        let (allocations, pages) = class(process, own);
        assert!(
            allocations <= count && allocations + missed >= count && pages == allocations * 512,
            "{workload}: {}, {missed} skipped",
            process.0["alloc"]["by_class"]
        );
        assert_eq!(class(process, other), (0, 0), "{workload}");
    }
    let bind = of(&report, &truths, "bind").expect("every machine can bind");
    let (user, pages) = class(bind, "user_4k");
    // The program of the workload and its output take user pages too.
    assert!(
        (4096 - missed.min(4096)..4096 + 200).contains(&user) && user == pages,
        "{user} allocations of {pages} pages"
    );
    // 4096 pages take 8 tables of 512 entries; the program's other mappings take some more.
    let (tables, _) = class(bind, "page_table");
    assert!(
        (8 - missed.min(8)..60).contains(&tables),
        "{tables} page tables"
    );
}

#[test]
fn the_mode_of_a_policy_stands_beside_it() {
    let (a, b) = two_nodes_or_skip!();
    let (report, truths) = tracer!()
        .system_wide_all(&[
            format!("bind --node {b} --pages 1000 --cpu-node {a}"),
            format!("interleave --pages 1000 --nodes {a},{b} --cpu-node {a}"),
            format!("preferred-many --pages 1000 --nodes {b} --cpu-node {a}"),
        ])
        .unwrap();
    let missed = report.recursion_misses();
    for (workload, mode, at_least) in [
        ("bind", "bind", 1000),
        ("interleave", "interleave", 500),
        ("preferred-many", "preferred_many", 1000),
    ] {
        let Some(process) = of(&report, &truths, workload) else {
            continue;
        };
        let modes = &process.0["alloc"]["policy_by_mode"];
        let found = modes[mode].as_u64().unwrap_or(0);
        assert!(
            found + missed >= at_least,
            "{workload}: {modes}, {missed} skipped"
        );
    }
}
