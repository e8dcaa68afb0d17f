//! The claim that every audit in a guest has to meet: no residual without a name, and the kernel's
//! own equations on both sides.

use numatrace_tests::harness::report::Report;

use crate::support::machine::nodes;

/// Allocations in flight while counters are read: a handful for each CPU, at both ends.
const IN_FLIGHT_PER_CPU: u64 = 8;

/// Asserts that every residual is named, and that named ones are small.
pub fn closed(report: &Report) {
    let audit = &report.value["audit"];
    let verdict = audit["verdict"].as_str().unwrap();
    assert!(["exact", "within_misses"].contains(&verdict), "{audit:#}");
    assert_eq!(audit["unexplained"], 0, "{audit:#}");
    let cpus: usize = nodes()
        .online()
        .iter()
        .map(|&node| nodes().cpus(node).len())
        .sum();
    let in_flight = audit["explained"]
        .as_array()
        .unwrap()
        .iter()
        .find(|cause| cause["cause"] == "snapshot_edge");
    let in_flight = in_flight
        .and_then(|cause| cause["count"].as_u64())
        .unwrap_or(0);
    assert!(in_flight <= IN_FLIGHT_PER_CPU * cpus as u64, "{audit:#}");
    for side in ["kernel", "traced"] {
        let of = |counter: &str| report.audited(counter, side).unwrap();
        let (hit, miss, foreign) = (of("numa_hit"), of("numa_miss"), of("numa_foreign"));
        let (local, other) = (of("local_node"), of("other_node"));
        assert!(
            hit.iter().sum::<u64>() > 0,
            "{side}: equations of nothing hold: {audit:#}"
        );
        for i in 0..hit.len() {
            // The kernel's own six counters are not read at one instant: the same handful.
            let slack = if side == "kernel" {
                IN_FLIGHT_PER_CPU * cpus as u64
            } else {
                0
            };
            assert!(
                (hit[i] + miss[i]).abs_diff(local[i] + other[i]) <= slack,
                "{side}, node at {i}: {audit:#}"
            );
        }
        assert!(
            miss.iter().sum::<u64>().abs_diff(foreign.iter().sum())
                <= if side == "kernel" {
                    IN_FLIGHT_PER_CPU
                } else {
                    0
                },
            "{side}: {audit:#}"
        );
    }
}
