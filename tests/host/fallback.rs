//! The audit on this machine, whatever hooks it allows: exact, or close with its gap named.

use numatrace_tests::{or_skip, tracer};
use serde_json::Value;

fn sum(audit: &Value, counter: &str, side: &str) -> Option<u64> {
    let nodes = audit["nodes"].as_array()?;
    nodes.iter().map(|node| node[counter][side].as_u64()).sum()
}

#[test]
fn a_load_of_page_faults_is_local_and_other_within_half_a_percent() {
    let run = or_skip!(tracer!().system_wide(&["touch", "--mib", "256", "--rounds", "8"]));
    let audit = &run.report.value["audit"];
    let all = |side: &str| {
        sum(audit, "local_node", side).unwrap() + sum(audit, "other_node", side).unwrap()
    };
    let (kernel, traced) = (all("kernel"), all("traced"));
    assert!(kernel >= 500_000, "{kernel} allocations only");
    assert!(
        kernel.abs_diff(traced) * 200 <= kernel,
        "kernel {kernel}, traced {traced}: {audit:#}"
    );
}

#[test]
fn on_the_fallback_what_is_not_seen_is_estimated_and_what_is_not_known_is_null() {
    let run = or_skip!(tracer!().system_wide(&["fork-storm", "--count", "500"]));
    let audit = &run.report.value["audit"];
    if run.report.hook_state("page_alloc") == Some("attached") {
        let verdict = audit["verdict"].as_str().unwrap();
        assert!(["exact", "within_misses"].contains(&verdict), "{audit:#}");
        return;
    }
    assert_eq!(audit["verdict"], "approximate", "{audit:#}");
    for counter in ["numa_hit", "numa_miss", "numa_foreign", "interleave_hit"] {
        assert_eq!(sum(audit, counter, "traced"), None, "{counter}");
    }
    // Kernels allocate the stacks of new threads in bulk or not; bulk allocations are in the
    // estimate.
    let causes = audit["explained"].as_array().unwrap();
    let bulk = causes
        .iter()
        .find(|cause| cause["cause"] == "hook_lost" && cause["hook"] == "page_alloc_bulk")
        .unwrap_or_else(|| panic!("{audit:#}"));
    let estimate = bulk["count"].as_u64().unwrap();
    let unseen = sum(audit, "local_node", "kernel").unwrap()
        + sum(audit, "other_node", "kernel").unwrap()
        - sum(audit, "local_node", "traced").unwrap()
        - sum(audit, "other_node", "traced").unwrap();
    // Both are read at their own instants while the rest of the machine goes on.
    assert!(
        estimate.abs_diff(unseen) <= 50 + unseen / 4,
        "{unseen} not seen, {estimate} estimated"
    );
    assert!(
        audit["why"].as_str().unwrap().contains("pgalloc"),
        "{audit:#}"
    );
}
