//! The nodes of a machine as plain values, with the look-ups that later stages need.

use std::{collections::BTreeMap, fmt};

use crate::ids::{CpuId, NodeId};
use crate::model::distance;
use crate::model::nearest::{self, Place};
use crate::model::topology::MemoryKind;

/// The distance that the kernel and hypervisors assume where nobody states one.
const MADE_UP: u32 = 20;

/// One online node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub id: NodeId,
    /// Its online CPUs, ascending; empty for a CPU-less node.
    pub cpus: Vec<CpuId>,
    /// Memory in KiB; 0 for a memoryless node, `None` when it could not be read.
    pub mem_kb: Option<u64>,
    /// Free memory in KiB when the topology was read.
    pub free_kb: Option<u64>,
    /// Distances to the online nodes, in the order of [`Topology::nodes`]; `None` when they could
    /// not be read.
    pub distance: Option<Vec<u32>>,
    /// True if the kernel allocates its own memory from it; false for memoryless and movable-only
    /// (CXL) nodes.
    pub has_normal_memory: bool,
}

impl Node {
    /// Returns whether it is known to have no memory.
    #[must_use]
    pub fn is_memoryless(&self) -> bool {
        self.mem_kb == Some(0)
    }

    /// Returns whether it has memory from which the kernel allocates none for itself.
    #[must_use]
    pub fn is_movable_only(&self) -> bool {
        !self.is_memoryless() && !self.has_normal_memory
    }

    /// Returns whether it has no online CPU.
    #[must_use]
    pub fn is_cpuless(&self) -> bool {
        self.cpus.is_empty()
    }
}

/// A fact that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The fact: "distances of node 3".
    pub what: String,
    /// The reason, as the reader reports it.
    pub why: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// The machine's nodes at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    nodes: Vec<Node>,
    pub(super) offline: Vec<NodeId>,
    page_size: u64,
    pub(super) numa: bool,
    pub(super) gaps: Vec<Gap>,
    pub(super) view: Vec<String>,
    cpu_node: BTreeMap<CpuId, NodeId>,
    /// The nodes that have memory, or may have.
    pub(super) kinds: BTreeMap<NodeId, MemoryKind>,
}

impl Topology {
    /// Returns a topology of these nodes (any order, repeated numbers dropped) with DRAM, and base
    /// pages of `page_size` bytes.
    #[must_use]
    pub fn from_nodes(mut nodes: Vec<Node>, page_size: u64) -> Self {
        nodes.sort_by_key(|node| node.id);
        nodes.dedup_by_key(|node| node.id);
        let cpu_node = nodes
            .iter()
            .flat_map(|node| node.cpus.iter().map(|&cpu| (cpu, node.id)))
            .collect();
        let with_memory = nodes.iter().filter(|node| !node.is_memoryless());
        let kinds = with_memory
            .map(|node| (node.id, MemoryKind::Dram))
            .collect();
        Self {
            nodes,
            offline: Vec::new(),
            page_size,
            numa: true,
            gaps: Vec::new(),
            view: Vec::new(),
            cpu_node,
            kinds,
        }
    }

    /// Returns the online nodes, ascending. Never empty when read from a machine.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the nodes that the kernel could bring online but that are offline now.
    #[must_use]
    pub fn offline(&self) -> &[NodeId] {
        &self.offline
    }

