//! The cost and the use of NUMA balancing, compared with `/proc/vmstat` and with a load that
//! balancing helps.

use numatrace_tests::harness::balancer::Balancer;
use numatrace_tests::harness::skipped;
use numatrace_tests::{or_skip, test_name, tracer};

use crate::support::machine::at;
use crate::two_nodes_or_skip;

#[test]
fn memory_that_is_brought_to_its_users_is_help_with_its_price() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let (init, on) = (a.to_string(), b.to_string());
    let run = or_skip!(tracer!().launch(&[
        "first-touch",
        "--init-node",
        &init,
        "--use-node",
        &on,
        "--pages",
        "4096",
        "--threads",
        "2",
        "--secs",
        "14",
    ]));
    if run.report.hook_state("balancer") != Some("attached") {
        return skipped(test_name!(), "no programs at functions here");
    }
    // Page table entries are the kernel's own number, read at the same two boundaries.
    let rows = run.report.value["audit"]["beside"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["what"] == "pte_updates")
        .expect("PTE updates in the audit's cross-checks");
    let (kernel, traced) = (
        row["kernel"].as_u64().unwrap(),
        row["traced"].as_u64().unwrap(),
    );
    assert!(
        kernel > 0 && traced.abs_diff(kernel) <= kernel / 100,
        "{row}"
    );

    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let balancer = &process.0["balancer"];
    let count = |field: &str| {
        balancer[field]
            .as_u64()
            .unwrap_or_else(|| panic!("{field}: {balancer:#}"))
    };
    assert!(count("scans") > 0 && count("scan_ns") > 0, "{balancer:#}");
    let (faults, moving) = (count("fault_ns"), count("migrate_ns"));
    assert!(moving > 0 && faults >= moving, "{balancer:#}");
    let sliced: u64 = balancer["slices"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|slice| slice["faults"].as_u64())
        .sum();
    let all = process.matrix("/hint_faults/matrix").unwrap();
    assert_eq!(sliced, all.iter().flatten().sum::<u64>(), "{balancer:#}");
    // The threads do all the work.
    let threads: u64 = process.0["threads"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|thread| thread["balancer"]["fault_ns"].as_u64())
        .sum();
    assert_eq!(threads, faults);
    let placed = run.truth.vector("placement_end").unwrap();
    if placed[at(b)] * 10 < 4096 * 9 {
        return skipped(test_name!(), "the balancer did not get through this time");
    }
    assert_eq!(balancer["verdict"], "helping", "{balancer:#}");
}

#[test]
fn mappings_that_scans_pass_over_are_counted_where_the_kernel_tells() {
    let (a, b) = two_nodes_or_skip!();
    let Some(_quick) = Balancer::quick().unwrap() else {
        return skipped(test_name!(), "no NUMA balancing, or no debugfs");
    };
    let (init, on) = (a.to_string(), b.to_string());
    let run = or_skip!(tracer!().launch(&[
        "first-touch",
        "--init-node",
        &init,
        "--use-node",
        &on,
        "--pages",
        "256",
        "--secs",
        "3",
    ]));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let skipped_vmas = &process.0["balancer"]["vmas_skipped"];
    if run.report.hook_state("balancer_skip") != Some("attached") {
        assert!(skipped_vmas.is_null(), "{skipped_vmas}");
        return skipped(test_name!(), "this kernel does not tell what it skips");
    }
    // Program text is mapped read-only and shared: the balancer never scans it.
    let sum: u64 = skipped_vmas
        .as_object()
        .unwrap()
        .values()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert!(sum > 0, "{}", process.0["balancer"]);
}
