//! Reads sysfs into a [`Topology`]. The absence of a file costs its fact.

use std::path::Path;

use nix::unistd::{SysconfVar, sysconf};
use thiserror::Error;

use super::nodes::{Gap, Node, Topology};
use super::{installed, kinds, view};
use crate::{
    capture::sys::{
        ReadError, excerpt, meminfo, read_list, read_names, read_text,
        zone_sums::{self, ZoneSum},
    },
    ids::{CpuId, NodeId, ranges},
};

const NODES: &str = "sys/devices/system/node";

/// Why a machine has no topology.
#[derive(Debug, Error)]
pub enum TopologyError {
    /// Neither the node list nor any node directory could be read.
    #[error("cannot list this machine's nodes: {0}; is /sys mounted?")]
    NoNodes(#[source] ReadError),
    /// The kernel is without NUMA, and its CPUs cannot be listed either.
    #[error("this kernel shows neither nodes nor CPUs: {0}; is /sys mounted?")]
    NoCpus(#[source] ReadError),
}

impl Topology {
    /// Reads the machine under `root` ("/" for this one). A kernel built without NUMA has no node
    /// directory; its topology is one node 0 with all CPUs and all memory.
    pub fn read(root: &Path) -> Result<Self, TopologyError> {
        let mut gaps = Vec::new();
        let zones = zone_sums::read(root).unwrap_or_default();
        let listed = online_nodes(root, &mut gaps);
        let Some(hidden) = Hidden::new(root, &listed, zones) else {
            listed?;
            return without_numa(root);
        };
        let mut ids = listed.ok().flatten().unwrap_or_default();
        ids.extend(&hidden.nodes);
        ids.sort_unstable();
        let normal = read_list(root, &format!("{NODES}/has_normal_memory"));
        if let Err(error) = &normal {
            gap(
                &mut gaps,
                "nodes with normal memory (assumed: all nodes with memory)",
                error,
            );
        }
        let nodes = ids
            .iter()
            .map(|&id| {
                read_node(
                    root,
                    id,
                    ids.len(),
                    normal.as_deref().ok(),
                    &hidden,
                    &mut gaps,
                )
            })
            .collect();
        let mut topology = Self::from_nodes(nodes, page_size());
        topology.offline = match read_list(root, &format!("{NODES}/possible")) {
            Ok(possible) => node_ids(possible)
                .into_iter()
                .filter(|id| !ids.contains(id))
                .collect(),
            Err(error) => {
                gap(&mut gaps, "offline nodes", &error);
                Vec::new()
            }
        };
        topology.gaps = gaps;
        topology.view = view::of(root, true);
        topology.view.extend(hidden.sentence());
        topology.kinds = kinds::of(&topology, &kinds::read(root, &topology));
        Ok(topology)
    }
}

/// Returns whether the machine is a virtual one: its CPUs have the flag that hypervisors set. False
/// where CPUs have no such flag (arm64).
#[must_use]
pub fn is_virtual(root: &Path) -> bool {
    let text = read_text(root, "proc/cpuinfo").unwrap_or_default();
    let mut flags = text.lines().filter(|line| line.starts_with("flags"));
    flags.any(|line| line.split_whitespace().any(|word| word == "hypervisor"))
}

/// Returns the online nodes, from the list or, when that is garbled, from the directories; `None`
/// on a kernel without NUMA.
fn online_nodes(root: &Path, gaps: &mut Vec<Gap>) -> Listed {
    let error = match read_list(root, &format!("{NODES}/online")) {
        Ok(numbers) if !numbers.is_empty() => return Ok(Some(node_ids(numbers))),
        Ok(_) => ReadError::garbage(root.join(NODES).join("online"), "it is empty"),
        Err(error) if error.is_absent() && !root.join(NODES).exists() => return Ok(None),
        Err(error) => error,
    };
    let names = read_names(root, NODES).unwrap_or_default();
    let numbers = names
        .iter()
        .filter_map(|name| name.strip_prefix("node")?.parse().ok());
    let mut ids: Vec<NodeId> = numbers.map(NodeId).collect();
    ids.sort();
    if ids.is_empty() {
        return Err(TopologyError::NoNodes(error));
    }
    gap(
        gaps,
        "list of online nodes (node directories used instead)",
        &error,
    );
    Ok(Some(ids))
}

/// The nodes that `/sys` lists; `None` on a kernel without NUMA, or where their folder is hidden.
type Listed = Result<Option<Vec<NodeId>>, TopologyError>;

/// Facts about nodes besides those in their folders.
struct Hidden {
    /// Nodes that only zones name.
    nodes: Vec<NodeId>,
    zones: Vec<ZoneSum>,
    /// Online CPUs by the links in their own folders; only read when nodes are hidden.
    links: Vec<(CpuId, NodeId)>,
}

impl Hidden {
    /// Returns what the kernel's zones add to the nodes that `/sys` lists; `None` where neither
    /// names a node. Zones of a kernel without NUMA have no counters.
    fn new(root: &Path, listed: &Listed, zones: Vec<ZoneSum>) -> Option<Self> {
        let listed = listed.as_ref().ok().and_then(Option::as_deref);
        let known = zones.iter().filter(|zone| zone.counters.is_some());
        let mut nodes: Vec<NodeId> = known.map(|zone| zone.node).collect();
        if listed.is_none() && nodes.is_empty() {
            return None;
        }
        nodes.retain(|node| !listed.unwrap_or_default().contains(node));
        let mut links = Vec::new();
        if !nodes.is_empty() {
            links = installed::links(root);
            links.retain(|(cpu, _)| installed::is_online(root, *cpu));
        }
        Some(Self {
            nodes,
            zones,
            links,
        })
    }

    fn sentence(&self) -> Option<String> {
        let list = ranges(self.nodes.iter().map(|node| u32::from(node.0)));
        let without = self
            .nodes
            .iter()
            .filter(|node| self.node(**node).cpus.is_empty());
        let unknown = if without.count() == self.nodes.len() {
            "; which CPUs they have is not known"
        } else {
            ""
        };
        (!self.nodes.is_empty())
            .then(|| format!("/sys does not show node {list}: taken from /proc/zoneinfo{unknown}"))
    }

    /// Makes a node of what zones and links say. Distances are not known.
    fn node(&self, id: NodeId) -> Node {
        let zone = self.zones.iter().find(|zone| zone.node == id);
        let own = self.links.iter().filter(|(_, node)| *node == id);
        let mut cpus: Vec<CpuId> = own.map(|(cpu, _)| *cpu).collect();
        cpus.sort_unstable();
        let kib = |pages: u64| pages.saturating_mul(page_size() / 1024);
        Node {
            id,
            cpus,
            mem_kb: zone.map(|zone| kib(zone.managed)),
            free_kb: zone.map(|zone| kib(zone.free)),
            distance: None,
            has_normal_memory: zone.is_none_or(|zone| zone.has_normal),
        }
    }
}

fn read_node(
    root: &Path,
    id: NodeId,
    online: usize,
    normal: Option<&[u32]>,
    hidden: &Hidden,
    gaps: &mut Vec<Gap>,
) -> Node {
    if hidden.nodes.contains(&id) {
        return hidden.node(id);
    }
    let dir = format!("{NODES}/node{id}");
    let cpus = read_list(root, &format!("{dir}/cpulist")).unwrap_or_else(|error| {
        gap(gaps, &format!("CPUs of node {id}"), &error);
        Vec::new()
    });
    let rows = meminfo::read_node(root, id).unwrap_or_else(|error| {
        gap(gaps, &format!("memory of node {id}"), &error);
        Vec::new()
    });
    let distance = read_distance(root, &format!("{dir}/distance"), online);
    if let Err(error) = &distance {
        gap(gaps, &format!("distances of node {id}"), error);
    }
    let mem_kb = meminfo::kib(&rows, "MemTotal");
    Node {
        id,
        cpus: cpus.into_iter().map(CpuId).collect(),
        mem_kb,
        free_kb: meminfo::kib(&rows, "MemFree"),
        distance: distance.ok(),
        has_normal_memory: normal.map_or(mem_kb != Some(0), |normal| {
            normal.contains(&u32::from(id.0))
        }),
    }
}

/// Reads one distance for each online node, in their order.
fn read_distance(root: &Path, relative: &str, online: usize) -> Result<Vec<u32>, ReadError> {
    let text = read_text(root, relative)?;
    let distances: Option<Vec<u32>> = text
        .split_whitespace()
        .map(|word| word.parse().ok())
        .collect();
    match distances {
        Some(distances) if distances.len() == online => Ok(distances),
        Some(distances) => {
            let what = format!("{} distances for {online} online nodes", distances.len());
            Err(ReadError::garbage(root.join(relative), what))
        }
        None => Err(ReadError::garbage(
            root.join(relative),
            format!("expected numbers, found {}", excerpt(&text)),
        )),
    }
}

/// Returns the topology of a kernel without NUMA: one node with all CPUs and memory.
fn without_numa(root: &Path) -> Result<Topology, TopologyError> {
    let cpus = read_list(root, "sys/devices/system/cpu/online").map_err(TopologyError::NoCpus)?;
    let mut gaps = vec![Gap {
        what: "nodes".to_owned(),
        why: "this kernel is built without NUMA; the machine is shown as one node 0".to_owned(),
    }];
    let rows = meminfo::read_system(root).unwrap_or_else(|error| {
        gap(&mut gaps, "memory", &error);
        Vec::new()
    });
    let node = Node {
        id: NodeId(0),
        cpus: cpus.into_iter().map(CpuId).collect(),
        mem_kb: meminfo::kib(&rows, "MemTotal"),
        free_kb: meminfo::kib(&rows, "MemFree"),
        distance: Some(vec![10]),
        has_normal_memory: true,
    };
    let mut topology = Topology::from_nodes(vec![node], page_size());
    topology.numa = false;
    topology.gaps = gaps;
    topology.view = view::of(root, false);
    Ok(topology)
}

fn gap(gaps: &mut Vec<Gap>, what: &str, why: &ReadError) {
    gaps.push(Gap {
        what: what.to_owned(),
        why: why.to_string(),
    });
}

/// Converts the numbers of a list, which are at most 65,535, so none is lost.
fn node_ids(numbers: Vec<u32>) -> Vec<NodeId> {
    numbers
        .into_iter()
        .filter_map(|number| u16::try_from(number).ok())
        .map(NodeId)
        .collect()
}

/// Returns the bytes of a base page; 4096 where the C library does not say, which POSIX excludes.
pub(in crate::enrich) fn page_size() -> u64 {
    sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|bytes| u64::try_from(bytes).ok())
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{
        super::fixture::{self, spec},
        *,
    };

    #[test]
    fn every_shape_of_machine_reads_back_as_it_was_made() {
        let wide: Vec<_> = (0..64)
            .map(|n| spec(n, &[u32::from(n) * 2, u32::from(n) * 2 + 1], 4096))
            .collect();
        let machines = [
            vec![spec(0, &[0, 1], 508_000)],
            vec![spec(0, &[0, 1], 508_000), spec(1, &[2, 3], 508_000)],
            vec![
                spec(0, &[0], 1024),
                spec(1, &[1], 1024),
                spec(2, &[2], 1024),
                spec(3, &[3], 1024),
            ],
            vec![spec(0, &[0, 1], 1024), spec(1, &[2], 0), spec(2, &[], 2048)],
            vec![spec(0, &[0], 0), spec(4, &[7], 512), spec(255, &[], 9)],
            wide,
        ];
        for specs in machines {
            let tree = fixture::tree(&specs);
            let read = Topology::read(tree.path()).unwrap();
            assert_eq!(read.gaps(), []);
            assert_eq!(read, fixture::memory(&specs));
        }
    }

    #[test]
    fn offline_nodes_are_known_and_not_counted_as_online() {
        let tree = fixture::tree(&[spec(0, &[0], 10), spec(1, &[1], 10)]);
        fs::write(tree.path().join(NODES).join("possible"), "0-3\n").unwrap();
        let topology = Topology::read(tree.path()).unwrap();
        assert_eq!(topology.offline(), [NodeId(2), NodeId(3)]);
        assert_eq!((topology.nodes().len(), topology.node_table_len()), (2, 4));
    }

    #[test]
    fn nodes_that_sys_hides_are_taken_from_the_zones_with_their_cpus() {
        let tree = fixture::tree(&[spec(0, &[0, 1], 10), spec(1, &[2, 3], 10)]);
        let text = zone_sums::text(&[(0, 100, Some(1)), (1, 200, Some(1))]);
        fixture::write(&tree.path().join("proc/zoneinfo"), &text);
        for (cpu, node) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
            let cpu = tree.path().join(format!("sys/devices/system/cpu/cpu{cpu}"));
            fs::create_dir_all(cpu.join(format!("node{node}"))).unwrap();
            fixture::write(&cpu.join("online"), "1");
        }
        fixture::write(&tree.path().join("sys/devices/system/cpu/cpu3/online"), "0");
        let whole = Topology::read(tree.path()).unwrap();
        assert_eq!(whole.view(), Vec::<String>::new());
        let wanted = [(0, vec![0, 1]), (1, vec![2])].map(|(node, cpus)| {
            (
                NodeId(node),
                cpus.into_iter().map(CpuId).collect::<Vec<_>>(),
            )
        });
        // One node is hidden, then all of them, then their folder is gone.
        let node = tree.path().join(NODES);
        fs::remove_dir_all(node.join("node1")).unwrap();
        fixture::write(&node.join("online"), "0");
        for step in 0..3 {
            match step {
                0 => {}
                1 => {
                    fs::remove_dir_all(&node).unwrap();
                    fs::create_dir(&node).unwrap();
                }
                _ => fs::remove_dir(&node).unwrap(),
            }
            let topology = Topology::read(tree.path()).unwrap();
            let nodes = topology.nodes().iter();
            let cpus: Vec<_> = nodes.map(|node| (node.id, node.cpus.clone())).collect();
            assert_eq!(cpus, wanted, "step {step}");
            assert_eq!(topology.nodes()[1].mem_kb, Some(200 * page_size() / 1024));
            assert!(topology.nodes()[1].has_normal_memory && topology.kernel_has_numa());
            let hidden = if step == 0 { "node 1:" } else { "node 0-1:" };
            assert!(topology.view()[0].contains(hidden), "{:?}", topology.view());
        }
        fs::remove_dir_all(tree.path().join("sys/devices/system/cpu")).unwrap();
        let topology = Topology::read(tree.path()).unwrap();
        assert_eq!(topology.nodes().len(), 2);
        assert!(
            topology.view()[0].contains("is not known"),
            "{:?}",
            topology.view()
        );
    }

