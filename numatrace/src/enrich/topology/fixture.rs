//! Machines for tests: one description becomes a sysfs tree in a temporary directory or a
//! [`Topology`] in memory.
//!
//! The distance is 10 from a node to itself and 20 to every other node.

use std::{fmt::Write as _, path::Path};

use tempfile::TempDir;

pub use crate::capture::sys::fixture::write;

use super::{
    nodes::{Node, Topology},
    read::page_size,
};
use crate::ids::{CpuId, NodeId, ranges};

/// One node of a machine.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its number.
    pub node: u16,
    /// Its CPUs; empty makes a CPU-less node.
    pub cpus: Vec<u32>,
    /// Its memory in KiB; 0 makes a memoryless node. Half of it is free.
    pub mem_kb: u64,
}

/// Returns a node.
pub fn spec(node: u16, cpus: &[u32], mem_kb: u64) -> Spec {
    Spec {
        node,
        cpus: cpus.to_vec(),
        mem_kb,
    }
}

/// Returns `count` nodes numbered from 0, each with `cpus` CPUs and 1 GiB.
pub fn uniform(count: u16, cpus: u32) -> Vec<Spec> {
    (0..count)
        .map(|node| {
            let first = u32::from(node) * cpus;
            Spec {
                node,
                cpus: (first..first + cpus).collect(),
                mem_kb: 1 << 20,
            }
        })
        .collect()
}

/// Returns the machine in memory.
pub fn memory(specs: &[Spec]) -> Topology {
    let mut order: Vec<u16> = specs.iter().map(|spec| spec.node).collect();
    order.sort_unstable();
    let nodes = specs.iter().map(|spec| Node {
        id: NodeId(spec.node),
        cpus: spec.cpus.iter().copied().map(CpuId).collect(),
        mem_kb: Some(spec.mem_kb),
        free_kb: Some(spec.mem_kb / 2),
        distance: Some(distances(&order, spec.node)),
        has_normal_memory: spec.mem_kb > 0,
    });
    Topology::from_nodes(nodes.collect(), page_size())
}

/// Returns the machine as a root for readers: node lists, and for each node cpulist, meminfo,
/// distance and a numastat of zeros.
pub fn tree(specs: &[Spec]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let nodes = dir.path().join("sys/devices/system/node");
    let mut order: Vec<u16> = specs.iter().map(|spec| spec.node).collect();
    order.sort_unstable();
    let listed = |wanted: &dyn Fn(&Spec) -> bool| {
        let mut ids: Vec<u32> = specs
            .iter()
            .filter(|spec| wanted(spec))
            .map(|spec| u32::from(spec.node))
            .collect();
        ids.sort_unstable();
        ranges(ids)
    };
    for spec in specs {
        let node = nodes.join(format!("node{}", spec.node));
        write(&node.join("cpulist"), &ranges(spec.cpus.iter().copied()));
        let row = distances(&order, spec.node)
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(" ");
        write(&node.join("distance"), &row);
        let mut meminfo = String::new();
        for (name, kb) in [
            ("MemTotal", spec.mem_kb),
            ("MemFree", spec.mem_kb / 2),
            ("MemUsed", spec.mem_kb.div_ceil(2)),
        ] {
            writeln!(meminfo, "Node {} {name}: {kb:>14} kB", spec.node).unwrap();
        }
        write(&node.join("meminfo"), meminfo.trim_end());
        let counters = [
            "numa_hit",
            "numa_miss",
            "numa_foreign",
            "interleave_hit",
            "local_node",
            "other_node",
        ];
        write(
            &node.join("numastat"),
            &counters.map(|name| format!("{name} 0")).join("\n"),
        );
    }
    for (file, list) in [
        ("online", listed(&|_| true)),
        ("possible", listed(&|_| true)),
        ("has_cpu", listed(&|spec| !spec.cpus.is_empty())),
        ("has_memory", listed(&|spec| spec.mem_kb > 0)),
        ("has_normal_memory", listed(&|spec| spec.mem_kb > 0)),
    ] {
        write(&nodes.join(file), &list);
    }
    dir
}

/// Gives the CPUs of a tree their caches: a first-level cache each, and a third-level cache of 32
/// MiB for each group.
pub fn caches(root: &Path, groups: &[&[u32]]) {
    for group in groups {
        for cpu in *group {
            let dir = root.join(format!("sys/devices/system/cpu/cpu{cpu}/cache"));
            let shared = ranges(group.iter().copied());
            for (index, level, size, list) in
                [(0, "1", "32K", cpu.to_string()), (3, "3", "32768K", shared)]
            {
                let dir = dir.join(format!("index{index}"));
                write(&dir.join("level"), level);
                write(&dir.join("size"), size);
                write(&dir.join("shared_cpu_list"), &list);
            }
        }
    }
}

fn distances(order: &[u16], from: u16) -> Vec<u32> {
    order
        .iter()
        .map(|&to| if to == from { 10 } else { 20 })
        .collect()
}
