//! Phrases that findings have in common: lists of nodes, names of processes.

use super::away;
use crate::ids::ranges;
use crate::model::topology::MemoryKind;
use crate::model::{Host, Process, number};

/// Names nodes by their positions in `host.nodes`: `node 1`, `nodes 1 and 3`, `nodes 0-2 and 7`.
pub fn nodes(host: &Host, positions: impl IntoIterator<Item = usize>) -> String {
    let numbers = numbers(host, positions);
    let list = ranges(numbers.iter().copied());
    let noun = if numbers.len() == 1 { "node" } else { "nodes" };
    match list.rsplit_once(',') {
        None => format!("{noun} {list}"),
        Some((first, last)) => format!("{noun} {} and {last}", first.replace(',', ", ")),
    }
}

/// Lists nodes in numactl's syntax.
pub fn node_list(host: &Host, positions: impl IntoIterator<Item = usize>) -> String {
    ranges(numbers(host, positions))
}

/// Returns node numbers, ascending.
fn numbers(host: &Host, positions: impl IntoIterator<Item = usize>) -> Vec<u32> {
    let mut numbers: Vec<u32> = positions
        .into_iter()
        .filter_map(|position| host.nodes.get(position))
        .map(|node| u32::from(node.node.0))
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Returns the positions of the nodes that have memory, or whose memory is unknown.
fn with_memory(host: &Host) -> impl Iterator<Item = usize> {
    let has = host
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.mem_kb != Some(0));
    has.map(|(position, _)| position)
}

/// Returns the positions of the nodes that advice may name for ordinary memory: DRAM, with CPUs or
/// without. Other memory only where nothing else is, and a GPU's last.
pub fn ordinary(host: &Host) -> Vec<usize> {
    let kind = |position: &usize| host.nodes.get(*position).and_then(|node| node.memory);
    let of = |kinds: &[Option<MemoryKind>]| -> Vec<usize> {
        with_memory(host)
            .filter(|position| kinds.contains(&kind(position)))
            .collect()
    };
    // Reports of earlier versions do not know the kind.
    let dram = of(&[None, Some(MemoryKind::Dram)]);
    let other = of(&[Some(MemoryKind::Hbm), Some(MemoryKind::Slow)]);
    let found = [dram, other].into_iter().find(|found| !found.is_empty());
    found.unwrap_or_else(|| with_memory(host).collect())
}

/// Returns the nodes over which memory can be interleaved, for numactl: `all` when these are all
/// nodes with memory.
pub fn interleave(host: &Host) -> String {
    let ordinary = ordinary(host);
    if ordinary.len() == with_memory(host).count() {
        return "all".to_owned();
    }
    node_list(host, ordinary)
}

/// Returns the node itself when it has CPUs, else the nodes with CPUs at the least distance.
pub fn with_cpus_near(host: &Host, position: usize) -> Vec<usize> {
    let has_cpus = |at: &usize| {
        host.nodes
            .get(*at)
            .is_some_and(|node| !node.cpus.is_empty())
    };
    if has_cpus(&position) {
        return vec![position];
    }
    let distance = |at: usize| {
        let row = host.nodes.get(position)?.distance.as_ref()?;
        row.get(at).copied()
    };
    let candidates = || (0..host.nodes.len()).filter(has_cpus);
    let least = candidates().filter_map(distance).min();
    candidates().filter(|at| distance(*at) == least).collect()
}

/// Returns the position of the node with most of a process's memory; the node with most of its CPU
/// time when no node has.
pub fn home(host: &Host, process: &Process) -> Option<usize> {
    let named = process.home_node;
    let position = host.nodes.iter().position(|node| Some(node.node) == named);
    position.or_else(|| process.run_ns.as_ref()?.most())
}

/// Says how much of a process's memory is on its home node.
pub fn at_home(host: &Host, process: &Process, home: usize) -> String {
    format!(
        "{} MiB of the {} MiB {} are on {}",
        number::mib(Some(away::at_home(process, home)), host.page_size),
        number::mib(Some(away::pages(process)), host.page_size),
        away::known_by(process),
        nodes(host, [home])
    )
}

