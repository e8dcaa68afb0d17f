//! The accounting broken on purpose: a check that cannot fail proves nothing.

use numatrace_tests::{or_skip, tracer};

use crate::support::closed::closed;

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
