//! Two readings of the six counters to growth, sums, shares and imbalance.

use crate::model::stat::counters::{CounterInterval, CounterSection, CounterView, Counters};

/// Returns the section of one reading. `before` is the reading that growth is counted from, and
/// `has_memory` marks the nodes that can serve allocations at all; both are in the same order of
/// nodes.
#[must_use]
pub fn section(
    now: &[Option<Counters>],
    before: Option<&[Option<Counters>]>,
    counting: Option<bool>,
    has_memory: &[bool],
) -> CounterSection {
    CounterSection {
        counting,
        nodes: views(now),
        total: total(now),
        interval: before.map(|before| {
            let growth: Vec<_> = (0..now.len())
                .map(|node| {
                    growth(
                        before.get(node).copied().flatten()?,
                        now.get(node).copied().flatten()?,
                    )
                })
                .collect();
            CounterInterval {
                nodes: views(&growth),
                total: total(&growth),
                imbalance: imbalance(&growth, has_memory),
            }
        }),
    }
}

fn views(counters: &[Option<Counters>]) -> Vec<Option<CounterView>> {
    counters
        .iter()
        .map(|counters| counters.map(CounterView::from))
        .collect()
}

fn total(counters: &[Option<Counters>]) -> CounterView {
    let mut sum = [0u64; 6];
    for counters in counters.iter().flatten() {
        for (sum, value) in sum.iter_mut().zip(counters.values()) {
            *sum = sum.saturating_add(value);
        }
    }
    Counters::from_values(sum).into()
}

/// Returns the growth of one node's counters; `None` when one of them went backwards, because they
/// were set to zero in between.
fn growth(before: Counters, now: Counters) -> Option<Counters> {
    let mut grown = [0u64; 6];
    for ((grown, before), now) in grown.iter_mut().zip(before.values()).zip(now.values()) {
        *grown = now.checked_sub(before)?;
    }
    Some(Counters::from_values(grown))
}

/// Returns the part of the allocations above an equal share, summed over the nodes that served more
/// than that. Memoryless nodes cannot serve any, so they do not count; a node that is merely idle
/// does.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share of counts beyond 2^53 is right to 15 digits all the same"
)]
fn imbalance(growth: &[Option<Counters>], has_memory: &[bool]) -> Option<f64> {
    let giving = growth
        .iter()
        .zip(has_memory)
        .filter(|&(_, &has_memory)| has_memory);
    let given: Vec<f64> = giving
        .filter_map(|(growth, _)| Some(growth.as_ref()?.allocations() as f64))
        .collect();
    let sum: f64 = given.iter().sum();
    if given.len() < 2 || sum <= 0.0 {
        return None;
    }
    let even = sum / given.len() as f64;
    Some(
        given
            .iter()
            .map(|given| (given - even).max(0.0))
            .sum::<f64>()
            / sum,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(numa_hit: u64, other_node: u64) -> Option<Counters> {
        Some(Counters {
            numa_hit,
            local_node: numa_hit - other_node,
            other_node,
            ..Counters::default()
        })
    }

    #[test]
    fn growth_shares_and_imbalance_are_those_of_the_interval() {
        let before = [hits(1000, 0), hits(500, 100)];
        let now = [hits(1300, 30), hits(600, 100)];
        let section = section(&now, Some(&before), Some(true), &[true, true]);
        let interval = section.interval.unwrap();
        assert_eq!(interval.total.counters.numa_hit, 400);
        assert_eq!(interval.nodes[0].unwrap().local_share, Some(0.9));
        assert_eq!(interval.nodes[1].unwrap().local_share, Some(1.0));
        assert_eq!(
            interval.imbalance,
            Some(0.25),
            "100 of the 400 would have to come from node 1"
        );
        assert_eq!(section.total.local_share, Some(1770.0 / 1900.0));
    }

    #[test]
    fn counters_set_to_zero_have_no_growth_and_nothing_has_no_share() {
        let section = section(
            &[hits(5, 0), hits(7, 0), None],
            Some(&[hits(9, 0), hits(7, 0)]),
            None,
            &[true; 3],
        );
        let interval = section.interval.unwrap();
        assert_eq!((interval.nodes[0], interval.nodes[2]), (None, None));
        assert_eq!(
            (interval.nodes[1].unwrap().hit_share, interval.imbalance),
            (None, None)
        );
    }

    #[test]
    fn a_memoryless_node_does_not_unbalance_a_machine() {
        let now = [hits(10, 0), hits(10, 0), hits(0, 0)];
        let before = [hits(0, 0); 3];
        let section = section(&now, Some(&before), None, &[true, true, false]);
        assert_eq!(section.interval.unwrap().imbalance, Some(0.0));
    }
}
