//! Machines to fold on: from one node to sixty-four, with nodes that lack memory or CPUs, and
//! numbers with holes.

use numatrace::enrich::topology::{Node, Topology};
use numatrace::ids::{CpuId, NodeId};

/// A node in short: its number, its CPUs, its memory in MiB.
fn node(id: u16, cpus: std::ops::Range<u32>, mib: u64, all: &[u16]) -> Node {
    Node {
        id: NodeId(id),
        cpus: cpus.map(CpuId).collect(),
        mem_kb: Some(mib << 10),
        free_kb: Some(mib << 9),
        distance: Some(
            all.iter()
                .map(|other| if *other == id { 10 } else { 21 })
                .collect(),
        ),
        has_normal_memory: mib > 0,
    }
}

/// Nodes with these numbers, each with two CPUs and 512 MiB.
fn alike(ids: &[u16]) -> Vec<Node> {
    ids.iter()
        .zip((0..).step_by(2))
        .map(|(id, cpu)| node(*id, cpu..cpu + 2, 512, ids))
        .collect()
}

fn machine(nodes: Vec<Node>) -> Topology {
    Topology::from_nodes(nodes, 4096)
}

/// Every machine by name.
pub fn all() -> Vec<(&'static str, Topology)> {
    let upto = |count: u16| machine(alike(&(0..count).collect::<Vec<_>>()));
    let mut memoryless = alike(&[0, 1, 2]);
    memoryless[1].mem_kb = Some(0);
    memoryless[1].has_normal_memory = false;
    let mut cpuless = alike(&[0, 1, 2]);
    cpuless[2].cpus.clear();
    vec![
        ("one node", upto(1)),
        ("two nodes", upto(2)),
        ("four nodes", upto(4)),
        ("eight nodes", upto(8)),
        ("sixty-four nodes", upto(64)),
        ("a node without memory", machine(memoryless)),
        ("a node without CPUs", machine(cpuless)),
        // The largest number that the kernel's largest NODES_SHIFT allows.
        ("sparse numbers", machine(alike(&[0, 3, 17, 1023]))),
    ]
}
