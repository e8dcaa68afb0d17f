//! `/proc/zoneinfo` by node: what a node has when `/sys` does not show it. The file is the kernel's
//! own in containers whose `/sys` is masked or rewritten (lxcfs rewrites others of `/proc`).

use std::path::Path;

use super::{
    ReadError,
    numastat::{self, NodeCounters},
    read_text,
    zoneinfo::header,
};
use crate::ids::NodeId;

/// Sums over the zones of one online node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneSum {
    /// The node.
    pub node: NodeId,
    /// Base pages that the allocator manages: the node's MemTotal.
    pub managed: u64,
    /// Free base pages.
    pub free: u64,
    /// True when a zone that the kernel allocates for itself from has pages.
    pub has_normal: bool,
    /// numastat's counters; `None` on a kernel without NUMA.
    pub counters: Option<NodeCounters>,
}

/// Reads the sums of all online nodes, ascending.
///
/// # Errors
/// The file cannot be read.
pub fn read(root: &Path) -> Result<Vec<ZoneSum>, ReadError> {
    Ok(parse(&read_text(root, "proc/zoneinfo")?))
}

/// Reads numastat's counters of one node: from its own file, or from its zones where a container
/// hides that file.
///
/// # Errors
/// That of the node's own file.
pub fn numastat_or_zones(root: &Path, node: NodeId) -> Result<NodeCounters, ReadError> {
    match numastat::read_node(root, node) {
        Err(error) if error.is_absent() => counters(root, node).map_err(|_| error),
        read => read,
    }
}

/// Reads numastat's counters of one node from its zones. The kernel folds its per-CPU parts for
/// each zone in turn, so the sum is not of one instant.
///
/// # Errors
/// The file cannot be read, or has no counters of that node.
pub fn counters(root: &Path, node: NodeId) -> Result<NodeCounters, ReadError> {
    let sums = read(root)?;
    let own = sums.into_iter().find(|sum| sum.node == node);
    own.and_then(|sum| sum.counters).ok_or_else(|| {
        let what = format!("it has no counters of node {node}");
        ReadError::garbage(root.join("proc/zoneinfo"), what)
    })
}

fn parse(text: &str) -> Vec<ZoneSum> {
    let mut sums: Vec<ZoneSum> = Vec::new();
    let mut is_normal = false;
    for line in text.lines() {
        if let Some((node, zone)) = header(line) {
            is_normal = !matches!(zone, "Movable" | "Device");
            if !sums.iter().any(|sum| sum.node == node) {
                sums.push(ZoneSum {
                    node,
                    ..ZoneSum::default()
                });
            }
            // The rows that follow are those of the last node: the kernel lists each node once.
            sums.sort_by_key(|sum| sum.node == node);
            continue;
        }
        let Some(sum) = sums.last_mut() else {
            continue;
        };
        let mut words = line.split_ascii_whitespace();
        let (name, value) = match (words.next(), words.next()) {
            (Some("pages"), Some("free")) => ("free", words.next()),
            (Some(name), value) => (name, value),
            _ => continue,
        };
        let Some(value) = value.and_then(|value| value.parse::<u64>().ok()) else {
            continue;
        };
        match name {
            "free" => sum.free = sum.free.saturating_add(value),
            "managed" => {
                sum.managed = sum.managed.saturating_add(value);
                sum.has_normal |= is_normal && value > 0;
            }
            _ => count(&mut sum.counters, name, value),
        }
    }
    sums.sort_by_key(|sum| sum.node);
    sums
}

fn count(counters: &mut Option<NodeCounters>, name: &str, value: u64) {
    let mut sums = counters.unwrap_or_default();
    let sum = match name {
        "numa_hit" => &mut sums.numa_hit,
        "numa_miss" => &mut sums.numa_miss,
        "numa_foreign" => &mut sums.numa_foreign,
        "numa_interleave" => &mut sums.interleave_hit,
        "numa_local" => &mut sums.local_node,
        "numa_other" => &mut sums.other_node,
        _ => return,
    };
    *sum = sum.saturating_add(value);
    *counters = Some(sums);
}

/// Returns the zones' nodes as a whole file says them; for tests of other readers.
#[cfg(test)]
pub fn text(nodes: &[(u16, u64, Option<u64>)]) -> String {
    let zone = |(node, managed, hits): &(u16, u64, Option<u64>)| {
        let counters = hits.map_or_else(String::new, |hits| {
            format!(
                "      numa_hit     {hits}\n      numa_miss    0\n      numa_foreign 0\n      \
                 numa_interleave 1\n      numa_local   {hits}\n      numa_other   2\n"
            )
        });
        format!(
            "Node {node}, zone   Normal\n  pages free     7\n        managed  {managed}\n{counters}"
        )
    };
    nodes.iter().map(zone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sys::fixture::write;

    #[test]
    fn zones_of_a_node_add_up_and_no_counter_is_made_up() {
        let root = tempfile::tempdir().unwrap();
        let whole = text(&[(0, 100, Some(10)), (0, 50, Some(5)), (3, 0, None)]);
        write(&root.path().join("proc/zoneinfo"), &whole);
        let sums = read(root.path()).unwrap();
        assert_eq!((sums.len(), sums[0].managed, sums[0].free), (2, 150, 14));
        let counted = counters(root.path(), NodeId(0)).unwrap();
        assert_eq!(
            (counted.numa_hit, counted.interleave_hit, counted.other_node),
            (15, 2, 4)
        );
        assert!(sums[0].has_normal && !sums[1].has_normal);
        assert!(counters(root.path(), NodeId(3)).is_err());
        assert!(counters(root.path(), NodeId(9)).is_err());
    }
}
