//! Size and use of allocations, and the mode of the policy that placed them, by process.

use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::tracer::Traced;
use numatrace_tests::{or_skip, tracer};

use crate::two_nodes_or_skip;

fn workload(run: &Traced) -> Part<'_> {
    run.report
        .process(run.truth.pid())
        .expect("the workload is in the report")
}

fn class(run: &Traced, class: &str) -> (u64, u64) {
    let of = |unit: &str| workload(run).count(&format!("/alloc/by_class/{class}/{unit}"));
    (of("allocations").unwrap(), of("pages").unwrap())
}

#[test]
fn huge_pages_are_a_class_of_their_own() {
    let (a, b) = two_nodes_or_skip!();
    let args = format!("thp --node {b} --count 8 --cpu-node {a}");
    let args: Vec<&str> = args.split(' ').collect();
    let run = or_skip!(tracer!().launch(&args));
    let missed = run.report.recursion_misses();
    let (allocations, pages) = class(&run, "thp");
    assert!(
        allocations <= 8 && allocations + missed >= 8 && pages == allocations * 512,
        "{allocations} allocations of {pages} pages, {missed} skipped"
    );
}

#[test]
fn filling_the_hugetlb_pool_is_told_from_huge_pages_of_a_process() {
    let (a, b) = two_nodes_or_skip!();
    let args = format!("hugetlb --node {b} --count 4 --cpu-node {a}");
    let args: Vec<&str> = args.split(' ').collect();
    let run = or_skip!(tracer!().launch(&args));
    let missed = run.report.recursion_misses();
    let (allocations, pages) = class(&run, "hugetlb");
    assert!(
        allocations <= 4 && allocations + missed >= 4 && pages == allocations * 512,
        "{}",
        workload(&run).0["alloc"]["by_class"]
    );
    assert_eq!(class(&run, "thp"), (0, 0));
}

#[test]
fn base_pages_page_tables_and_the_kernels_own_are_told_apart() {
    let (a, b) = two_nodes_or_skip!();
    let args = format!("bind --node {b} --pages 4096 --cpu-node {a}");
    let args: Vec<&str> = args.split(' ').collect();
    let run = or_skip!(tracer!().launch(&args));
    let missed = run.report.recursion_misses();
    let (user, pages) = class(&run, "user_4k");
    assert!(
        (4096 - missed.min(4096)..4096 + 200).contains(&user) && user == pages,
        "{user} allocations of {pages} pages"
    );
    // Its program and its result are user pages too. 4096 pages take 8 tables of 512 entries, a program's own mappings some more.
    let (tables, _) = class(&run, "page_table");
    assert!(
        (8 - missed.min(8)..60).contains(&tables),
        "{tables} page tables"
    );
}

#[test]
fn the_mode_of_a_policy_stands_beside_it() {
    let (a, b) = two_nodes_or_skip!();
    for (workload_args, mode, at_least) in [
        (
            format!("bind --node {b} --pages 1000 --cpu-node {a}"),
            "bind",
            1000,
        ),
        (
            format!("interleave --pages 1000 --nodes {a},{b} --cpu-node {a}"),
            "interleave",
            500,
        ),
        (
            format!("interleave --weighted --pages 1000 --nodes {a},{b} --cpu-node {a}"),
            "weighted_interleave",
            1,
        ),
        (
            format!("preferred-many --pages 1000 --nodes {b} --cpu-node {a}"),
            "preferred_many",
            1000,
        ),
    ] {
        let args: Vec<&str> = workload_args.split(' ').collect();
        let run = match tracer!().launch(&args).unwrap() {
            numatrace_tests::harness::tracer::Outcome::Done(run) => *run,
            numatrace_tests::harness::tracer::Outcome::Unsupported(why) => {
                numatrace_tests::harness::left_out(mode, &why);
                continue;
            }
        };
        let missed = run.report.recursion_misses();
        let modes = &workload(&run).0["alloc"]["policy_by_mode"];
        let found = modes[mode].as_u64().unwrap_or(0);
        assert!(
            found + missed >= at_least,
            "{mode}: {modes}, {missed} skipped"
        );
    }
}
