//! numastat's counters from allocation count keys, by the kernel's rule (mm/page_alloc.c,
//! `zone_statistics`).
//!
//! With z the page's node, P the preferred node and L the node of the allocating CPU: z = P is a
//! hit on z, otherwise a miss on z and a foreign on P; z = L is local on z, otherwise other on z.
//! Without P the first three are not known.

use std::collections::BTreeMap;

use numatrace_common::count_key::{AllocClass, BIND_SEVERAL, RemoteCause};

use crate::{
    decode::count::AllocKey,
    fold::{Counts, Tally, sums::bump},
    ids::NodeId,
    model::{Alloc, AllocPages, ByClass, Matrix, PerNode, PolicyMode, RemoteByCause},
};

/// The parts of an allocation that the session's hooks can know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// The preferred node, for hit, miss and foreign.
    pub preferred: bool,
    /// The policy, for `interleave_hit` and causes.
    pub policy: bool,
}

/// Returns the counters of one owner, or of a sum of owners, over the nodes of the host.
pub fn counters(counts: &Counts, nodes: &[NodeId], known: Known) -> Alloc {
    let place = |node: NodeId| nodes.iter().position(|candidate| *candidate == node);
    let zeros = || PerNode::zeros(nodes.len());
    let (mut hit, mut miss, mut foreign) = (zeros(), zeros(), zeros());
    let (mut local, mut other, mut pages) = (zeros(), zeros(), zeros());
    let mut in_pages = AllocPages::zeros(nodes.len());
    let mut bind_to_several = 0u64;
    let mut causes = RemoteByCause::default();
    let mut modes: BTreeMap<PolicyMode, u64> = BTreeMap::new();
    let mut classes = ByClass::default();
    for (count_key, tally) in &counts.alloc {
        // A node that sysfs does not list has no place in arrays per node: such pages are counted
        // as unattributed.
        let Some(at) = place(count_key.page_node) else {
            continue;
        };
        let side = if count_key.page_node == count_key.task_node {
            &mut local
        } else {
            &mut other
        };
        side.add_at(at, tally.count);
        pages.add_at(at, tally.amount);
        match count_key.preferred {
            Some(preferred) if preferred == count_key.page_node => hit.add_at(at, tally.count),
            Some(preferred) => {
                miss.add_at(at, tally.count);
                if let Some(wanted) = place(preferred) {
                    foreign.add_at(wanted, tally.count);
                }
            }
            None => {}
        }
        if let Some(wanted) = count_key.preferred.and_then(place) {
            add_pages(&mut in_pages, count_key, *tally, wanted);
        }
        add_cause(&mut causes, count_key, tally.count);
        add_cause(&mut in_pages.remote_by_cause, count_key, tally.amount);
        if count_key.policy_mode == BIND_SEVERAL {
            bind_to_several = bind_to_several.saturating_add(tally.count);
        }
        if count_key.cause == Some(RemoteCause::Policy) {
            bump(
                &mut modes,
                PolicyMode::of(count_key.policy_mode),
                tally.count,
            );
        }
        let class = match count_key.class {
            Some(AllocClass::User4k) => &mut classes.user_4k,
            Some(AllocClass::UserLarge) => &mut classes.user_large,
            Some(AllocClass::Thp) => &mut classes.thp,
            Some(AllocClass::Hugetlb) => &mut classes.hugetlb,
            Some(AllocClass::PageTable) => &mut classes.page_table,
            // A class that only a later version knows counts as the kernel's.
            Some(AllocClass::Kernel) | None => &mut classes.kernel,
        };
        class.add(tally.count, tally.amount);
    }
    let mut interleave = zeros();
    for (node, count) in &counts.interleave_hit {
        if let Some(at) = place(*node) {
            interleave.add_at(at, *count);
        }
    }
    let exact = |counter: PerNode| known.preferred.then_some(counter);
    Alloc {
        numa_hit: exact(hit),
        numa_miss: exact(miss),
        numa_foreign: exact(foreign),
        interleave_hit: (known.preferred && known.policy).then_some(interleave),
        local_node: Some(local),
        other_node: Some(other),
        pages: Some(pages),
        remote_by_cause: known.preferred.then_some(causes),
        policy_by_mode: known.preferred.then_some(modes),
        bind_to_several: known.preferred.then_some(bind_to_several),
        in_pages: known.preferred.then_some(in_pages),
        by_class: Some(classes),
    }
}

