//! The CPUs of each node, online or not: a CPU that is offline now can be switched on during a
//! session.

use std::{collections::BTreeSet, fs, path::Path};

use super::nodes::Topology;
use crate::ids::{CpuId, NodeId};

/// Returns the CPUs of each node, from the `cpuN` links in its folder, which stay while a CPU is
/// offline, and from `topology`.
pub fn cpus(root: &Path, topology: &Topology) -> Vec<(CpuId, NodeId)> {
    let mut all: BTreeSet<(CpuId, NodeId)> = topology.cpus().collect();
    for node in topology.node_ids() {
        let folder = root.join(format!("sys/devices/system/node/node{node}"));
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        let numbers = entries.filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_prefix("cpu")?.parse().ok()
        });
        all.extend(numbers.map(|number| (CpuId(number), node)));
    }
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{super::nodes::Node, *};

    #[test]
    fn an_offline_cpu_still_belongs_to_its_node() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("sys/devices/system/node/node1");
        for name in ["cpu2", "cpu3", "cpulist", "cpumap"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let node = Node {
            id: NodeId(1),
            cpus: vec![CpuId(2)],
            mem_kb: None,
            free_kb: None,
            distance: None,
            has_normal_memory: true,
        };
        let topology = Topology::from_nodes(vec![node], 4096);
        assert_eq!(
            cpus(root.path(), &topology),
            [(CpuId(2), NodeId(1)), (CpuId(3), NodeId(1))]
        );
    }
}
