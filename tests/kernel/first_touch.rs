//! First touches: the thread, the nodes of page and CPU, and the kind of memory.

use std::path::PathBuf;

use numatrace_tests::harness::tracer::Traced;
use numatrace_tests::{or_skip, tracer};

use crate::support::compare::{
    Overhead, child_has, is_expected_with_overhead, matrix_has, within_a_hundredth,
};
use crate::support::machine::at;
use crate::two_nodes_or_skip;

/// Compares a run's matrix with its ground truth, and the pages of one kind with the expected
/// number.
fn matches_truth(run: &Traced, kind: &str, expected: u64) {
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let matrix = run.truth.matrix("first_touch").unwrap();
    matrix_has(kind, process, "/first_touch/pages", &matrix);
    let traced = process
        .count(&format!("/first_touch/by_kind/{kind}"))
        .unwrap_or_else(|| panic!("no by_kind.{kind}"));
    is_expected_with_overhead(kind, traced, expected, Overhead::measured().kind(kind));
    let sum: u64 = process
        .matrix("/first_touch/pages")
        .unwrap()
        .iter()
        .flatten()
        .sum();
    let kinds: u64 = process.0["first_touch"]["by_kind"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert_eq!(sum, kinds, "kinds are a partition");
}

fn args(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Returns a file name on a file system that has a page cache of its own.
pub fn data_file(name: &str) -> PathBuf {
    let data = PathBuf::from("/data");
    let folder = if data.is_dir() {
        data
    } else {
        std::env::temp_dir()
    };
    folder.join(format!("{name}-{}", std::process::id()))
}

macro_rules! launched {
    ($command:expr) => {{
        let words = args($command.as_ref());
        or_skip!(tracer!().launch(&words.iter().map(String::as_str).collect::<Vec<_>>()))
    }};
}

#[test]
fn interleaved_pages_are_touched_half_and_half() {
    let (a, b) = two_nodes_or_skip!();
    let run = launched!(format!(
        "interleave --pages 1000 --nodes {a},{b} --cpu-node {a}"
    ));
    matches_truth(&run, "anon", 1000);
}

#[test]
fn bound_pages_are_touched_from_afar() {
    let (a, b) = two_nodes_or_skip!();
    let run = launched!(format!("bind --node {b} --pages 2000 --cpu-node {a}"));
    matches_truth(&run, "anon", 2000);
}

#[test]
fn huge_pages_are_touched_once_and_count_as_base_pages() {
    let (a, b) = two_nodes_or_skip!();
    let run = launched!(format!("thp --node {b} --count 8 --cpu-node {a}"));
    matches_truth(&run, "anon", 8 * 512);
    let process = run.report.process(run.truth.pid()).unwrap();
    assert_eq!(process.count("/first_touch/marks/thp"), Some(8 * 512));
}

#[test]
fn pages_of_the_pool_are_touched_though_nothing_is_allocated() {
    let (a, b) = two_nodes_or_skip!();
    let run = launched!(format!("hugetlb --node {b} --count 4 --cpu-node {a}"));
    matches_truth(&run, "hugetlb", 4 * 512);
}

#[test]
fn the_heap_is_heap() {
    let (a, _) = two_nodes_or_skip!();
    matches_truth(
        &launched!(format!("heap --pages 800 --cpu-node {a}")),
        "heap",
        800,
    );
}

#[test]
fn the_stack_is_stack() {
    let (a, _) = two_nodes_or_skip!();
    let run = launched!(format!("stack --pages 800 --cpu-node {a}"));
    let expected = run.truth.count("pages").unwrap();
    matches_truth(&run, "stack", expected);
}

#[test]
fn a_mapped_file_is_file() {
    let (a, b) = two_nodes_or_skip!();
    let path = data_file("mapped");
    let run = launched!(format!(
        "file --path {} --pages 2000 --mmap --write-node {a} --cpu-node {b}",
        path.display()
    ));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let read = process.matrix("/first_touch/pages").unwrap()[at(b)][at(b)];
    let overhead = Overhead::measured();
    within_a_hundredth("file pages read", read, 2000, overhead.whole());
    let file = process.count("/first_touch/by_kind/file").unwrap();
    is_expected_with_overhead("file", file, 2000, overhead.kind("file"));
}

#[test]
fn copied_pages_are_the_childs_and_marked() {
    let (a, b) = two_nodes_or_skip!();
    let run = launched!(format!("cow --node {a} --child-node {b} --pages 1000"));
    let parent = run
        .report
        .process(run.truth.pid())
        .expect("the parent is in the report");
    within_a_hundredth(
        "the parent's pages",
        parent.matrix("/first_touch/pages").unwrap()[at(a)][at(a)],
        1000,
        Overhead::measured().whole(),
    );
    let (pid, _) = run.truth.members()[0].clone();
    let child = run.report.process(pid).expect("the child is in the report");
    child_has("the child's copies", child, b, 1000);
    let marked = child.count("/first_touch/marks/cow").unwrap();
    is_expected_with_overhead("copies marked", marked, 1000, 0);
}

#[test]
fn shared_memory_belongs_to_whoever_touched_it_first() {
    let (a, b) = two_nodes_or_skip!();
    for kind in ["memfd", "sysv", "posix", "anon"] {
        let run = launched!(format!(
            "shmem --kind {kind} --pages 1000 --node {a} --other-node {b}"
        ));
        let (pid, _) = run.truth.members()[0].clone();
        for (pid, node) in [(run.truth.pid(), a), (pid, b)] {
            let process = run.report.process(pid).expect("both are in the report");
            let touched = process.count("/first_touch/by_kind/shmem").unwrap();
            is_expected_with_overhead(&format!("{kind}: shmem of {pid}"), touched, 500, 0);
            if pid != run.truth.pid() {
                child_has(&format!("{kind}: pages of the child"), process, node, 500);
            }
        }
    }
}

#[test]
fn each_thread_has_what_it_touched() {
    let run = launched!("spawn-tree --pages 500 --threads 2 --children 0");
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let tids = run.truth.vector("tids").unwrap();
    assert_eq!(tids.len(), 3, "the main thread and two more");
    for tid in tids {
        let thread = process
            .thread(tid)
            .unwrap_or_else(|| panic!("thread {tid} is in the report"));
        let pages: u64 = thread
            .matrix("/first_touch/pages")
            .unwrap()
            .iter()
            .flatten()
            .sum();
        // The main thread began as the whole process.
        let overhead = if tid == run.truth.pid() {
            Overhead::measured().whole()
        } else {
            0
        };
        is_expected_with_overhead(&format!("thread {tid}"), pages, 500, overhead);
    }
}
