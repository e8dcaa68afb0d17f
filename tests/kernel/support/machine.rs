//! The nodes of the machine that the tests run on, by their role.

use numatrace_tests::workload::nodes::Nodes;

/// Returns the machine's nodes.
pub fn nodes() -> Nodes {
    Nodes::read().unwrap_or_else(|trouble| panic!("{trouble:?}"))
}

/// Returns the nodes that have both memory and CPUs.
fn whole_nodes() -> Vec<u32> {
    let nodes = nodes();
    let whole = nodes.with_memory().iter().copied();
    whole.filter(|&node| !nodes.cpus(node).is_empty()).collect()
}

/// Returns the first node with both memory and CPUs.
pub fn whole_node() -> u32 {
    let first = whole_nodes().first().copied();
    first.expect("a machine has a node with memory and CPUs")
}

/// Returns the first two nodes with both memory and CPUs.
pub fn two_nodes() -> Option<(u32, u32)> {
    match whole_nodes()[..] {
        [a, b, ..] => Some((a, b)),
        _ => None,
    }
}

/// Returns a node that has CPUs and no memory.
pub fn memoryless_node() -> Option<u32> {
    let nodes = nodes();
    nodes
        .online()
        .iter()
        .copied()
        .find(|&node| !nodes.with_memory().contains(&node) && !nodes.cpus(node).is_empty())
}

/// Returns the memory of a node in MiB.
pub fn size(node: u32) -> u64 {
    let path = format!("/sys/devices/system/node/node{node}/meminfo");
    let text = std::fs::read_to_string(path).expect("meminfo of a node");
    let total = text.lines().find(|line| line.contains("MemTotal:"));
    let kb = total.and_then(|line| line.split_whitespace().nth(3));
    kb.and_then(|kb| kb.parse::<u64>().ok()).expect("a size") / 1024
}

/// Returns the position of a node in arrays per node.
pub fn at(node: u32) -> usize {
    let found = nodes().online().iter().position(|&online| online == node);
    found.unwrap_or_else(|| panic!("node {node} is not online"))
}

/// Binds `$a` and `$b` to two whole nodes, or ends the test as skipped.
#[macro_export]
macro_rules! two_nodes_or_skip {
    () => {
        match $crate::support::machine::two_nodes() {
            Some(nodes) => nodes,
            None => {
                numatrace_tests::harness::skipped(
                    numatrace_tests::test_name!(),
                    "needs two nodes with memory and CPUs",
                );
                return;
            }
        }
    };
}