    #[test]
    fn a_garbled_file_costs_its_fact_and_says_so() {
        let tree = fixture::tree(&[spec(0, &[0], 10), spec(1, &[1], 10)]);
        let node = tree.path().join(NODES);
        fs::write(node.join("node1/distance"), "10 20 30\n").unwrap();
        fs::write(node.join("node1/meminfo"), [0xff, 0xfe]).unwrap();
        fs::remove_file(node.join("node0/cpulist")).unwrap();
        fs::write(node.join("online"), "zero\n").unwrap();
        let topology = Topology::read(tree.path()).unwrap();
        let [zero, one] = topology.nodes() else {
            panic!("two nodes: {topology:?}")
        };
        assert_eq!((zero.cpus.as_slice(), zero.mem_kb), (&[][..], Some(10)));
        assert_eq!((one.mem_kb, one.distance.as_ref()), (None, None));
        let gaps: Vec<String> = topology.gaps().iter().map(ToString::to_string).collect();
        for named in [
            "online nodes",
            "CPUs of node 0",
            "memory of node 1",
            "3 distances for 2 online nodes",
        ] {
            assert!(
                gaps.iter().any(|gap| gap.contains(named)),
                "{named} in {gaps:?}"
            );
        }
    }

    #[test]
    fn a_kernel_without_numa_is_one_node_and_nothing_at_all_is_an_error() {
        let tree = fixture::tree(&[spec(0, &[0], 10)]);
        fs::remove_dir_all(tree.path().join(NODES)).unwrap();
        let error = Topology::read(tree.path()).unwrap_err();
        assert!(error.to_string().contains("is /sys mounted?"), "{error}");
        let cpus = tree.path().join("sys/devices/system/cpu");
        fs::create_dir_all(&cpus).unwrap();
        fs::write(cpus.join("online"), "0-3\n").unwrap();
        let topology = Topology::read(tree.path()).unwrap();
        assert_eq!(
            (topology.kernel_has_numa(), topology.nodes()[0].cpus.len()),
            (false, 4)
        );

        let empty = tempfile::tempdir().unwrap();
        fs::create_dir_all(empty.path().join(NODES)).unwrap();
        assert!(matches!(
            Topology::read(empty.path()),
            Err(TopologyError::NoNodes(_))
        ));
    }

    #[test]
    fn this_machine_reads() {
        let topology = Topology::read(Path::new("/")).unwrap();
        assert!(topology.cpus().count() > 0 && topology.page_size() >= 4096);
    }
}
