//! A service was started on one node, was bound to another one later, and is slow since. Nothing
//! moves any more when somebody traces it, and every new allocation is local.
//!
//! Sources: "late binding: ~22 % / 3 GB on the remote node",
//! <https://github.com/NVIDIA/TensorRT-LLM/pull/18117>; "1000 of 1000 sampled pages on target" by a
//! script of the user's own, <https://github.com/novitalabs/pegaflow/pull/277>.

use numatrace_tests::harness::balancer::Balancer;

use super::attached;
use crate::two_nodes_or_skip;

#[test]
fn a_service_that_was_bound_late_is_told_where_its_memory_stayed() {
    let (a, b) = two_nodes_or_skip!();
    let _off = Balancer::off().unwrap();
    let (memory, cpus) = (format!("--node={b}"), format!("--cpu-node={a}"));
    let (report, pid) = attached(&["settled", "--mib=64", &memory, &cpus, "--bound"]);
    report.says(&format!(
        "critical: workload ({pid}) is bound to node {a}, and 64."
    ));
    report.says(&format!("MiB of its memory are on node {b}"));
    // The workload has ended by now, so there is nothing to move.
    report.says(&format!("numactl --cpunodebind={b} --membind={b}"));
}
