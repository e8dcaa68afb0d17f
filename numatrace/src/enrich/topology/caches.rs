//! Last-level caches: the CPUs that share each one, and the nodes of those CPUs.

use std::{collections::BTreeMap, path::Path};

use super::nodes::Topology;
use crate::{
    capture::sys::{read_list, read_names, read_number, read_text},
    ids::{CpuId, NodeId},
};

/// One cache of the highest level of its CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The level: 3 on most machines.
    pub level: u64,
    /// Size in KiB; `None` when the kernel does not say.
    pub size_kb: Option<u64>,
    /// The online CPUs that share it.
    pub cpus: Vec<CpuId>,
    /// The nodes of those CPUs: several where a node is smaller than a cache (sub-NUMA clusters).
    pub nodes: Vec<NodeId>,
}

/// Reads the last-level caches, sorted by first CPU. Empty where sysfs describes none, as in many
/// guests.
#[must_use]
pub fn read(root: &Path, topology: &Topology) -> Vec<Cache> {
    let mut caches: BTreeMap<Vec<u32>, Cache> = BTreeMap::new();
    for (cpu, _) in topology.cpus() {
        let dir = format!("sys/devices/system/cpu/cpu{cpu}/cache");
        let indexes = read_names(root, &dir).unwrap_or_default();
        let level = |index: &String| {
            Some((
                read_number(root, &format!("{dir}/{index}/level")).ok()?,
                index.clone(),
            ))
        };
        let Some((level, index)) = indexes
            .iter()
            .filter(|name| name.starts_with("index"))
            .filter_map(level)
            .max()
        else {
            continue;
        };
        let Ok(shared) = read_list(root, &format!("{dir}/{index}/shared_cpu_list")) else {
            continue;
        };
        caches.entry(shared.clone()).or_insert_with(|| {
            let cpus: Vec<CpuId> = shared.into_iter().map(CpuId).collect();
            let mut nodes: Vec<NodeId> = cpus
                .iter()
                .filter_map(|&cpu| topology.node_of_cpu(cpu))
                .collect();
            nodes.sort_unstable();
            nodes.dedup();
            let size = read_text(root, &format!("{dir}/{index}/size")).ok();
            let size_kb = size.and_then(|size| size.trim().strip_suffix('K')?.parse().ok());
            Cache {
                level,
                size_kb,
                cpus,
                nodes,
            }
        });
    }
    let mut caches: Vec<Cache> = caches.into_values().collect();
    caches.sort_by_key(|cache| cache.cpus.first().copied());
    caches
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixture::{memory, spec, tree, write},
        *,
    };

    #[test]
    fn the_highest_level_counts_and_a_cache_is_listed_once() {
        let specs = [spec(0, &[0, 1], 10), spec(1, &[2], 10)];
        let tree = tree(&specs);
        for (cpu, shared) in [(0, "0-2"), (1, "0-2"), (2, "0-2")] {
            for (index, level, size) in [(0, "1", "32K"), (3, "3", "32768K")] {
                let dir = tree.path().join(format!(
                    "sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
                ));
                write(&dir.join("level"), level);
                write(&dir.join("size"), size);
                write(
                    &dir.join("shared_cpu_list"),
                    if index == 0 { "0" } else { shared },
                );
            }
        }
        let caches = read(tree.path(), &memory(&specs));
        let wanted = Cache {
            level: 3,
            size_kb: Some(32768),
            cpus: [0, 1, 2].map(CpuId).to_vec(),
            nodes: vec![NodeId(0), NodeId(1)],
        };
        assert_eq!(caches, [wanted]);
        assert_eq!(read(Path::new("/nonexistent"), &memory(&specs)), []);
    }
}
