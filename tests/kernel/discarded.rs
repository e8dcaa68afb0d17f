//! Pages that a fault allocates and does not map are allocations and no first touches.

use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::tracer::Traced;
use numatrace_tests::{or_skip, tracer};
use serde_json::Value;

use super::first_touch::data_file;
use crate::support::closed::closed;
use crate::support::compare::{Overhead, is_expected_with_overhead};
use crate::two_nodes_or_skip;

fn touched(run: &Traced, kind: &str) -> u64 {
    let process = run.report.process(run.truth.pid());
    let kind = format!("/first_touch/by_kind/{kind}");
    process.expect("the workload").count(&kind).unwrap()
}

/// Asserts that the pages of one kind are those of the truth, in the process and its mappings.
fn as_in_truth(run: &Traced, kind: &str) {
    let pages = run.truth.count("pages").unwrap();
    let overhead = Overhead::measured().kind(kind);
    is_expected_with_overhead(kind, touched(run, kind), pages, overhead);
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let address = |text: &Value| u64::from_str_radix(&text.as_str().unwrap()[2..], 16).unwrap();
    let start = address(&run.truth.0["spans"][0]["start"]);
    let mappings = process.0["mappings"].as_array().unwrap();
    let here = mappings.iter().filter(|mapping| {
        let range = address(&mapping["start"])..address(&mapping["end"]);
        range.contains(&start)
    });
    let touched: u64 = here
        .filter_map(|mapping| Part(mapping).matrix("/first_touch/pages"))
        .flat_map(|matrix| matrix.into_iter().flatten())
        .sum();
    // The kernel joins the region with other anonymous memory beside it, and a thread that changes
    // its CPU in a fault leaves its run behind.
    let late = "first touches taken back too late for their mapping";
    let late = run.report.value["coverage"]["uncertain"][late].as_u64();
    let most = pages + 300 + late.unwrap_or(0) * 512;
    assert!(
        (pages..=most).contains(&touched),
        "{touched} of {pages}, {late:?}"
    );
    assert!(late.unwrap_or(0) * 20 <= pages, "{late:?}");
}

#[test]
fn huge_pages_over_a_memory_limit_are_touched_as_the_small_pages_that_came() {
    let (a, _) = two_nodes_or_skip!();
    let a = a.to_string();
    let args = [
        "discard",
        "--how",
        "limit",
        "--count",
        "64",
        "--cpu-node",
        &a,
    ];
    let run = or_skip!(tracer!().launch(&args));
    as_in_truth(&run, "anon");
    let process = run.report.process(run.truth.pid()).unwrap();
    assert_eq!(process.count("/first_touch/marks/thp"), Some(0));
    // Each of them was allocated nevertheless.
    let pages: u64 = process.count("/alloc/by_class/thp/allocations").unwrap();
    assert!(pages >= 64, "{pages}");
}

#[test]
fn memory_that_reclaim_takes_in_a_fault_is_no_first_touch() {
    let (a, _) = two_nodes_or_skip!();
    let a = a.to_string();
    let args = [
        "discard",
        "--how",
        "swap",
        "--count",
        "8192",
        "--cpu-node",
        &a,
    ];
    let run = or_skip!(tracer!().launch(&args));
    as_in_truth(&run, "anon");
    // The kernel allocated compressed memory in these faults, about a page for each page.
    let process = run.report.process(run.truth.pid()).unwrap();
    let allocated: u64 = process.vector("/alloc/pages").unwrap().iter().sum();
    let swapped = run.truth.count("swapped").unwrap();
    let least = run.truth.count("pages").unwrap() + swapped / 2;
    assert!(allocated >= least, "{allocated} of {least}");
    closed(&run.report);
}

#[test]
fn a_huge_page_that_two_threads_want_is_touched_once() {
    let (a, b) = two_nodes_or_skip!();
    let (a, b) = (a.to_string(), b.to_string());
    let args = [
        "discard",
        "--how",
        "race",
        "--count",
        "48",
        "--cpu-node",
        &a,
        "--other-node",
        &b,
    ];
    let run = or_skip!(tracer!().launch(&args));
    let pages = run.truth.count("pages").unwrap();
    is_expected_with_overhead(
        "anon",
        touched(&run, "anon"),
        pages,
        Overhead::measured().kind("anon"),
    );
    let process = run.report.process(run.truth.pid()).unwrap();
    assert_eq!(process.count("/first_touch/marks/thp"), Some(pages));
}

#[test]
fn copies_of_a_file_that_is_not_cached_are_copies_and_its_pages_are_of_the_file() {
    let (a, _) = two_nodes_or_skip!();
    let (path, a) = (data_file("copied").display().to_string(), a.to_string());
    let args = [
        "discard",
        "--how",
        "retry",
        "--count",
        "2000",
        "--cpu-node",
        &a,
        "--path",
        &path,
    ];
    let run = or_skip!(tracer!().launch(&args));
    as_in_truth(&run, "anon");
    let overhead = Overhead::measured().kind("file");
    is_expected_with_overhead("file", touched(&run, "file"), 2000, overhead);
}

#[test]
fn huge_pages_by_which_the_pool_grows_are_touched_once_and_are_no_page_cache() {
    let (a, _) = two_nodes_or_skip!();
    let a = a.to_string();
    for shared in [false, true] {
        let mut args = vec!["surplus", "--count", "8", "--cpu-node", &a];
        args.extend(shared.then_some("--shared"));
        let run = or_skip!(tracer!().launch(&args));
        as_in_truth(&run, "hugetlb");
        let process = run.report.process(run.truth.pid()).unwrap();
        assert_eq!(process.count("/first_touch/marks/thp"), Some(0));
        let cached = process.0["page_cache"].as_array().unwrap();
        let huge: Vec<_> = cached
            .iter()
            .filter(|file| file.to_string().contains("hugepage"))
            .collect();
        assert!(huge.is_empty(), "{huge:#?}");
    }
}

#[test]
fn memory_that_system_calls_bring_into_a_memfd_is_a_fill_of_that_file() {
    let (a, _) = two_nodes_or_skip!();
    let a = a.to_string();
    let run = or_skip!(tracer!().launch(&["fill", "--pages", "8192", "--cpu-node", &a]));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let files = process.0["page_cache"].as_array().unwrap();
    let filled: u64 = files.iter().filter_map(|file| file["by_io"].as_u64()).sum();
    assert!((8192..8192 + 64).contains(&filled), "{files:#?}");
    let largest = files.iter().max_by_key(|file| file["by_io"].as_u64());
    let pages = Part(largest.unwrap()).matrix("/pages").unwrap();
    assert_eq!(pages, run.truth.matrix("first_touch").unwrap());
}
