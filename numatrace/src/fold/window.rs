//! The window between two readings of numastat, and which counts lie in it.
//!
//! A node's file is exact for the instant at which the kernel folds that node, and nodes are read
//! one after the other. So a boundary is not one instant but one for each node. An allocation is
//! counted on its page's node, and that node's instant decides. Only `numa_foreign` is counted on a
//! different node, the preferred one; the few allocations between the two instants are counted and
//! named. Counts that the kernel does not keep by node are divided at the reading of
//! `/proc/vmstat`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{
    capture::{numastat::Round, sys::numastat::NodeCounters, vm_counters::VmCounters},
    decode::count::CountKind,
    enrich::Observation,
    ids::NodeId,
};

/// A boundary of a window: the reading chosen for each node, and the reading of the whole system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boundary {
    /// By node: the epoch that began with its reading, and the counters that were read.
    pub nodes: BTreeMap<NodeId, (u64, NodeCounters)>,
    /// The epoch that began with the reading of `/proc/vmstat`, and its counters; `None` when it
    /// could not be read.
    pub system: Option<(u64, VmCounters)>,
}

impl Boundary {
    /// Chooses, for each node, the round in which kernel and traced totals differ least.
    ///
    /// The kernel counts an allocation a little before our program does. Allocations in flight at
    /// the instant of a reading make the kernel's number larger, never smaller; so of several
    /// readings the one with the smallest difference has the fewest in flight. `around` are the
    /// counts of the epochs around the boundary.
    pub fn choose(
        rounds: &[Round],
        system: Option<(u64, VmCounters)>,
        around: &[Observation],
    ) -> Self {
        let mut chosen = BTreeMap::new();
        let nodes = rounds.first().map_or(&[][..], |round| &round.0);
        for (index, (node, ..)) in nodes.iter().enumerate() {
            let best = rounds
                .iter()
                .filter_map(|round| round.0.get(index))
                .min_by_key(|(_, epoch, kernel)| {
                    let traced: u64 = around
                        .iter()
                        .filter(|one| one.epoch < *epoch)
                        .filter_map(|one| match one.what {
                            CountKind::Alloc(count_key) => {
                                (count_key.page_node == *node).then_some(one.count)
                            }
                            _ => None,
                        })
                        .sum();
                    i128::from(kernel.local_node) + i128::from(kernel.other_node)
                        - i128::from(traced)
                });
            if let Some((_, epoch, kernel)) = best {
                chosen.insert(*node, (*epoch, *kernel));
            }
        }
        Self {
            nodes: chosen,
            system,
        }
    }

    /// Returns the first epoch behind this boundary for a node; the latest of all for an unknown
    /// node.
    fn epoch(&self, node: NodeId) -> u64 {
        self.nodes
            .get(&node)
            .map(|(epoch, _)| *epoch)
            .unwrap_or_else(|| self.last_epoch())
    }

    /// Returns the first and the last of the epochs that began with its readings.
    fn epochs(&self) -> (u64, u64) {
        let last = self.last_epoch();
        let nodes = self.nodes.values().map(|(epoch, _)| *epoch);
        nodes.fold((last, last), |(first, last), epoch| {
            (first.min(epoch), last.max(epoch))
        })
    }

    /// Returns the epoch that began with the reading of the whole system, or with the last of the
    /// chosen readings where there is none.
    fn last_epoch(&self) -> u64 {
        match &self.system {
            Some((epoch, _)) => *epoch,
            // Called for each count, so nodes are searched only where the system could not be read.
            None => self
                .nodes
                .values()
                .map(|(epoch, _)| *epoch)
                .max()
                .unwrap_or(0),
        }
    }
}

/// The window of a session or interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Boundary at its beginning.
    pub start: Boundary,
    /// Boundary at its end; `None` while it is open.
    pub end: Option<Boundary>,
    /// Epochs from this one on lie behind every reading of the start.
    after_start: u64,
    /// Epochs below this one lie before every reading of the end.
    before_end: u64,
}

impl Window {
    /// Opens a window.
    pub fn new(start: Boundary) -> Self {
        let (_, after_start) = start.epochs();
        Self {
            start,
            end: None,
            after_start,
            before_end: u64::MAX,
        }
    }

    /// Closes it.
    pub fn close(&mut self, end: Boundary) {
        (self.before_end, _) = end.epochs();
        self.end = Some(end);
    }

    /// Returns whether all counts of an epoch lie inside. That holds for all epochs but those
    /// around a boundary.
    pub fn wholly_contains(&self, epoch: u64) -> bool {
        (self.after_start..self.before_end).contains(&epoch)
    }

    /// Returns whether a count lies before the window.
    pub fn precedes(&self, count: &Observation) -> bool {
        let start = match count.what.counted_on() {
            Some(node) => self.start.epoch(node),
            None => self.start.last_epoch(),
        };
        count.epoch < start
    }

    /// Returns whether a count lies inside.
    pub fn contains(&self, count: &Observation) -> bool {
        match count.what.counted_on() {
            Some(node) => self.contains_epoch(count.epoch, node),
            None => self.contains_system(count),
        }
    }

