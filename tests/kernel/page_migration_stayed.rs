//! Pages that were to be moved and stayed, and moves that the kernel itself asks for.

use numatrace_tests::{or_skip, tracer};

use crate::support::machine::whole_node;
use crate::two_nodes_or_skip;

const PAGES: u64 = 64;
const LENT: u64 = 8;

#[test]
fn pages_that_a_pipe_holds_stay_and_the_cause_is_told() {
    let (a, b) = two_nodes_or_skip!();
    let words = [
        "move-pages".to_owned(),
        format!("--pages={PAGES}"),
        format!("--from={a}"),
        format!("--to={b}"),
        format!("--lent={LENT}"),
    ];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = or_skip!(tracer!().launch(&words));
    let process = run
        .report
        .process(run.truth.pid())
        .expect("the workload is in the report");
    let migrations = &process.0["page_migrations"];
    assert_eq!(run.truth.count("moved_pages"), Some(PAGES - LENT));
    assert_eq!(
        process.count("/page_migrations/by_reason/syscall"),
        Some(PAGES - LENT),
        "{migrations:#}"
    );
    assert_eq!(
        process.count("/page_migrations/failed"),
        Some(LENT),
        "{migrations:#}"
    );
    if run.report.hook_state("page_migration") == Some("attached") {
        assert_eq!(
            process.count("/page_migrations/failed_by_cause/busy"),
            Some(LENT),
            "{migrations:#}"
        );
    }
}

#[test]
fn demotion_has_its_reason() {
    let node = whole_node().to_string();
    let run = or_skip!(tracer!().system_wide(&["demote", "--node", &node, "--mib", "32"]));
    let demoted = run.truth.count("demoted").unwrap();
    let reported = run
        .report
        .count("/system/page_migrations/by_reason/demotion")
        .unwrap_or(0);
    // kswapd goes on for a moment after the workload has read its counters.
    assert!(
        reported + demoted / 100 >= demoted,
        "{demoted} pages demoted, the report has {}",
        run.report.value["system"]["page_migrations"]
    );
}

#[test]
fn compaction_has_its_reason() {
    let node = whole_node().to_string();
    let run = or_skip!(tracer!().system_wide(&["fragment", "--pages", "8192", "--node", &node]));
    let migrated = run.truth.count("pgmigrate_success").unwrap();
    assert!(migrated > 0, "nothing to compact: {:#}", run.truth.0);
    let compacted = run
        .report
        .count("/system/page_migrations/by_reason/compaction")
        .unwrap_or(0);
    // The kernel's count is of the whole system while the workload waited; compaction may have gone
    // on before and after.
    assert!(
        compacted + migrated / 100 >= migrated,
        "{migrated} pages moved, {compacted} by compaction: {:#}",
        run.report.value["system"]["page_migrations"]
    );
}
