//! Kinds of memory of each node: DRAM, faster, slower, or a GPU's own.
//!
//! The kernel gives no kind. Devices say which nodes are a GPU's, memory tiers order the rest, and
//! firmware's bandwidth tells HBM where the tiers do not: its distance says nothing, because
//! firmware often claims HBM to be far so that programs do not take it unasked.

use std::collections::BTreeMap;
use std::path::Path;

use super::{devices, memory, nodes::Topology};
use crate::capture::sys::{read_names, read_text};
use crate::ids::NodeId;
use crate::model::topology::MemoryKind;

/// Read bandwidth, relative to that of nodes with CPUs, from which memory without CPUs is HBM.
const HBM_TIMES: u64 = 2;

/// Folder in which NVIDIA's driver describes its GPUs, with the node of memory that is coherent.
const NVIDIA: &str = "proc/driver/nvidia/gpus";

/// The facts that decide.
#[derive(Debug, Default)]
pub struct Facts {
    /// Memory tiers, fastest first.
    pub tiers: Vec<memory::Tier>,
    /// Speed of memory as firmware states it.
    pub access: Vec<memory::Access>,
    /// Nodes of GPUs and accelerators.
    pub gpus: Vec<NodeId>,
}

/// Reads the facts; none on machines whose memory is all beside CPUs, because they would not
/// matter.
pub fn read(root: &Path, topology: &Topology) -> Facts {
    let odd = |node: &super::nodes::Node| node.is_cpuless() && !node.is_memoryless();
    if !topology.nodes().iter().any(odd) {
        return Facts::default();
    }
    let devices = devices::read(root, topology).into_iter();
    let beside = devices
        .filter(|device| matches!(device.kind, "gpu" | "accelerator"))
        .filter_map(|device| device.node);
    Facts {
        tiers: memory::tiers(root),
        access: memory::access(root, topology),
        gpus: beside.chain(nvidia(root)).collect(),
    }
}

/// Returns the nodes that NVIDIA's driver put online for the memory of its GPUs.
fn nvidia(root: &Path) -> impl Iterator<Item = NodeId> {
    let names = read_names(root, NVIDIA).unwrap_or_default().into_iter();
    names.filter_map(move |name| {
        let text = read_text(root, &format!("{NVIDIA}/{name}/numa_status")).ok()?;
        let node = text.lines().find_map(|line| line.strip_prefix("Node:"))?;
        node.trim().parse().ok().map(NodeId)
    })
}

