//! Which counts belong between two readings of numastat.
//!
//! A node's file is exact for the instant of its own fold, and nodes are read one after the other, so a cut is not one instant but
//! one per node. An allocation is counted on its page's node, so that node's instant decides. Only `numa_foreign` is counted on
//! another node, the preferred one; the few allocations between the two instants are counted and named. What the kernel does not count
//! by node is cut at the reading of `/proc/vmstat`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{
    capture::{numastat::Round, sys::numastat::NodeCounters, vm_counters::VmCounters},
    decode::count::CountKind,
    enrich::Observation,
    ids::NodeId,
};

/// The reading chosen for each node, and the one of the whole system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boundary {
    /// Per node the epoch that began with its reading, and what was read.
    pub nodes: BTreeMap<NodeId, (u64, NodeCounters)>,
    /// The same of `/proc/vmstat`; `None` when it could not be read.
    pub system: Option<(u64, VmCounters)>,
}

impl Boundary {
    /// Chooses, for each node, the round in which kernel and traced totals differ least.
    ///
    /// The kernel counts an allocation a little before our program sees it. What is under way at the instant of a reading makes
    /// the kernel's number the larger one, never the smaller one; so among several readings the one with the smallest difference has the least under way.
    pub fn choose(
        rounds: &[Round],
        system: Option<(u64, VmCounters)>,
        edge: &[Observation],
    ) -> Self {
        let mut chosen = BTreeMap::new();
        let nodes = rounds.first().map_or(&[][..], |round| &round.0);
        for (index, (node, ..)) in nodes.iter().enumerate() {
            let best = rounds
                .iter()
                .filter_map(|round| round.0.get(index))
                .min_by_key(|(_, epoch, kernel)| {
                    let traced: u64 = edge
                        .iter()
                        .filter(|seen| seen.epoch < *epoch)
                        .filter_map(|seen| match seen.what {
                            CountKind::Alloc(count_key) => {
                                (count_key.page_node == *node).then_some(seen.count)
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

    /// The first epoch that lies after this cut for a node; for a node it does not know, the latest of all.
    fn epoch(&self, node: NodeId) -> u64 {
        self.nodes
            .get(&node)
            .map(|(epoch, _)| *epoch)
            .unwrap_or_else(|| self.last_epoch())
    }

    /// The first and the last of the epochs that began with its readings.
    fn epochs(&self) -> (u64, u64) {
        let last = self.last_epoch();
        let nodes = self.nodes.values().map(|(epoch, _)| *epoch);
        nodes.fold((last, last), |(first, last), epoch| {
            (first.min(epoch), last.max(epoch))
        })
    }

    /// The epoch that began with the reading of the whole system, or the last of the chosen readings.
    fn last_epoch(&self) -> u64 {
        match &self.system {
            Some((epoch, _)) => *epoch,
            // Asked for each count: the nodes are gone through only where the system could not be read.
            None => self
                .nodes
                .values()
                .map(|(epoch, _)| *epoch)
                .max()
                .unwrap_or(0),
        }
    }
}

/// A start, and once it is known an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Where it begins.
    pub start: Boundary,
    /// Where it ends, `None` while it is open.
    pub end: Option<Boundary>,
    /// Epochs from this one on lie after every reading of the start …
    after_start: u64,
    /// … and those before this one before every reading of the end.
    before_end: u64,
}

impl Window {
    /// An open window.
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

    /// Does everything of an epoch lie inside, whatever it is? So it is with all but the epochs around a cut.
    pub fn wholly_contains(&self, epoch: u64) -> bool {
        (self.after_start..self.before_end).contains(&epoch)
    }

    /// Does a count lie before it?
    pub fn precedes(&self, seen: &Observation) -> bool {
        let start = match seen.what.counted_on() {
            Some(node) => self.start.epoch(node),
            None => self.start.last_epoch(),
        };
        seen.epoch < start
    }

    /// Does a count lie inside?
    pub fn contains(&self, seen: &Observation) -> bool {
        match seen.what.counted_on() {
            Some(node) => self.contains_epoch(seen.epoch, node),
            None => self.contains_system(seen),
        }
    }

    /// Does a count lie between the two readings of the whole system?
    pub fn contains_system(&self, seen: &Observation) -> bool {
        seen.epoch >= self.start.last_epoch()
            && self
                .end
                .as_ref()
                .is_none_or(|end| seen.epoch < end.last_epoch())
    }

    /// Allocations of a count that the preferred node's window sees differently from the page node's.
    pub fn foreign_edge(&self, seen: &Observation) -> u64 {
        match seen.what {
            CountKind::Alloc(count_key) => match count_key.preferred {
                Some(preferred)
                    if preferred != count_key.page_node
                        && self.contains_epoch(seen.epoch, count_key.page_node)
                            != self.contains_epoch(seen.epoch, preferred) =>
                {
                    seen.count
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
    fn the_round_with_least_under_way_is_taken_per_node() {
        // Node 0: at the first reading 3 allocations were under way, at the second none (they are traced in epoch 1).
        let rounds = [
            Round(vec![reading(0, 1, 103), reading(1, 2, 50)]),
            Round(vec![reading(0, 3, 103), reading(1, 4, 51)]),
        ];
        let edge = [seen(1, 0, 0, 3)];
        let cut = Boundary::choose(&rounds, None, &edge);
        assert_eq!(cut.nodes[&NodeId(0)].0, 3);
        assert_eq!(
            cut.nodes[&NodeId(1)].0,
            2,
            "the later reading had one under way"
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
    fn an_epoch_away_from_both_cuts_lies_wholly_inside() {
        let cut = |epoch| {
            Boundary::choose(
                &[Round(vec![reading(0, epoch, 0), reading(1, epoch + 1, 0)])],
                Some((epoch + 2, VmCounters::default())),
                &[],
            )
        };
        let mut window = Window::new(cut(1));
        assert!(!window.wholly_contains(2) && window.wholly_contains(3));
        window.close(cut(8));
        assert!(window.wholly_contains(7) && !window.wholly_contains(8));
    }

    #[test]
    fn misses_between_the_instants_of_two_nodes_are_the_foreign_edge() {
        let window = Window::new(Boundary::choose(
            &[Round(vec![reading(0, 1, 0), reading(1, 2, 0)])],
            None,
            &[],
        ));
        // Preferred node 1, page on node 0, in epoch 1: inside for node 0, before the start for node 1.
        assert_eq!(window.foreign_edge(&seen(1, 0, 1, 4)), 4);
        assert_eq!(window.foreign_edge(&seen(2, 0, 1, 4)), 0);
        assert_eq!(window.foreign_edge(&seen(1, 0, 0, 4)), 0);
    }

    #[test]
    fn what_has_no_node_of_its_own_is_cut_at_the_reading_of_the_whole_system() {
        let cut = |epoch| Boundary {
            system: Some((epoch, VmCounters::default())),
            ..Boundary::choose(
                &[Round(vec![reading(0, 1, 0), reading(1, 9, 0)])],
                None,
                &[],
            )
        };
        let window = Window::new(cut(4));
        let fault = |epoch| Observation {
            what: CountKind::HintFault((NodeId(0), NodeId(1))),
            ..seen(epoch, 0, 0, 1)
        };
        assert!(!window.contains(&fault(3)) && window.precedes(&fault(3)));
        assert!(window.contains(&fault(4)));
        assert!(window.contains_system(&seen(4, 1, 1, 1)) && !window.contains(&seen(4, 1, 1, 1)));
    }
}
