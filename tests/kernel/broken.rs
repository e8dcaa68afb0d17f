//! The accounting broken on purpose: a check that cannot fail proves nothing.

use numatrace_tests::{or_skip, tracer};

use crate::support::closed::closed;
use crate::two_nodes_or_skip;

#[test]
fn counts_that_are_left_out_make_the_audit_fail() {
    // One allocation in a thousand is enough to be seen.
    let run = or_skip!(
        tracer!()
            .args(["--inject", "drop=1000"])
            .system_wide(&["touch", "--mib", "64", "--rounds", "8"])
    );
    let audit = &run.report.value["audit"];
    assert_eq!(audit["verdict"], "failed", "{audit:#}");
    assert!(audit["unexplained"].as_u64().unwrap() > 0);
    assert!(audit["why"].as_str().unwrap().contains("do not trust"));
}

#[test]
fn epochs_whose_numbers_wrap_count_nothing_twice() {
    let (a, b) = two_nodes_or_skip!();
    // Four sweeps are 65,536 epochs: the interleaved pages, of which nobody allocates more, are
    // still in the bins of their CPU then.
    let (report, truths) = tracer!()
        .args(["--inject", "epochs=16384"])
        .system_wide_all(&[
            format!("interleave --pages 1000 --nodes {a},{b} --cpu-node {a}"),
            format!("settled --mib 1 --node {a} --cpu-node {a} --bound --ms 12000"),
        ])
        .unwrap();
    closed(&report);
    let process = report.process(truths[0].pid()).expect("the workload");
    let hits = process.vector("/alloc/interleave_hit").unwrap();
    assert_eq!(hits.iter().sum::<u64>(), 1000, "{hits:?}");
}

#[test]
fn a_full_table_of_totals_keeps_the_sums_whole() {
    let run = or_skip!(tracer!().args(["--inject", "totals=64"]).system_wide(&[
        "fork-storm",
        "--count",
        "600"
    ]));
    closed(&run.report);
    let overflow = run.report.bucket("[overflow]").expect("a full table");
    let pages: u64 = overflow.vector("/alloc/pages").unwrap().iter().sum();
    assert!(pages > 0);
    assert!(run.report.count("/coverage/full_tables/totals").unwrap() > 0);
}
