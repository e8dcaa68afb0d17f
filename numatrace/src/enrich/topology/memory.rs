//! Firmware's description of memory: tiers, and latency and bandwidth between nodes (ACPI HMAT).

use std::path::Path;

use super::nodes::Topology;
use crate::{
    capture::sys::{read_list, read_names, read_number},
    ids::NodeId,
};

/// One memory tier; a lower number is faster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The kernel's number.
    pub tier: u32,
    /// Its nodes.
    pub nodes: Vec<NodeId>,
}

/// Speed of a node's memory for its nearest initiators, as firmware states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The node with the memory.
    pub target: NodeId,
    /// The nodes with CPUs that the figures apply to: the nearest ones.
    pub initiators: Vec<NodeId>,
    /// Nanoseconds of a read.
    pub read_latency_ns: Option<u64>,
    /// Nanoseconds of a write.
    pub write_latency_ns: Option<u64>,
    /// MB/s of reads.
    pub read_bandwidth_mb: Option<u64>,
    /// MB/s of writes.
    pub write_bandwidth_mb: Option<u64>,
}

/// Reads the tiers with nodes, fastest first; none before 6.1.
#[must_use]
pub fn tiers(root: &Path) -> Vec<Tier> {
    let dir = "sys/devices/virtual/memory_tiering";
    let tier = |name: String| {
        let tier = name.strip_prefix("memory_tier")?.parse().ok()?;
        let nodes = read_list(root, &format!("{dir}/{name}/nodelist")).ok()?;
        let nodes: Vec<NodeId> = nodes
            .into_iter()
            .filter_map(|node| u16::try_from(node).ok())
            .map(NodeId)
            .collect();
        (!nodes.is_empty()).then_some(Tier { tier, nodes })
    };
    let mut tiers: Vec<Tier> = read_names(root, dir)
        .unwrap_or_default()
        .into_iter()
        .filter_map(tier)
        .collect();
    tiers.sort_by_key(|tier| tier.tier);
    tiers
}

/// Reads the figures for CPUs (`access1`), or else for any initiator (`access0`). Nodes without
/// figures are left out.
#[must_use]
pub fn access(root: &Path, topology: &Topology) -> Vec<Access> {
    let one = |target: NodeId| {
        ["access1", "access0"].iter().find_map(|class| {
            let dir = format!("sys/devices/system/node/node{target}/{class}/initiators");
            let number = |name: &str| {
                read_number(root, &format!("{dir}/{name}"))
                    .ok()
                    .filter(|&number| number > 0)
            };
            let names = read_names(root, &dir).ok()?;
            let initiators = names
                .iter()
                .filter_map(|name| name.strip_prefix("node")?.parse().ok())
                .map(NodeId);
            let access = Access {
                target,
                initiators: initiators.collect(),
                read_latency_ns: number("read_latency"),
                write_latency_ns: number("write_latency"),
                read_bandwidth_mb: number("read_bandwidth"),
                write_bandwidth_mb: number("write_bandwidth"),
            };
            let stated = access
                .read_latency_ns
                .or(access.write_latency_ns)
                .or(access.read_bandwidth_mb);
            stated.or(access.write_bandwidth_mb).map(|_| access)
        })
    };
    topology.node_ids().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixture::{memory, tree, uniform, write},
        *,
    };

    #[test]
    fn tiers_and_speeds_are_those_that_firmware_states() {
        let specs = uniform(2, 2);
        let tree = tree(&specs);
        let tiering = tree.path().join("sys/devices/virtual/memory_tiering");
        write(&tiering.join("memory_tier22/nodelist"), "1");
        write(&tiering.join("memory_tier4/nodelist"), "0");
        write(&tiering.join("memory_tier9/nodelist"), "");
        let tiers: Vec<u32> = tiers(tree.path()).iter().map(|tier| tier.tier).collect();
        assert_eq!(tiers, [4, 22]);
        let initiators = tree
            .path()
            .join("sys/devices/system/node/node1/access0/initiators");
        write(&initiators.join("read_latency"), "90");
        write(&initiators.join("write_latency"), "0");
        std::fs::create_dir(initiators.join("node0")).unwrap();
        let access = access(tree.path(), &memory(&specs));
        assert_eq!(access.len(), 1);
        assert_eq!(
            (access[0].target, access[0].initiators.as_slice()),
            (NodeId(1), &[NodeId(0)][..])
        );
        assert_eq!(
            (access[0].read_latency_ns, access[0].write_latency_ns),
            (Some(90), None),
            "0 is not stated"
        );
    }
}
