//! The CPUs of each node, online or not: a CPU that is offline now can be switched on during a
//! session.

use std::{collections::BTreeSet, fs, path::Path};

use super::nodes::Topology;
use crate::capture::sys::{read_list, read_names, read_number};
use crate::ids::{CpuId, NodeId};

const CPUS: &str = "sys/devices/system/cpu";

/// Returns the CPUs of each node, from the `cpuN` links in its folder, which stay while a CPU is
/// offline, and from `topology`.
pub fn cpus(root: &Path, topology: &Topology) -> Vec<(CpuId, NodeId)> {
    let mut all: BTreeSet<(CpuId, NodeId)> = topology.cpus().collect();
    all.extend(links(root));
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

/// Returns the CPUs of each node from the `nodeN` links in the folders of CPUs, online or not: they
/// are there when the folders of nodes are hidden.
pub(super) fn links(root: &Path) -> Vec<(CpuId, NodeId)> {
    let cpus = read_names(root, CPUS).unwrap_or_default();
    let number = |name: &str, of: &str| name.strip_prefix(of)?.parse::<u32>().ok();
    let mut found = Vec::new();
    for name in &cpus {
        let Some(cpu) = number(name, "cpu") else {
            continue;
        };
        let names = read_names(root, &format!("{CPUS}/{name}")).unwrap_or_default();
        let nodes = names.iter().filter_map(|name| number(name, "node"));
        let nodes = nodes.filter_map(|node| u16::try_from(node).ok());
        found.extend(nodes.map(|node| (CpuId(cpu), NodeId(node))));
    }
    found
}

/// Returns the CPUs that the kernel keeps free of other work: `isolcpus=` and isolated partitions
/// of cpusets (`isolated`), and those without a tick (`nohz_full`).
pub fn isolated(root: &Path) -> BTreeSet<CpuId> {
    let lists = ["isolated", "nohz_full"].map(|list| {
        // A kernel without the option has no list, or writes "(null)".
        read_list(root, &format!("{CPUS}/{list}")).unwrap_or_default()
    });
    lists.into_iter().flatten().map(CpuId).collect()
}

/// Returns whether a CPU is online, as far as its folder says: a CPU that cannot be switched off
/// has no such file.
pub(super) fn is_online(root: &Path, cpu: CpuId) -> bool {
    read_number(root, &format!("{CPUS}/cpu{cpu}/online")).unwrap_or(1) != 0
}

#[cfg(test)]
mod tests {
    use super::{super::nodes::Node, *};
    use crate::capture::sys::fixture::write;

    #[test]
    fn isolated_cpus_are_those_of_both_lists() {
        let root = tempfile::tempdir().unwrap();
        assert!(isolated(root.path()).is_empty());
        write(&root.path().join(CPUS).join("isolated"), "2-3\n");
        write(&root.path().join(CPUS).join("nohz_full"), "(null)\n");
        assert_eq!(isolated(root.path()), [CpuId(2), CpuId(3)].into());
        write(&root.path().join(CPUS).join("nohz_full"), "3,5\n");
        assert_eq!(isolated(root.path()).len(), 3);
    }

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