/// Lists the first `most` of some counts, and sums up the others: `40 by node 1, 9 by 2 more`.
pub fn counts(counts: &[(u64, String)], most: usize) -> String {
    let (named, rest) = counts.split_at(most.min(counts.len()));
    let by = |(count, who): &(u64, String)| format!("{} by {who}", number::grouped(*count));
    let mut parts: Vec<String> = named.iter().map(by).collect();
    if !rest.is_empty() {
        let sum = rest.iter().map(|(count, _)| count).sum();
        parts.push(by(&(sum, format!("{} more", rest.len()))));
    }
    parts.join(", ")
}

/// Returns the verb of a sentence in the past about so many things.
pub fn were(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// Names a process: `app (4242)`. Outputs escape the sentence that it is in.
pub fn process(process: &Process) -> String {
    format!("{} ({})", process.comm.to_utf8(), process.pid)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::ids::{CpuId, NodeId};
    use crate::model::report::HostNode;

    /// Returns a machine: CPUs, memory and its kind; 20 from node to node, 14 to the one after an
    /// even one.
    pub fn host(nodes: &[(bool, Option<MemoryKind>)]) -> Host {
        let distance = |from: usize, to: usize| match (from == to, from / 2 == to / 2) {
            (true, _) => 10,
            (_, true) => 14,
            _ => 20,
        };
        let node = |(at, (cpus, memory)): (usize, &(bool, Option<MemoryKind>))| HostNode {
            node: NodeId(u16::try_from(at).unwrap()),
            cpus: cpus
                .then(|| CpuId(u32::try_from(at).unwrap()))
                .into_iter()
                .collect(),
            mem_kb: Some(if memory.is_some() { 1 << 20 } else { 0 }),
            memory: *memory,
            movable_only: Some(false),
            distance: Some((0..nodes.len()).map(|to| distance(at, to)).collect()),
        };
        Host {
            kernel: String::new(),
            arch: String::new(),
            page_size: 4096,
            numa_balancing: None,
            nodes: nodes.iter().enumerate().map(node).collect(),
            caches: None,
            view: Vec::new(),
        }
    }

    #[test]
    fn counts_that_are_not_listed_are_summed_up() {
        let by = |count, who: &str| (count, who.to_owned());
        let all = [by(4_000, "node 1"), by(30, "node 2"), by(9, "node 3")];
        assert_eq!(counts(&all, 1), "4,000 by node 1, 39 by 2 more");
        assert_eq!(
            counts(&all, 3),
            "4,000 by node 1, 30 by node 2, 9 by node 3"
        );
        assert_eq!(counts(&all[..1], 5), "4,000 by node 1");
    }

    #[test]
    fn advice_for_ordinary_memory_leaves_out_gpus_and_slow_nodes() {
        use MemoryKind::{Dram, Gpu, Hbm, Slow};
        let dram = Some(Dram);
        for (nodes, fit, interleave) in [
            (vec![(true, dram), (true, dram)], vec![0, 1], "all"),
            (vec![(true, dram), (false, dram)], vec![0, 1], "all"),
            (
                vec![(true, dram), (true, dram), (false, Some(Slow))],
                vec![0, 1],
                "0-1",
            ),
            (vec![(true, dram), (false, Some(Gpu))], vec![0], "0"),
            (vec![(true, None), (false, Some(Slow))], vec![1], "all"),
            (
                vec![(true, None), (false, Some(Hbm)), (false, Some(Gpu))],
                vec![1],
                "1",
            ),
            (vec![(true, None), (false, Some(Gpu))], vec![1], "all"),
        ] {
            let host = host(&nodes);
            assert_eq!(ordinary(&host), fit, "{nodes:?}");
            assert_eq!(super::interleave(&host), interleave, "{nodes:?}");
        }
    }
}
