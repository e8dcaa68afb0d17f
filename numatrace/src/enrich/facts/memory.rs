//! Facts about the machine's memory at the moment that something failed: free memory by node, and
//! pools of huge pages.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{
    capture::sys::{hugepages, meminfo, read_list},
    ids::NodeId,
};

/// Free memory of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFree {
    /// The node.
    pub node: NodeId,
    /// Free memory in KiB (`MemFree` of its meminfo).
    pub free_kb: u64,
}

/// The pool of huge pages of one size on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePool {
    /// The node.
    pub node: NodeId,
    /// Pages that it has.
    pub total: u64,
    /// Pages that nobody uses.
    pub free: u64,
}

/// Free memory of each node that can be read; empty without any.
pub(super) fn free(root: &Path) -> Vec<NodeFree> {
    let of = |node| {
        let rows = meminfo::read_node(root, node).ok()?;
        let free_kb = meminfo::kib(&rows, "MemFree")?;
        Some(NodeFree { node, free_kb })
    };
    online(root).into_iter().filter_map(of).collect()
}

/// The pools of a page size of each node that has one of it.
pub(super) fn pools(root: &Path, page_kb: u64) -> Vec<NodePool> {
    let of = |node| {
        let pools = hugepages::read_node(root, node).ok()?;
        let pool = pools.into_iter().find(|pool| pool.page_kb == page_kb)?;
        Some(NodePool {
            node,
            total: pool.total,
            free: pool.free,
        })
    };
    online(root).into_iter().filter_map(of).collect()
}

fn online(root: &Path) -> Vec<NodeId> {
    read_list(root, "sys/devices/system/node/online")
        .unwrap_or_default()
        .into_iter()
        .filter_map(|node| u16::try_from(node).ok().map(NodeId))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::fixture::write;

    #[test]
    fn memory_and_pools_of_all_nodes_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let nodes = dir.path().join("sys/devices/system/node");
        assert!(free(dir.path()).is_empty());
        write(&nodes.join("online"), "0,2");
        for (node, kb) in [(0, 100), (2, 300)] {
            let node_dir = nodes.join(format!("node{node}"));
            let text = format!("Node {node} MemFree: {kb} kB\n");
            write(&node_dir.join("meminfo"), &text);
            let pool = node_dir.join("hugepages/hugepages-2048kB");
            write(&pool.join("nr_hugepages"), "4");
            write(&pool.join("free_hugepages"), &node.to_string());
            write(&pool.join("surplus_hugepages"), "0");
        }
        let kb: Vec<u64> = free(dir.path()).iter().map(|node| node.free_kb).collect();
        assert_eq!(kb, [100, 300]);
        let pool = |node, free| NodePool {
            node: NodeId(node),
            total: 4,
            free,
        };
        assert_eq!(pools(dir.path(), 2048), [pool(0, 0), pool(2, 2)]);
        assert!(pools(dir.path(), 1_048_576).is_empty());
    }
}