/// Returns the allocations by the node of the allocating CPU and the page's node.
pub fn matrix(counts: &Counts, nodes: &[NodeId]) -> Matrix {
    let place = |node: NodeId| nodes.iter().position(|candidate| *candidate == node);
    let mut matrix = Matrix::zeros(nodes.len());
    for (count_key, tally) in &counts.alloc {
        if let Some((from, to)) = place(count_key.task_node).zip(place(count_key.page_node)) {
            matrix.add_at(from, to, tally.count);
        }
    }
    matrix
}

/// Adds the pages of allocations for which the node at a position was preferred.
fn add_pages(sum: &mut AllocPages, count_key: &AllocKey, tally: Tally, wanted: usize) {
    let is_foreign = count_key.preferred != Some(count_key.page_node);
    let is_huge = count_key.class == Some(AllocClass::Thp);
    for (of, amount, applies) in [
        (&mut sum.wanted, tally.amount, true),
        (&mut sum.foreign, tally.amount, is_foreign),
        (&mut sum.huge_wanted, tally.count, is_huge),
        (&mut sum.huge_foreign, tally.count, is_huge && is_foreign),
    ] {
        if applies {
            of.add_at(wanted, amount);
        }
    }
}

fn add_cause(causes: &mut RemoteByCause, count_key: &AllocKey, count: u64) {
    let sum = match count_key.cause {
        Some(RemoteCause::None) => return,
        Some(RemoteCause::Policy) => &mut causes.policy,
        Some(RemoteCause::Fallback) => &mut causes.fallback,
        Some(RemoteCause::Cpuset) => &mut causes.cpuset,
        Some(RemoteCause::Memoryless) => &mut causes.memoryless,
        Some(RemoteCause::KernelNode) => &mut causes.kernel_node,
        Some(RemoteCause::TaskMoved) => &mut causes.task_moved,
        Some(RemoteCause::Unknown) | None => &mut causes.unknown,
    };
    *sum = sum.saturating_add(count);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn count_key(task: u16, page: u16, preferred: Option<u16>) -> AllocKey {
        AllocKey {
            task_node: NodeId(task),
            page_node: NodeId(page),
            preferred: preferred.map(NodeId),
            class: None,
            cause: None,
            policy_mode: 0,
        }
    }

    fn of(count_keys: impl IntoIterator<Item = (AllocKey, Tally)>) -> Counts {
        Counts {
            alloc: count_keys.into_iter().collect(),
            ..Counts::default()
        }
    }

    const ALL: Known = Known {
        preferred: true,
        policy: true,
    };

    fn tally(count: u64, amount: u64) -> Tally {
        Tally { count, amount }
    }

    #[test]
    fn bound_to_the_other_node_is_a_hit_and_other() {
        let count_keys = of([(count_key(0, 1, Some(1)), tally(1000, 1000))]);
        let alloc = counters(&count_keys, &[NodeId(0), NodeId(1)], ALL);
        assert_eq!(alloc.numa_hit.unwrap().0, [0, 1000]);
        assert_eq!(alloc.other_node.unwrap().0, [0, 1000]);
        assert_eq!(alloc.numa_miss.unwrap().0, [0, 0]);
    }

    #[test]
    fn a_full_node_is_a_miss_here_and_foreign_there() {
        let count_keys = of([(count_key(0, 1, Some(0)), tally(40, 40))]);
        let alloc = counters(&count_keys, &[NodeId(0), NodeId(1)], ALL);
        assert_eq!(alloc.numa_miss.unwrap().0, [0, 40]);
        assert_eq!(alloc.numa_foreign.unwrap().0, [40, 0]);
    }

    #[test]
    fn a_huge_page_is_one_allocation_and_512_pages() {
        let count_keys = of([(count_key(0, 0, Some(0)), tally(8, 4096))]);
        let alloc = counters(&count_keys, &[NodeId(0)], ALL);
        assert_eq!(
            (alloc.local_node.unwrap().0[0], alloc.pages.unwrap().0[0]),
            (8, 4096)
        );
    }

    #[test]
    fn pages_are_counted_by_the_node_that_was_wanted() {
        let huge = AllocKey {
            class: Some(AllocClass::Thp),
            cause: Some(RemoteCause::Fallback),
            ..count_key(0, 1, Some(0))
        };
        let at_home = AllocKey {
            page_node: NodeId(0),
            cause: Some(RemoteCause::None),
            ..huge
        };
        let count_keys = of([
            (huge, tally(64, 32_768)),
            (at_home, tally(6, 3_072)),
            (count_key(0, 0, Some(0)), tally(10, 10)),
        ]);
        let pages = counters(&count_keys, &[NodeId(0), NodeId(1)], ALL)
            .in_pages
            .unwrap();
        assert_eq!(pages.wanted.0, [35_850, 0]);
        assert_eq!(pages.foreign.0, [32_768, 0]);
        assert_eq!(pages.huge_wanted.0, [70, 0]);
        assert_eq!(pages.huge_foreign.0, [64, 0]);
        assert_eq!(pages.remote_by_cause.fallback, 32_768);
    }

    #[test]
    fn a_bind_to_several_nodes_is_a_bind_and_told_apart() {
        let by = |policy_mode| AllocKey {
            cause: Some(RemoteCause::Policy),
            policy_mode,
            ..count_key(0, 1, Some(1))
        };
        let count_keys = of([(by(2), tally(7, 7)), (by(BIND_SEVERAL), tally(5, 5))]);
        let alloc = counters(&count_keys, &[NodeId(0), NodeId(1)], ALL);
        assert_eq!(
            alloc.policy_by_mode.as_ref().unwrap()[&PolicyMode::Bind],
            12
        );
        assert_eq!(alloc.bind_to_several, Some(5));
        assert_eq!(alloc.meant_by_policy(), 5);
    }

    #[test]
    fn modes_are_a_partition_of_the_allocations_by_policies() {
        let by = |policy_mode| AllocKey {
            cause: Some(RemoteCause::Policy),
            policy_mode,
            ..count_key(0, 1, Some(1))
        };
        let count_keys = of([
            (by(2), tally(7, 7)),
            (by(3), tally(2, 2)),
            (by(0), tally(1, 1)),
        ]);
        let alloc = counters(&count_keys, &[NodeId(0), NodeId(1)], ALL);
        let modes = alloc.policy_by_mode.unwrap();
        assert_eq!(
            modes.into_iter().collect::<Vec<_>>(),
            [
                (PolicyMode::Bind, 7),
                (PolicyMode::Interleave, 2),
                (PolicyMode::Unknown, 1)
            ]
        );
        assert_eq!(alloc.remote_by_cause.unwrap().policy, 10);
    }

    #[test]
    fn without_the_preferred_node_hits_are_not_known_but_local_is() {
        let count_keys = of([(count_key(0, 0, None), tally(5, 5))]);
        let alloc = counters(&count_keys, &[NodeId(0)], Known::default());
        assert_eq!(alloc.numa_hit, None);
        assert_eq!(alloc.local_node.unwrap().0, [5]);
    }

    proptest! {
        /// The kernel's own invariants hold on every node of any machine, sparse numbers included.
        #[test]
        fn hit_plus_miss_is_local_plus_other_and_misses_are_foreign(
            counts in proptest::collection::vec((0u16..4, 0u16..4, 0u16..4, 0u64..1000), 0..60)
        ) {
            let nodes: Vec<NodeId> = [0, 2, 5, 63].map(NodeId).to_vec();
            let at = |index: u16| nodes[usize::from(index)].0;
            let mut count_keys: BTreeMap<AllocKey, Tally> = BTreeMap::new();
            for (task, page, preferred, count) in counts {
                let key = count_key(at(task), at(page), Some(at(preferred)));
                count_keys.entry(key).or_default().add(count, count);
            }
            let alloc = counters(&of(count_keys), &nodes, ALL);
            let (hit, miss) = (alloc.numa_hit.unwrap(), alloc.numa_miss.unwrap());
            let (local, other) = (alloc.local_node.unwrap(), alloc.other_node.unwrap());
            for node in 0..nodes.len() {
                prop_assert_eq!(hit.at(node) + miss.at(node), local.at(node) + other.at(node));
            }
            prop_assert_eq!(miss.total(), alloc.numa_foreign.unwrap().total());
            let classes = alloc.by_class.unwrap().named().map(|(_, class)| class);
            let allocations = classes.iter().map(|class| class.allocations).sum::<u64>();
            prop_assert_eq!(allocations, local.total() + other.total());
            let pages = classes.iter().map(|class| class.pages).sum::<u64>();
            prop_assert_eq!(pages, alloc.pages.unwrap().total());
        }
    }
}
