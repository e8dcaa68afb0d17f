//! Intervals that follow one another: each count is in exactly one of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Accumulators, Boundary, Folding};
use crate::{
    capture::sys::numastat::NodeCounters,
    decode::count::{AllocKey, CountKind},
    enrich::{Charged, Observation},
    ids::NodeId,
};

fn seen(epoch: u64, node: u16, count: u64) -> Observation {
    Observation {
        epoch,
        charged: Charged::Irq,
        what: CountKind::Alloc(AllocKey {
            task_node: NodeId(0),
            page_node: NodeId(node),
            preferred: Some(NodeId(node)),
            class: None,
            cause: None,
            policy_mode: 0,
        }),
        count,
        amount: count,
    }
}

/// A boundary at which the reading of node `n` began epoch `epochs[n]`.
fn boundary(epochs: [u64; 2]) -> Boundary {
    let reading = |node: u16, epoch| (NodeId(node), (epoch, NodeCounters::default()));
    Boundary {
        nodes: BTreeMap::from([reading(0, epochs[0]), reading(1, epochs[1])]),
        system: None,
    }
}

fn total(counted: &Accumulators) -> u64 {
    counted.allocs().map(|(.., tally)| tally.count).sum()
}

#[test]
fn a_count_at_a_boundary_is_in_one_of_both_intervals() {
    // Node 0 was read when epoch 5 began, node 1 when epoch 6 did.
    let around = [seen(5, 0, 1), seen(5, 1, 10), seen(6, 1, 100)];
    let first = Folding::begin(boundary([1, 1]), &[]);
    let second = Folding::follow(boundary([5, 6]), &around);
    let (_, first) = first.end(boundary([5, 6]), &around);
    assert_eq!((total(&first), total(&second.inside)), (10, 101));
}

#[test]
fn what_comes_late_belongs_to_the_interval_that_is_still_open() {
    let mut first = Folding::begin(boundary([3, 3]), &[]);
    first.apply(&seen(2, 0, 1));
    assert_eq!(total(&first.inside), 0, "before the session");
    let mut second = Folding::follow(boundary([5, 5]), &[]);
    second.apply(&seen(4, 0, 1));
    assert_eq!(
        total(&second.inside),
        1,
        "in the session, and in no other interval"
    );
}

proptest! {
    /// However a session is divided, its intervals add up to the whole.
    #[test]
    fn intervals_add_up_to_the_session(
        counts in proptest::collection::vec((3u64..40, 0u16..2, 1u64..100), 0..60),
        at in proptest::collection::vec((0u64..3, 0u64..3), 1..5),
    ) {
        // Boundaries at epochs 5, 15, 25 …, each node's reading up to two epochs later.
        let boundaries: Vec<Boundary> = (0u64..)
            .zip(&at)
            .map(|(i, (zero, one))| boundary([5 + 10 * i + zero, 5 + 10 * i + one]))
            .collect();
        // The counts around a boundary are those since the sweep two epochs before it.
        let sweeps = |i: u64| 3 + 10 * i;
        let of = |from: u64, to: u64| -> Vec<Observation> {
            counts
                .iter()
                .filter(|(epoch, ..)| (from..to).contains(epoch))
                .map(|(epoch, node, count)| seen(*epoch, *node, *count))
                .collect()
        };
        let around = |i: u64| of(sweeps(i), 10 * i + 8);
        let between = |i: u64| of(10 * i + 8, sweeps(i + 1));
        let last = boundaries.len() as u64 - 1;

        let mut whole = Folding::begin(boundaries[0].clone(), &around(0));
        let mut part = Folding::begin(boundaries[0].clone(), &around(0));
        let mut sum = 0;
        for (i, boundary) in (1u64..).zip(&boundaries[1..]) {
            for one in between(i - 1) {
                whole.apply(&one);
                part.apply(&one);
            }
            if i == last {
                break;
            }
            // The whole session knows of no boundary here: these counts are like any other.
            around(i).iter().for_each(|one| whole.apply(one));
            let next = Folding::follow(boundary.clone(), &around(i));
            let (_, inside) = std::mem::replace(&mut part, next).end(boundary.clone(), &around(i));
            sum += total(&inside);
        }
        let end = boundaries.last().unwrap().clone();
        if last > 0 {
            let (_, inside) = part.end(end.clone(), &around(last));
            sum += total(&inside);
            let (_, inside) = whole.end(end, &around(last));
            prop_assert_eq!(sum, total(&inside));
        }
    }
}
