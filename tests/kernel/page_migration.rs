//! Pages that changed their node: how many, from where to where, why and whose.

use numatrace_tests::counters;
use numatrace_tests::harness::tracer::Traced;
use numatrace_tests::{or_skip, tracer};

use crate::machine::at;
use crate::two_nodes_or_skip;

const PAGES: u64 = 512;

fn owner_has_all(run: &Traced, a: u32, b: u32) {
    let owner = run
        .report
        .process(run.truth.count("owner_pid").unwrap())
        .expect("the owner is in the report");
    let matrix = owner
        .matrix("/page_migrations/matrix")
        .expect("page_migrations");
    // The balancer may move a page of the program itself meanwhile.
    let balanced = owner
        .count("/page_migrations/by_reason/numa_misplaced")
        .unwrap_or(0);
    assert!(matrix[at(a)][at(b)] >= PAGES, "{matrix:?}");
    assert_eq!(
        matrix.iter().flatten().sum::<u64>(),
        PAGES + balanced,
        "{matrix:?}"
    );
    assert_eq!(
        owner.count("/page_migrations/by_reason/syscall"),
        Some(PAGES)
    );
    assert_eq!(owner.count("/page_migrations/failed"), Some(0));
    assert_eq!(run.report.count("/coverage/records_lost"), Some(0));
}

#[test]
fn pages_moved_by_their_owner_are_its_own_by_syscall() {
    let (a, b) = two_nodes_or_skip!();
    let before = counters::vmstat().unwrap();
    let run = or_skip!(tracer!().launch(&[
        "move-pages",
        "--pages",
        &PAGES.to_string(),
        "--from",
        &a.to_string(),
        "--to",
        &b.to_string()
    ]));
    let migrated = counters::growth(&before, &counters::vmstat().unwrap())["pgmigrate_success"];
    owner_has_all(&run, a, b);
    assert!(migrated >= PAGES);
}

#[test]
fn pages_moved_by_another_process_belong_to_their_owner() {
    let (a, b) = two_nodes_or_skip!();
    let args = [
        "move-pages",
        "--pages",
        &PAGES.to_string(),
        "--from",
        &a.to_string(),
        "--to",
        &b.to_string(),
        "--other-process",
    ];
    let run = or_skip!(tracer!().launch(&args));
    owner_has_all(&run, a, b);
}
