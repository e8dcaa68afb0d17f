//! Sampled accesses and what the balancer moved after them, beside `/proc/vmstat`.

use numatrace_tests::counters;
use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::skipped;
use numatrace_tests::{or_skip, test_name, tracer};

use crate::machine::at;
use crate::two_nodes_or_skip;

const PAGES: &str = "4096";
/// Long enough for the balancer to see all pages twice, which it wants before it moves one.
const SECS: &str = "10";

/// The whole system's matrix of that stem.
fn system(report: &Report, stem: &str) -> Vec<Vec<u64>> {
    let whole = report.value.pointer(&format!("/system/{stem}/matrix"));
    let rows = whole
        .and_then(|m| m.as_array())
        .unwrap_or_else(|| panic!("no system.{stem}"));
    rows.iter()
        .map(|row| {
            row.as_array()
                .into_iter()
                .flatten()
                .filter_map(serde_json::Value::as_u64)
                .collect()
        })
        .collect()
}

#[test]
fn hint_faults_and_numa_migrations_are_those_of_vmstat() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let args = [
        "first-touch",
        "--init-node",
        &a.to_string(),
        "--use-node",
        &b.to_string(),
        "--pages",
        PAGES,
        "--threads",
        "2",
        "--secs",
        SECS,
    ];
    let before = counters::vmstat().unwrap();
    let run = or_skip!(tracer!().launch(&args));
    let around = counters::growth(&before, &counters::vmstat().unwrap());
    // /proc/vmstat while the workers ran is less than the session, and around the whole tracer more: the balancer scans everybody, the
    // tracer too while it loads.
    let between = |what: &str, traced: u64, counter: &str| {
        let (least, most) = (
            run.truth.count(counter).expect("the workload tells it"),
            around[counter],
        );
        assert!(
            traced + least / 100 >= least && traced <= most + most / 100,
            "{what}: traced {traced}, told {least} while the workers ran and {most} around the session"
        );
    };

    let faults = system(&run.report, "hint_faults");
    let all: u64 = faults.iter().flatten().sum();
    let local: u64 = (0..faults.len()).map(|i| faults[i][i]).sum();
    between("hint faults", all, "numa_hint_faults");
    between("local hint faults", local, "numa_hint_faults_local");
    assert!(
        all >= 4096,
        "the balancer looked at no more than {all} pages; this proves little"
    );

    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let own = process.matrix("/hint_faults/matrix").unwrap();
    assert!(
        own[at(b)][at(a)] > 0,
        "workers on {b} use pages on {a}: {own:?}"
    );
    // Anybody's: the balancer scans whoever runs long enough.
    let moved = run
        .report
        .count("/system/page_migrations/by_reason/numa_misplaced")
        .unwrap_or(0);
    between("NUMA migrations", moved, "numa_pages_migrated");
    let moved = process
        .count("/page_migrations/by_reason/numa_misplaced")
        .unwrap_or(0);
    let gone = 4096 - run.truth.vector("placement_end").unwrap()[at(a)];
    assert!(
        moved >= gone,
        "{gone} pages changed their node, {moved} migrations were seen"
    );
    assert_eq!(run.report.count("/coverage/records_lost"), Some(0));
}

#[test]
fn hint_faults_are_of_the_threads_that_used_the_memory() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let args = [
        "first-touch",
        "--init-node",
        &a.to_string(),
        "--use-node",
        &b.to_string(),
        "--pages",
        "1024",
        "--threads",
        "2",
        "--secs",
        "5",
    ];
    let run = or_skip!(tracer!().launch(&args));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let whole: u64 = process
        .matrix("/hint_faults/matrix")
        .unwrap()
        .iter()
        .flatten()
        .sum();
    let mut threads = 0;
    for worker in run.truth.0["workers"].as_array().unwrap() {
        let thread = process
            .thread(worker["tid"].as_u64().unwrap())
            .expect("a worker is in the report");
        threads += thread.matrix("/hint_faults/matrix").unwrap()[at(b)]
            .iter()
            .sum::<u64>();
    }
    assert!(whole > 0, "no hint fault in five seconds");
    assert!(
        threads * 100 >= whole * 95,
        "workers have {threads} of {whole} hint faults"
    );
}
