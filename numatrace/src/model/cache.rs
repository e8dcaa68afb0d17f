//! Last-level caches: those of a machine, and those that split the CPUs of a node.

use serde::{Deserialize, Serialize};

use crate::ids::{CpuId, NodeId};

/// A cache of the highest level that its CPUs have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// 3 on most machines.
    pub level: u64,
    /// Size in KiB.
    pub size_kb: Option<u64>,
    /// CPUs that share it.
    pub cpus: Vec<CpuId>,
    /// Nodes of these CPUs.
    pub nodes: Vec<NodeId>,
}

/// Returns the caches of a node where it has several, none where it has one.
///
/// None either where no CPUs share a cache, as where a hypervisor makes every CPU a socket: then
/// every change of CPU changes the cache, and the caches may be made up. A first-level cache is a
/// core's own, so it is no last level that sysfs tells.
#[must_use]
pub fn splitting(caches: &[Cache], node: NodeId) -> Vec<&Cache> {
    let of_node = caches.iter().filter(|cache| cache.nodes.contains(&node));
    let caches: Vec<&Cache> = of_node.collect();
    let told = caches.iter().all(|cache| cache.level > 1);
    let shared = caches.iter().any(|cache| cache.cpus.len() > 1);
    if caches.len() > 1 && told && shared {
        caches
    } else {
        Vec::new()
    }
}

/// Returns whether several caches split any node.
#[must_use]
pub fn split_a_node(caches: &[Cache]) -> bool {
    let mut nodes = caches.iter().flat_map(|cache| &cache.nodes);
    nodes.any(|node| !splitting(caches, *node).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(level: u64, cpus: &[u32], nodes: &[u16]) -> Cache {
        Cache {
            level,
            size_kb: None,
            cpus: cpus.iter().copied().map(CpuId).collect(),
            nodes: nodes.iter().copied().map(NodeId).collect(),
        }
    }

    #[test]
    fn a_node_is_split_by_several_caches_that_its_cpus_share() {
        let two = [cache(3, &[0, 1], &[0]), cache(3, &[2, 3], &[0])];
        assert_eq!(splitting(&two, NodeId(0)), [&two[0], &two[1]]);
        assert_eq!(splitting(&two, NodeId(1)), [] as [&Cache; 0]);
        assert!(split_a_node(&two));
        let one_each = [cache(3, &[0, 1], &[0]), cache(3, &[2, 3], &[1])];
        assert!(!split_a_node(&one_each), "a cache for each node");
        let spanning = [cache(3, &[0, 1, 2, 3], &[0, 1])];
        assert!(!split_a_node(&spanning), "a cache of two nodes");
        let private = [cache(3, &[0], &[0]), cache(3, &[1], &[0])];
        assert!(!split_a_node(&private), "a cache for each CPU");
        let first_level = [cache(1, &[0, 1], &[0]), cache(1, &[2, 3], &[0])];
        assert!(!split_a_node(&first_level), "siblings of a core");
        assert!(!split_a_node(&[]));
    }
}
