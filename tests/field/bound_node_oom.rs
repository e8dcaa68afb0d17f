//! A process with `MPOL_BIND` is killed while the other node is almost empty.
//!
//! Source: "the failure mode is a SIGKILL with no diagnostic at all, which is very hard to
//! attribute to a memory policy", <https://github.com/vllm-project/vllm/pull/51584>.

use std::fs;

use super::launched;
use crate::two_nodes_or_skip;

#[test]
fn a_kill_under_a_memory_policy_names_the_policy_and_the_room_of_the_other_node() {
    let (a, b) = two_nodes_or_skip!();
    let path = format!("/sys/devices/system/node/node{a}/meminfo");
    let text = fs::read_to_string(path).unwrap();
    let total = text
        .lines()
        .find(|line| line.contains("MemTotal:"))
        .unwrap();
    let kb: u64 = total.split_whitespace().nth(3).unwrap().parse().unwrap();
    let (node, mib) = (format!("--node={a}"), format!("--mib={}", kb / 1024 + 100));
    let report = launched(&["overfill", "--alone", &node, &mib]);
    report.says(&format!(
        "was bound to node {a}, which ran out: it was OOM-killed"
    ));
    report.says(&format!("under its memory policy, while node {b} had"));
}
