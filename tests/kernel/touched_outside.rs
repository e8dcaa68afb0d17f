//! First touches that no allocation in a fault shows: copies by userfaultfd, and huge pages that
//! compaction hands to the fault that waits for them.

use numatrace_tests::{or_skip, tracer};

use crate::support::machine::at;
use crate::two_nodes_or_skip;

const PAGES: u64 = 4096;

#[test]
fn copies_of_userfaultfd_are_first_touches_of_the_thread_that_makes_them() {
    let (a, b) = two_nodes_or_skip!();
    let args = format!("copied --pages {PAGES} --cpu-node {a} --node {b}");
    let args: Vec<&str> = args.split(' ').collect();
    let run = or_skip!(tracer!().launch(&args));
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let pages = process.matrix("/first_touch/pages").unwrap();
    assert!(
        (PAGES..PAGES + 16).contains(&pages[at(a)][at(b)]),
        "{pages:?}"
    );
    let start = run.truth.0["spans"][0]["start"].as_str().unwrap();
    let of_region = process
        .mappings()
        .filter(|mapping| mapping.0["start"] == start)
        .filter_map(|mapping| mapping.matrix("/first_touch/pages"))
        .map(|pages| pages[at(a)][at(b)])
        .sum::<u64>();
    assert!((PAGES..PAGES + 16).contains(&of_region), "{of_region}");
}

#[test]
fn huge_pages_that_compaction_hands_out_are_touched_and_named_as_not_in_numastat() {
    let (a, _) = two_nodes_or_skip!();
    let args = format!("captured --node {a} --count 24");
    let args: Vec<&str> = args.split(' ').collect();
    let run = or_skip!(tracer!().launch(&args));
    let coverage = &run.report.value["coverage"];
    let captured = coverage["not_in_numastat"]["captured by compaction"].as_u64();
    let process = run.report.process(run.truth.pid()).expect("the workload");
    let huge = run.truth.count("huge_pages").unwrap();
    let compactions = run.truth.count("compactions").unwrap();
    assert!(compactions > 0, "nothing was compacted: {huge} huge pages");
    let captured = captured.unwrap_or_else(|| panic!("{compactions} compactions: {coverage}"));
    assert!(captured >= 512, "{captured} pages");
    // Those that were touched are those that are mapped, however they came.
    assert_eq!(
        process.count("/first_touch/marks/thp"),
        Some(huge * 512),
        "{captured} captured pages"
    );
    // numastat has the others only.
    assert_eq!(run.report.value["audit"]["verdict"], "exact");
    let allocated: u64 = process.count("/alloc/by_class/thp/allocations").unwrap();
    assert!(
        allocated < huge && allocated + captured / 512 >= huge,
        "{allocated} allocated, {captured} pages captured, {huge} mapped"
    );
}
