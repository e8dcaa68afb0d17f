//! The order in which nodes stand in for each other is the one that the kernel printed at boot.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use numatrace_tests::harness::programs;
use numatrace_tests::harness::skipped;
use numatrace_tests::test_name;
use serde_json::Value;

/// Returns the kernel's log as far as it is kept, a record a line.
fn log() -> String {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/kmsg");
    let mut file = file.expect("/dev/kmsg");
    let (mut text, mut record) = (String::new(), [0; 8192]);
    loop {
        match file.read(&mut record) {
            Ok(0) => return text,
            Ok(length) => text.push_str(&String::from_utf8_lossy(&record[..length])),
            // Records were overwritten in between: the next read goes on behind them.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            Err(_) => return text,
        }
    }
}

/// Returns nodes in the kernel's order, by the node that they stand in for: "Fallback order for
/// Node 0: 0 1" (mm/page_alloc.c, `build_zonelists`).
fn printed(log: &str) -> BTreeMap<u64, Vec<u64>> {
    log.lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once("Fallback order for Node ")?;
            let (node, order) = rest.split_once(':')?;
            let order = order.split_whitespace().map(|word| word.parse().ok());
            Some((node.parse().ok()?, order.collect::<Option<Vec<u64>>>()?))
        })
        .collect()
}

#[test]
fn the_fallback_order_of_topology_is_the_one_of_the_kernels_log() {
    let printed = printed(&log());
    if printed.is_empty() {
        return skipped(
            test_name!(),
            "the kernel's log has no fallback order any more",
        );
    }
    let topology = Command::new(programs::numatrace().unwrap())
        .args(["topology", "-f", "json"])
        .output()
        .unwrap();
    let topology: Value = serde_json::from_slice(&topology.stdout).unwrap();
    let nodes = topology["nodes"].as_array().expect("nodes");
    let told: BTreeMap<u64, Vec<u64>> = nodes
        .iter()
        .map(|node| {
            let order = node["fallback_order"].as_array().expect("an order");
            let order = order.iter().filter_map(Value::as_u64).collect();
            (node["node"].as_u64().expect("a node"), order)
        })
        .collect();
    assert_eq!(told, printed);
}