    /// Returns whether a count lies between the two readings of the whole system.
    pub fn contains_system(&self, count: &Observation) -> bool {
        count.epoch >= self.start.last_epoch()
            && self
                .end
                .as_ref()
                .is_none_or(|end| count.epoch < end.last_epoch())
    }

    /// Returns the allocations of a count that lie inside for the preferred node and outside for
    /// the page's node, or the other way round.
    pub fn foreign_at_boundary(&self, count: &Observation) -> u64 {
        match count.what {
            CountKind::Alloc(count_key) => match count_key.preferred {
                Some(preferred)
                    if preferred != count_key.page_node
                        && self.contains_epoch(count.epoch, count_key.page_node)
                            != self.contains_epoch(count.epoch, preferred) =>
                {
                    count.count
                }
                _ => 0,
            },
            _ => 0,
        }
    }

    fn contains_epoch(&self, epoch: u64, node: NodeId) -> bool {
        epoch >= self.start.epoch(node)
            && self.end.as_ref().is_none_or(|end| epoch < end.epoch(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode::count::AllocKey, enrich::Charged};

    fn seen(epoch: u64, page: u16, preferred: u16, count: u64) -> Observation {
        Observation {
            epoch,
            charged: Charged::Irq,
            what: CountKind::Alloc(AllocKey {
                task_node: NodeId(0),
                page_node: NodeId(page),
                preferred: Some(NodeId(preferred)),
                class: None,
                cause: None,
                policy_mode: 0,
            }),
            count,
            amount: count,
        }
    }

    fn reading(node: u16, epoch: u64, total: u64) -> (NodeId, u64, NodeCounters) {
        let numastat = NodeCounters {
            local_node: total,
            ..NodeCounters::default()
        };
        (NodeId(node), epoch, numastat)
    }

    #[test]
    fn the_round_with_fewest_allocations_in_flight_is_taken_per_node() {
        // Node 0: at the first reading 3 allocations were in flight, at the second none: they are
        // traced in epoch 1.
        let rounds = [
            Round(vec![reading(0, 1, 103), reading(1, 2, 50)]),
            Round(vec![reading(0, 3, 103), reading(1, 4, 51)]),
        ];
        let around = [seen(1, 0, 0, 3)];
        let boundary = Boundary::choose(&rounds, None, &around);
        assert_eq!(boundary.nodes[&NodeId(0)].0, 3);
        assert_eq!(
            boundary.nodes[&NodeId(1)].0,
            2,
            "the later reading had one in flight"
        );
    }

    #[test]
    fn the_page_node_s_instant_decides() {
        let mut window = Window::new(Boundary::choose(
            &[Round(vec![reading(0, 1, 0), reading(1, 2, 0)])],
            None,
            &[],
        ));
        assert!(window.contains(&seen(1, 0, 0, 1)));
        assert!(!window.contains(&seen(1, 1, 1, 1)));
        window.close(Boundary::choose(
            &[Round(vec![reading(0, 5, 0), reading(1, 6, 0)])],
            None,
            &[],
        ));
        assert!(!window.contains(&seen(5, 0, 0, 1)));
        assert!(window.contains(&seen(5, 1, 1, 1)));
        assert!(!window.contains(&seen(6, 1, 1, 1)));
    }

    #[test]
    fn an_epoch_away_from_both_boundaries_lies_wholly_inside() {
        let boundary = |epoch| {
            Boundary::choose(
                &[Round(vec![reading(0, epoch, 0), reading(1, epoch + 1, 0)])],
                Some((epoch + 2, VmCounters::default())),
                &[],
            )
        };
        let mut window = Window::new(boundary(1));
        assert!(!window.wholly_contains(2) && window.wholly_contains(3));
        window.close(boundary(8));
        assert!(window.wholly_contains(7) && !window.wholly_contains(8));
    }

    #[test]
    fn misses_between_the_instants_of_two_nodes_are_foreign_at_the_boundary() {
        let window = Window::new(Boundary::choose(
            &[Round(vec![reading(0, 1, 0), reading(1, 2, 0)])],
            None,
            &[],
        ));
        // Preferred node 1, page on node 0, in epoch 1: inside for node 0, before the start for
        // node 1.
        assert_eq!(window.foreign_at_boundary(&seen(1, 0, 1, 4)), 4);
        assert_eq!(window.foreign_at_boundary(&seen(2, 0, 1, 4)), 0);
        assert_eq!(window.foreign_at_boundary(&seen(1, 0, 0, 4)), 0);
    }

    #[test]
    fn what_has_no_node_of_its_own_is_divided_at_the_reading_of_the_whole_system() {
        let boundary = |epoch| Boundary {
            system: Some((epoch, VmCounters::default())),
            ..Boundary::choose(
                &[Round(vec![reading(0, 1, 0), reading(1, 9, 0)])],
                None,
                &[],
            )
        };
        let window = Window::new(boundary(4));
        let fault = |epoch| Observation {
            what: CountKind::HintFault((NodeId(0), NodeId(1))),
            ..seen(epoch, 0, 0, 1)
        };
        assert!(!window.contains(&fault(3)) && window.precedes(&fault(3)));
        assert!(window.contains(&fault(4)));
        assert!(window.contains_system(&seen(4, 1, 1, 1)) && !window.contains(&seen(4, 1, 1, 1)));
    }
}
