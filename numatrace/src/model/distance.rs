//! Remote counts by firmware's distance.
//!
//! Where nodes are more than near and far (sub-NUMA clusters, nodes per socket), a share of remote
//! memory says little: the sibling in the same socket is remote too, and nearly as fast.

use super::matrix::{ByDistance, Matrix, share};
use super::number;
use super::report::{Host, Snapshot};

/// Returns the remote counts of a matrix by distance, with 0 for a distance without counts. `None`
/// when all remote nodes are equally far, or when a distance is not known.
#[must_use]
pub fn remote(host: &Host, matrix: &Matrix) -> Option<ByDistance> {
    let mut counts = ByDistance::new();
    for (from, node) in host.nodes.iter().enumerate() {
        let row = node.distance.as_ref()?;
        for to in (0..host.nodes.len()).filter(|to| *to != from) {
            let count = matrix.at(from, to);
            // Nothing can come from a node without CPUs, or lie on one without memory.
            let possible = !node.cpus.is_empty() && host.nodes[to].mem_kb != Some(0);
            if possible || count > 0 {
                let sum = counts.entry(*row.get(to)?).or_default();
                *sum = sum.saturating_add(count);
            }
        }
    }
    (counts.len() > 1).then_some(counts)
}

/// Returns the distance that all nodes claim to have from one another; `None` when it differs, is
/// not known, or there are fewer than two nodes.
pub fn flat<'a>(rows: impl ExactSizeIterator<Item = Option<&'a [u32]>>) -> Option<u32> {
    let mut only = None;
    for (from, row) in rows.enumerate() {
        for (_, distance) in row?.iter().enumerate().filter(|(to, _)| *to != from) {
            if only.is_some_and(|only| only != *distance) {
                return None;
            }
            only = Some(*distance);
        }
    }
    only
}

/// Says the counts by distance, near ones first: `3,000 (30 %) at distance 12, 7,000 (70 %) at 21`.
#[must_use]
pub fn sentence(counts: &ByDistance, cell: &dyn Fn(u64) -> String) -> String {
    let total = counts.values().fold(0_u64, |sum, n| sum.saturating_add(*n));
    let parts = counts.iter().enumerate().map(|(nth, (distance, count))| {
        let at = if nth == 0 { "at distance" } else { "at" };
        let share = number::percent_sign(share(*count, total));
        format!("{} ({share}) {at} {distance}", cell(*count))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Writes the counts by distance into a report, from its matrices.
pub fn fill(snapshot: &mut Snapshot) {
    let host = &snapshot.host;
    let touches = snapshot
        .processes
        .iter_mut()
        .filter_map(|process| process.first_touch.as_mut());
    let system = snapshot.system.as_mut();
    if let Some(system) = system {
        system.remote_by_distance = system
            .allocations
            .as_ref()
            .and_then(|matrix| remote(host, matrix));
        if let Some(touch) = &mut system.first_touch {
            touch.remote_by_distance = touch.pages.as_ref().and_then(|pages| remote(host, pages));
        }
    }
    for touch in touches {
        touch.remote_by_distance = touch.pages.as_ref().and_then(|pages| remote(host, pages));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CpuId, NodeId};
    use crate::model::PerNode;
    use crate::model::report::HostNode;

    fn host(rows: &[&[u32]]) -> Host {
        let node = |(at, row): (usize, &&[u32])| HostNode {
            node: NodeId(u16::try_from(at).unwrap()),
            cpus: vec![CpuId(u32::try_from(at).unwrap())],
            mem_kb: Some(1),
            memory: None,
            movable_only: None,
            distance: Some(row.to_vec()),
        };
        Host {
            kernel: String::new(),
            arch: String::new(),
            page_size: 4096,
            numa_balancing: None,
            nodes: rows.iter().enumerate().map(node).collect(),
            caches: None,
            view: Vec::new(),
        }
    }

    #[test]
    fn siblings_and_the_other_socket_are_told_apart() {
        let rows: [&[u32]; 4] = [
            &[10, 12, 21, 21],
            &[12, 10, 21, 21],
            &[21, 21, 10, 12],
            &[21, 21, 12, 10],
        ];
        let matrix = Matrix(vec![
            PerNode(vec![900, 30, 1, 2]),
            PerNode(vec![0, 0, 4, 0]),
            PerNode(vec![0; 4]),
            PerNode(vec![0, 0, 0, 5]),
        ]);
        let counts = remote(&host(&rows), &matrix).unwrap();
        assert_eq!(counts, ByDistance::from([(12, 30), (21, 7)]));
        assert_eq!(
            sentence(&counts, &number::grouped),
            "30 (81.1 %) at distance 12, 7 (18.9 %) at 21"
        );
    }

    #[test]
    fn equal_and_unknown_distances_have_nothing_to_tell() {
        let rows: [&[u32]; 2] = [&[10, 21], &[21, 10]];
        let matrix = Matrix::zeros(2);
        let mut two = host(&rows);
        assert_eq!(remote(&two, &matrix), None);
        let mut third = host(&[&[10, 21, 24], &[21, 10, 24], &[24, 24, 10]]);
        third.nodes[2].cpus.clear();
        assert!(remote(&third, &Matrix::zeros(3)).is_some());
        third.nodes[2].mem_kb = Some(0);
        assert_eq!(remote(&third, &Matrix::zeros(3)), None, "an empty node");
        two.nodes[1].distance = None;
        assert_eq!(remote(&two, &matrix), None);
    }

    #[test]
    fn a_table_is_flat_when_all_other_nodes_are_equally_far() {
        let flat_of = |rows: &[&[u32]]| flat(rows.iter().map(|row| Some(*row)));
        assert_eq!(flat_of(&[&[10, 20], &[20, 10]]), Some(20));
        assert_eq!(flat_of(&[&[10, 20], &[21, 10]]), None);
        assert_eq!(flat_of(&[&[10]]), None);
        assert_eq!(flat([None, None].into_iter()), None);
    }
}
