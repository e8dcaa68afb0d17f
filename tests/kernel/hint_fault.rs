//! Sampled accesses and the balancer's moves after them, compared with `/proc/vmstat`.

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::report::Report;
use numatrace_tests::harness::{left_out, skipped};
use numatrace_tests::{or_skip, test_name, tracer};

use crate::support::machine::at;
use crate::two_nodes_or_skip;

const PAGES: &str = "4096";
/// Long enough for the balancer to see all pages twice, which it wants before it moves one.
const SECS: &str = "10";

/// Returns the whole system's matrix of that stem.
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

/// Returns a counter of `/proc/vmstat` over the session, and the traced count.
fn cross_check(report: &Report, what: &str) -> (u64, u64) {
    let rows = report.value["audit"]["beside"].as_array();
    let row = rows
        .into_iter()
        .flatten()
        .find(|row| row["what"] == what)
        .unwrap_or_else(|| panic!("no {what} in the audit's cross-checks"));
    let side = |name: &str| row[name].as_u64().unwrap_or_else(|| panic!("{row}"));
    (side("kernel"), side("traced"))
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
    let run = or_skip!(tracer!().launch(&args));
    // The session's own readings of /proc/vmstat lie exactly at its boundaries; the readings around
    // the workers' time lie inside it.
    for (what, counter) in [
        ("hint_faults", "numa_hint_faults"),
        ("hint_migrated", "numa_pages_migrated"),
    ] {
        let (kernel, traced) = cross_check(&run.report, what);
        assert!(
            traced.abs_diff(kernel) <= kernel / 100,
            "{what}: vmstat {kernel}, traced {traced}"
        );
        let least = run.truth.count(counter).expect("it is in the truth");
        if least == 0 {
            left_out(test_name!(), &format!("{what}: none while the workers ran"));
        }
        assert!(
            traced + least / 100 >= least,
            "{what}: {least} while the workers ran, traced {traced}"
        );
    }
    let faults = system(&run.report, "hint_faults");
    let all: u64 = faults.iter().flatten().sum();
    let local: u64 = (0..faults.len()).map(|i| faults[i][i]).sum();
    let least = run
        .truth
        .count("numa_hint_faults_local")
        .expect("it is in the truth");
    assert!(
        local + least / 100 >= least && local < all,
        "{least} local ones while the workers ran, traced {faults:?}"
    );
    assert!(
        all >= 4096,
        "the balancer looked at no more than {all} pages; this proves little"
    );

    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let faults = process.matrix("/hint_faults/matrix").unwrap();
    assert!(
        faults[at(b)][at(a)] > 0,
        "workers on {b} use pages on {a}: {faults:?}"
    );
    // Faults of any process count: the balancer scans every process that runs long enough.
    let moved = run
        .report
        .count("/system/page_migrations/by_reason/numa_misplaced")
        .unwrap_or(0);
    let (kernel, _) = cross_check(&run.report, "hint_migrated");
    assert!(
        moved.abs_diff(kernel) <= kernel / 100,
        "NUMA migrations: vmstat {kernel}, traced {moved}"
    );
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