/// Returns the kind of each node that has memory, or may have.
pub fn of(topology: &Topology, facts: &Facts) -> BTreeMap<NodeId, MemoryKind> {
    let tier = |id: NodeId| {
        let mut tiers = facts.tiers.iter();
        tiers.find(|tier| tier.nodes.contains(&id)).map(|t| t.tier)
    };
    let bandwidth = |id: NodeId| {
        let mut access = facts.access.iter();
        access.find(|access| access.target == id)?.read_bandwidth_mb
    };
    let with_memory = || topology.nodes().iter().filter(|node| !node.is_memoryless());
    let ordinary = || with_memory().filter(|node| !node.is_cpuless());
    let slowest = ordinary().filter_map(|node| tier(node.id)).max();
    let fastest = ordinary().filter_map(|node| tier(node.id)).min();
    let usual = ordinary().filter_map(|node| bandwidth(node.id)).max();
    // Without memory beside CPUs there is nothing to compare with: the first tier is the usual one.
    let first = facts.tiers.first().map(|tier| tier.tier);
    let (fastest, slowest) = (fastest.or(first), slowest.or(first));
    let kind = |node: &super::nodes::Node| {
        if !node.is_cpuless() {
            return MemoryKind::Dram;
        }
        let its = tier(node.id);
        let is_wide = bandwidth(node.id)
            .zip(usual)
            .is_some_and(|(its, usual)| its >= usual.saturating_mul(HBM_TIMES));
        if facts.gpus.contains(&node.id) {
            MemoryKind::Gpu
        } else if is_wide || its.zip(fastest).is_some_and(|(its, dram)| its < dram) {
            MemoryKind::Hbm
        } else if its.zip(slowest).is_some_and(|(its, dram)| its > dram) {
            MemoryKind::Slow
        } else {
            MemoryKind::Dram
        }
    };
    with_memory().map(|node| (node.id, kind(node))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{memory as machine, spec, tree, write};
    use super::*;

    const GIB: u64 = 1 << 20;

    /// Two sockets, four nodes of memory only, one without anything.
    fn nodes() -> Topology {
        machine(&[
            spec(0, &[0], GIB),
            spec(1, &[1], GIB),
            spec(2, &[], GIB),
            spec(3, &[], GIB),
            spec(4, &[], GIB),
            spec(5, &[], GIB),
            spec(9, &[], 0),
        ])
    }

    fn tier(tier: u32, nodes: &[u16]) -> memory::Tier {
        memory::Tier {
            tier,
            nodes: nodes.iter().copied().map(NodeId).collect(),
        }
    }

    fn bandwidth(node: u16, mb: u64) -> memory::Access {
        memory::Access {
            target: NodeId(node),
            initiators: vec![NodeId(0)],
            read_latency_ns: None,
            write_latency_ns: None,
            read_bandwidth_mb: Some(mb),
            write_bandwidth_mb: None,
        }
    }

    fn kinds(facts: &Facts) -> Vec<MemoryKind> {
        of(&nodes(), facts).into_values().collect()
    }

    #[test]
    fn tiers_bandwidth_and_gpus_tell_the_kinds() {
        use MemoryKind::{Dram, Gpu, Hbm, Slow};
        let facts = Facts {
            tiers: vec![tier(3, &[2]), tier(4, &[0, 1, 3, 4]), tier(22, &[5])],
            access: vec![bandwidth(0, 100), bandwidth(3, 400), bandwidth(5, 20)],
            gpus: vec![NodeId(4), NodeId(1)],
        };
        assert_eq!(
            kinds(&facts),
            [Dram, Dram, Hbm, Hbm, Gpu, Slow],
            "a GPU beside CPUs makes their memory no GPU memory, and empty nodes have no kind"
        );
        assert_eq!(kinds(&Facts::default()), [Dram; 6], "nothing is assumed");
    }

    #[test]
    fn memory_without_cpus_is_ordinary_when_there_is_no_other() {
        let machine = machine(&[spec(0, &[0], 0), spec(1, &[], GIB), spec(2, &[], GIB)]);
        let facts = Facts {
            tiers: vec![tier(20, &[1]), tier(22, &[2])],
            ..Facts::default()
        };
        let kinds: Vec<MemoryKind> = of(&machine, &facts).into_values().collect();
        assert_eq!(kinds, [MemoryKind::Dram, MemoryKind::Slow]);
    }

    #[test]
    fn a_machine_reads_its_tiers_and_the_nodes_of_its_gpus() {
        let specs = [spec(0, &[0], GIB), spec(1, &[], GIB), spec(2, &[], GIB)];
        let tree = tree(&specs);
        let tiering = tree.path().join("sys/devices/virtual/memory_tiering");
        write(&tiering.join("memory_tier4/nodelist"), "0,2");
        write(&tiering.join("memory_tier22/nodelist"), "1");
        let status = tree.path().join(NVIDIA).join("0009:01:00.0/numa_status");
        write(&status, "Node: 2\nStatus: online\n");
        let topology = Topology::read(tree.path()).unwrap();
        let kinds = [0, 1, 2].map(|node| topology.memory_kind(NodeId(node)));
        use MemoryKind::{Dram, Gpu, Slow};
        assert_eq!(kinds, [Some(Dram), Some(Slow), Some(Gpu)]);
    }
}
