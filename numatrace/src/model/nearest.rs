//! The order in which the kernel tries the nodes for an allocation, from distances.
//!
//! The kernel shows the order only in its log ("Fallback order for Node 0: 0 1"), so it is computed
//! here as `build_zonelists` and `find_next_best_node` of mm/page_alloc.c do.

/// The facts about a node that decide.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Whether it has memory.
    pub memory: bool,
    /// Whether it has CPUs.
    pub cpus: bool,
    /// Whether kernel memory never comes from it.
    pub movable_only: bool,
    /// Its distance to every node, in the order of the nodes; `None` when not known.
    pub distance: Option<&'a [u32]>,
}

/// Returns, for each node, the positions of the nodes with memory in the kernel's order: a node
/// that has memory comes first in its own. A node whose distances are not known has none.
///
/// Nodes at the same distance take turns: the next in number goes before those below the node, and
/// the one that already is the first choice of fewer nodes before the others. The kernel counts
/// those choices while it goes over the nodes in ascending order, so all orders are made together.
#[must_use]
pub fn orders(nodes: &[Place<'_>]) -> Vec<Vec<usize>> {
    let mut load = vec![0_u64; nodes.len()];
    let penalty = u64::from(cpus_count(nodes));
    (0..nodes.len())
        .map(|from| order(nodes, from, penalty, &mut load))
        .collect()
}

/// Returns, for each node, the node with memory that the kernel tries first; itself when it has
/// memory.
#[must_use]
pub fn nearest(nodes: &[Place<'_>]) -> Vec<Option<usize>> {
    let orders = orders(nodes);
    let first = orders.iter().zip(nodes).enumerate();
    first
        .map(|(from, (order, node))| node.memory.then_some(from).or(order.first().copied()))
        .collect()
}

/// Returns whether nodes with CPUs come after nodes without at the same distance. At boot the
/// kernel makes its lists before it knows the CPUs of a node. It makes them anew when a zone gets
/// its first memory, and the memory of a node that is movable only came that way as a rule.
fn cpus_count(nodes: &[Place<'_>]) -> bool {
    nodes
        .iter()
        .any(|node| node.memory && !node.cpus && node.movable_only)
}

fn order(nodes: &[Place<'_>], from: usize, penalty: u64, load: &mut [u64]) -> Vec<usize> {
    let Some(row) = nodes.get(from).and_then(|node| node.distance) else {
        return Vec::new();
    };
    let distance = |to: usize| row.get(to).copied().map_or(u64::MAX >> 1, u64::from);
    let mut order = Vec::new();
    let mut left: Vec<usize> = (0..nodes.len()).filter(|&to| nodes[to].memory).collect();
    let mut previous = from;
    while let Some(best) = left.iter().copied().min_by_key(|&to| {
        let below = u64::from(to < from);
        let cpus = penalty * u64::from(nodes[to].cpus);
        (to != from, distance(to) + below + cpus, load[to], to)
    }) {
        left.retain(|&to| to != best);
        if distance(best) != distance(previous) {
            load[best] += 1;
        }
        previous = best;
        order.push(best);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CPUs, memory, movable only.
    type Node = (bool, bool, bool);

    const BOTH: Node = (true, true, false);
    const CPUS: Node = (true, false, false);
    const MEMORY: Node = (false, true, false);

    fn orders_of(nodes: &[Node], rows: &[&[u32]]) -> Vec<Vec<usize>> {
        orders(&places(nodes, rows))
    }

    fn places<'a>(nodes: &[Node], rows: &[&'a [u32]]) -> Vec<Place<'a>> {
        let place = |(&(cpus, memory, movable_only), row): (&Node, &&'a [u32])| Place {
            memory,
            cpus,
            movable_only,
            distance: Some(*row),
        };
        nodes.iter().zip(rows).map(place).collect()
    }

    const THREE: [&[u32]; 3] = [&[10, 21, 21], &[21, 10, 21], &[21, 21, 10]];
    const FOUR: [&[u32]; 4] = [
        &[10, 21, 21, 21],
        &[21, 10, 21, 21],
        &[21, 21, 10, 21],
        &[21, 21, 21, 10],
    ];

    #[test]
    fn orders_are_those_that_kernels_printed_for_these_distances() {
        // Linux 6.12, "Fallback order for Node N" at boot.
        let one_with_cpus = orders_of(&[CPUS, MEMORY, MEMORY, MEMORY], &FOUR);
        assert_eq!(
            one_with_cpus,
            [vec![1, 2, 3], vec![1, 2, 3], vec![2, 3, 1], vec![3, 1, 2]]
        );
        let outer_without_memory = orders_of(&[CPUS, BOTH, BOTH, CPUS], &FOUR);
        assert_eq!(
            outer_without_memory,
            [vec![1, 2], vec![1, 2], vec![2, 1], vec![2, 1]]
        );
        let last_without_cpus = orders_of(&[BOTH, BOTH, MEMORY], &THREE);
        assert_eq!(
            last_without_cpus,
            [vec![0, 1, 2], vec![1, 2, 0], vec![2, 0, 1]]
        );
        // That guest after memory of node 2 was put online as movable.
        let hotplugged = orders_of(&[BOTH, BOTH, (false, true, true)], &THREE);
        assert_eq!(hotplugged, [vec![0, 2, 1], vec![1, 2, 0], vec![2, 0, 1]]);
    }

    #[test]
    fn a_node_without_memory_has_the_nearest_and_equal_ones_take_turns() {
        let places = places(&[CPUS, BOTH, BOTH, CPUS], &FOUR);
        assert_eq!(nearest(&places), [Some(1), Some(1), Some(2), Some(2)]);
        let rows: [&[u32]; 3] = [&[10, 40, 17], &[40, 10, 20], &[17, 20, 10]];
        let order = orders_of(&[CPUS, BOTH, MEMORY], &rows);
        assert_eq!(order[0], [2, 1], "distance decides first");
    }

    #[test]
    fn unknown_distances_give_no_order_and_own_memory_is_known_all_the_same() {
        let place = |memory| Place {
            memory,
            cpus: true,
            movable_only: false,
            distance: None,
        };
        let places = [place(false), place(true)];
        assert_eq!(orders(&places), [Vec::<usize>::new(), Vec::new()]);
        assert_eq!(nearest(&places), [None, Some(1)]);
        assert_eq!(nearest(&[]), []);
    }
}
