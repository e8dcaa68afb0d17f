//! Pages that changed their node: their number, nodes, reason and owner.

use numatrace_tests::counters;
use numatrace_tests::harness::report::Part;
use numatrace_tests::harness::tracer::Traced;
use numatrace_tests::{or_skip, tracer};

use crate::support::machine::at;
use crate::two_nodes_or_skip;

const PAGES: u64 = 512;

/// The words of a `move-pages` run, with more words behind them.
fn move_pages(a: u32, b: u32, more: &[&str]) -> Vec<String> {
    let mut words = vec![
        "move-pages".to_owned(),
        "--pages".to_owned(),
        PAGES.to_string(),
        "--from".to_owned(),
        a.to_string(),
        "--to".to_owned(),
        b.to_string(),
    ];
    words.extend(more.iter().map(|&word| word.to_owned()));
    words
}

fn words(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// Asserts that `pages` of the process went from `a` to `b` by system call, and nothing else but
/// the balancer's share.
fn has_all(run: &Traced, owner: Part<'_>, a: u32, b: u32, pages: u64) {
    let matrix = owner
        .matrix("/page_migrations/matrix")
        .expect("page_migrations");
    // The balancer may move a page of the program itself meanwhile.
    let balanced = owner
        .count("/page_migrations/by_reason/numa_misplaced")
        .unwrap_or(0);
    assert!(matrix[at(a)][at(b)] >= pages, "{matrix:?}");
    assert_eq!(
        matrix.iter().flatten().sum::<u64>(),
        pages + balanced,
        "{matrix:?}"
    );
    assert_eq!(
        owner.count("/page_migrations/by_reason/syscall"),
        Some(pages)
    );
    assert_eq!(owner.count("/page_migrations/failed"), Some(0));
    assert_eq!(run.report.count("/coverage/records_lost"), Some(0));
}

fn owner_has_all(run: &Traced, a: u32, b: u32) {
    let owner = run
        .report
        .process(run.truth.count("owner_pid").unwrap())
        .expect("the owner is in the report");
    has_all(run, owner, a, b, PAGES);
}

#[test]
fn pages_moved_by_their_owner_are_its_own_by_syscall() {
    let (a, b) = two_nodes_or_skip!();
    let before = counters::vmstat().unwrap();
    let run = or_skip!(tracer!().launch(&words(&move_pages(a, b, &[]))));
    let migrated = counters::growth(&before, &counters::vmstat().unwrap())["pgmigrate_success"];
    owner_has_all(&run, a, b);
    assert!(migrated >= PAGES);
}

#[test]
fn pages_moved_by_another_process_belong_to_their_owner() {
    let (a, b) = two_nodes_or_skip!();
    let args = move_pages(a, b, &["--other-process"]);
    let run = or_skip!(tracer!().launch(&words(&args)));
    owner_has_all(&run, a, b);
}

#[test]
fn a_traced_process_has_its_migrations_and_nobody_else_a_name() {
    let (a, b) = two_nodes_or_skip!();
    let run = or_skip!(tracer!().attach(&words(&move_pages(a, b, &[]))));
    owner_has_all(&run, a, b);
    for process in run.report.processes().filter(|p| p.0["kind"] == "user") {
        assert_eq!(
            process.count("/pid"),
            Some(run.truth.pid()),
            "outside -p: {}",
            process.0["comm"]
        );
    }
}

#[test]
fn a_huge_page_that_moves_is_all_its_base_pages_once() {
    let (a, b) = two_nodes_or_skip!();
    let (from, to) = (a.to_string(), b.to_string());
    for kind in ["thp", "hugetlb"] {
        let args = [
            kind,
            "--node",
            &from,
            "--count",
            "4",
            "--cpu-node",
            &from,
            "--move-to",
            &to,
        ];
        let run = or_skip!(tracer!().launch(&args));
        let pages = 4 * run.truth.count("pages_per_huge_page").unwrap();
        let owner = run
            .report
            .process(run.truth.pid())
            .expect("the owner is in the report");
        has_all(&run, owner, a, b, pages);
    }
}

#[test]
fn without_function_hooks_whoever_asked_has_them_by_reason_without_nodes() {
    let (a, b) = two_nodes_or_skip!();
    let args = move_pages(a, b, &["--other-process"]);
    let run = or_skip!(
        tracer!()
            .args(["--fallback", "page_migration"])
            .launch(&words(&args))
    );
    assert_eq!(run.report.hook_state("page_migration"), Some("fallback"));
    let mover = run
        .report
        .process(run.truth.count("mover_pid").unwrap())
        .expect("the mover is in the report");
    assert!(mover.0["page_migrations"]["matrix"].is_null());
    assert_eq!(
        mover.count("/page_migrations/by_reason/syscall"),
        Some(PAGES)
    );
    assert_eq!(mover.count("/page_migrations/failed"), Some(0));
    assert_eq!(
        run.report
            .count("/system/page_migrations/by_reason/syscall"),
        Some(PAGES),
        "and nobody has them twice"
    );
}
