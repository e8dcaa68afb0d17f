//! Last-level caches: the CPUs that share each one, and the nodes of those CPUs.

use std::{collections::BTreeMap, path::Path};

use super::nodes::Topology;
use crate::{
    capture::sys::{read_list, read_names, read_number, read_text},
    ids::{CpuId, NodeId},
    model::cache::Cache,
};

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

/// Reads the last-level caches of a machine whose sysfs tells the cache of every online CPU. `None`
/// where a CPU is in no cache or in several.
#[must_use]
pub fn of_all_cpus(root: &Path, topology: &Topology) -> Option<Vec<Cache>> {
    let caches = read(root, topology);
    let mut shared: Vec<CpuId> = caches
        .iter()
        .flat_map(|cache| &cache.cpus)
        .copied()
        .collect();
    shared.sort_unstable();
    let online = topology.cpus().map(|(cpu, _)| cpu);
    (!caches.is_empty() && online.eq(shared)).then_some(caches)
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixture::{Spec, caches, memory, spec, tree, uniform, write},
        *,
    };
    use crate::model::cache::splitting;

    /// The caches of a machine whose CPUs have these last-level caches.
    fn told(specs: &[Spec], groups: &[&[u32]]) -> Option<Vec<Cache>> {
        let tree = tree(specs);
        caches(tree.path(), groups);
        of_all_cpus(tree.path(), &memory(specs))
    }

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

    #[test]
    fn eight_caches_of_one_node_are_told_apart() {
        let groups: Vec<Vec<u32>> = (0..8).map(|at| (at * 8..at * 8 + 8).collect()).collect();
        let groups: Vec<&[u32]> = groups.iter().map(Vec::as_slice).collect();
        let caches = told(&uniform(1, 64), &groups).unwrap();
        let cpus: Vec<Vec<u32>> = caches
            .iter()
            .map(|cache| cache.cpus.iter().map(|cpu| cpu.0).collect())
            .collect();
        assert_eq!(cpus, groups);
        assert!(caches.iter().all(|cache| cache.nodes == [NodeId(0)]));
        assert_eq!(splitting(&caches, NodeId(0)).len(), 8);
    }

    #[test]
    fn caches_are_unknown_unless_each_cpu_is_in_one() {
        let specs = uniform(1, 4);
        assert!(told(&specs, &[&[0, 1], &[2, 3]]).is_some());
        assert_eq!(told(&specs, &[&[0, 1], &[2]]), None, "CPU 3 is in none");
        assert_eq!(told(&specs, &[]), None, "a guest without caches");
        let tree = tree(&specs);
        caches(tree.path(), &[&[0, 1], &[2, 3]]);
        let list = "sys/devices/system/cpu/cpu3/cache/index3/shared_cpu_list";
        write(&tree.path().join(list), "1,3");
        assert_eq!(of_all_cpus(tree.path(), &memory(&specs)), None, "in two");
        for cpu in [2, 3] {
            let list = format!("sys/devices/system/cpu/cpu{cpu}/cache/index3/shared_cpu_list");
            write(&tree.path().join(list), "3-banana");
        }
        assert_eq!(of_all_cpus(tree.path(), &memory(&specs)), None, "garbled");
    }
}