    /// Returns the bytes of a base page.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.page_size
    }

    /// Returns whether the kernel has nodes at all; false on kernels built without NUMA, shown as
    /// one node 0.
    #[must_use]
    pub fn kernel_has_numa(&self) -> bool {
        self.numa
    }

    /// Returns the facts that could not be read, and why.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Returns sentences about parts of `/sys` and `/proc` that are not the kernel's own, with what
    /// was read instead.
    #[must_use]
    pub fn view(&self) -> &[String] {
        &self.view
    }

    /// Returns the numbers of the online nodes, ascending.
    pub fn node_ids(&self) -> impl ExactSizeIterator<Item = NodeId> + '_ {
        self.nodes.iter().map(|node| node.id)
    }

    /// Returns the position of a node in [`Topology::nodes`], and so in every per-node array.
    #[must_use]
    pub fn index_of(&self, id: NodeId) -> Option<usize> {
        self.nodes.binary_search_by_key(&id, |node| node.id).ok()
    }

    /// Returns the online node of this number.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(self.index_of(id)?)
    }

    /// Returns the kind of a node's memory; `None` for a node without.
    #[must_use]
    pub fn memory_kind(&self, id: NodeId) -> Option<MemoryKind> {
        self.kinds.get(&id).copied()
    }

    /// Returns the node of an online CPU.
    #[must_use]
    pub fn node_of_cpu(&self, cpu: CpuId) -> Option<NodeId> {
        self.cpu_node.get(&cpu).copied()
    }

    /// Returns the online CPUs with their nodes, ascending.
    pub fn cpus(&self) -> impl Iterator<Item = (CpuId, NodeId)> + '_ {
        self.cpu_node.iter().map(|(&cpu, &node)| (cpu, node))
    }

    /// Returns the largest node number, online or not, plus one: the size of a table indexed by
    /// node number.
    #[must_use]
    pub fn node_table_len(&self) -> usize {
        let online = self.nodes.last().map(|node| node.id);
        online
            .max(self.offline.iter().copied().max())
            .map_or(0, |id| id.index() + 1)
    }

    /// Returns the distance between two online nodes as firmware claims it; 10 is local.
    #[must_use]
    pub fn distance(&self, from: NodeId, to: NodeId) -> Option<u32> {
        self.node(from)?
            .distance
            .as_ref()?
            .get(self.index_of(to)?)
            .copied()
    }

    /// Returns the distance that all nodes claim to have from one another; `None` when they differ.
    #[must_use]
    pub fn flat_distance(&self) -> Option<u32> {
        distance::flat(self.nodes.iter().map(|node| node.distance.as_deref()))
    }

    /// Says what distances that are all equal mean, where that matters: on three nodes and more,
    /// and on virtual machines with the values that hypervisors make up.
    #[must_use]
    pub fn flat_distances(&self, is_virtual: bool) -> Option<String> {
        let nodes = self.nodes.len();
        let distance = self.flat_distance()?;
        let useless = "so distances do not tell which node is nearest";
        match (is_virtual, nodes) {
            (true, _) if nodes > 2 || distance == MADE_UP => Some(format!(
                "all {nodes} nodes claim distance {distance} from one another; this is a virtual \
                 machine, whose hypervisor may have made that up: {useless}"
            )),
            (false, 3..) => Some(format!(
                "all {nodes} nodes claim distance {distance} from one another, {useless}: either \
                 all are linked directly, or firmware does not say"
            )),
            _ => None,
        }
    }

    /// Returns the nodes in the order in which the kernel tries them for an allocation on `from`:
    /// the node itself when it has memory, then the others with memory. Empty when the distances
    /// are not known.
    #[must_use]
    pub fn fallback_order(&self, from: NodeId) -> Vec<NodeId> {
        let order = self
            .index_of(from)
            .and_then(|from| nearest::orders(&self.places()).into_iter().nth(from));
        let ids = order.into_iter().flatten().map(|to| self.nodes[to].id);
        ids.collect()
    }

    /// Returns the node with memory that the kernel tries first for an allocation on `from`: the
    /// node itself when it has memory.
    #[must_use]
    pub fn nearest_memory(&self, from: NodeId) -> Option<NodeId> {
        let nearest = nearest::nearest(&self.places());
        let position = nearest.get(self.index_of(from)?).copied().flatten()?;
        self.nodes.get(position).map(|node| node.id)
    }

    fn places(&self) -> Vec<Place<'_>> {
        let place = |node| {
            let node: &Node = node;
            Place {
                memory: !node.is_memoryless(),
                cpus: !node.is_cpuless(),
                movable_only: node.is_movable_only(),
                distance: node.distance.as_deref(),
            }
        };
        self.nodes.iter().map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::topology::fixture::{memory, spec};

    #[test]
    fn sparse_nodes_keep_their_numbers_and_find_their_places() {
        let topology = memory(&[spec(8, &[4, 5], 1024), spec(0, &[0, 1], 2048)]);
        assert_eq!(
            topology.node_ids().collect::<Vec<_>>(),
            [NodeId(0), NodeId(8)]
        );
        assert_eq!(topology.index_of(NodeId(8)), Some(1));
        assert_eq!(topology.index_of(NodeId(1)), None);
        assert_eq!(topology.node_of_cpu(CpuId(5)), Some(NodeId(8)));
        assert_eq!(topology.node_of_cpu(CpuId(2)), None);
        assert_eq!(topology.node_table_len(), 9);
        assert_eq!(topology.distance(NodeId(0), NodeId(8)), Some(20));
        assert_eq!(topology.distance(NodeId(0), NodeId(3)), None);
    }

    #[test]
    fn equal_distances_are_pointed_out_where_they_mislead() {
        let of = |nodes: usize| {
            let specs = (0..nodes).map(|n| spec(u16::try_from(n).unwrap(), &[], 9));
            memory(&specs.collect::<Vec<_>>())
        };
        assert_eq!(of(1).flat_distances(true), None);
        assert_eq!(of(2).flat_distances(false), None);
        let said = of(2).flat_distances(true).unwrap();
        assert!(said.contains("all 2 nodes claim distance 20"), "{said}");
        let said = of(3).flat_distances(false).unwrap();
        assert!(said.contains("or firmware does not say"), "{said}");
    }

    #[test]
    fn a_memoryless_node_falls_back_to_the_nearest_that_has_memory() {
        let mut nodes: Vec<Node> =
            memory(&[spec(0, &[0], 0), spec(1, &[1], 1024), spec(2, &[], 1024)])
                .nodes()
                .to_vec();
        nodes[0].distance = Some(vec![10, 40, 17]);
        let topology = Topology::from_nodes(nodes, 4096);
        assert_eq!(topology.nearest_memory(NodeId(0)), Some(NodeId(2)));
        assert_eq!(topology.nearest_memory(NodeId(1)), Some(NodeId(1)));
        assert_eq!(topology.fallback_order(NodeId(1)), [NodeId(1), NodeId(2)]);
        assert!(topology.nodes()[0].is_memoryless() && topology.nodes()[2].is_cpuless());
    }
}
