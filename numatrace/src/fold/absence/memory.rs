//! The memory of one process by node: what it touched first, and what was moved between nodes
//! since.

use std::collections::BTreeMap;

use crate::{
    decode::count::NodePair,
    fold::{home, sums::bump},
    ids::NodeId,
};

/// Base pages of one process by node, as far as the session knows them.
///
/// First touches are known a sweep late and page moves at once, so both are kept apart and added up
/// on demand: the sum does not depend on which of them arrived first. Pages that the sweep around
/// an event counted may have been touched before the event or after it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    nodes: BTreeMap<NodeId, OnNode>,
    /// Base pages moved so far: from, to.
    moved: BTreeMap<NodePair, u64>,
    /// Number of the sweep that is being counted, or whose events are being applied.
    sweep: u64,
}

/// Base pages of one node.
#[derive(Clone, Copy, Debug, Default)]
struct OnNode {
    /// First touched there.
    touched: u64,
    /// The part of `touched` that was counted before sweep number `sweep`, the last one that
    /// counted some.
    before: u64,
    sweep: u64,
    /// Moved there, less those moved away.
    shift: i64,
    /// The lowest that `shift` was when a thread moved. Below zero it reveals pages that nobody
    /// saw being touched: they were there before the session.
    lowest: i64,
}

impl OnNode {
    /// Returns the pages that lay there when `shift` was so much.
    fn at(self, shift: i64) -> u64 {
        self.with(self.touched, shift)
    }

    /// Returns the pages that lay there when so many had been touched, and `shift` was so much.
    ///
    /// Pages that moved away were there before, touched in the session or not.
    fn with(self, touched: u64, shift: i64) -> u64 {
        let unseen = self.lowest.min(self.shift).min(0).unsigned_abs();
        touched.max(unseen).saturating_add_signed(shift)
    }
}

/// Pages of a process by node at one time: what had been moved to each node, less what had
/// been moved away.
#[derive(Clone, Debug, Default)]
pub struct Moment(BTreeMap<NodeId, i64>);

impl Memory {
    /// Begins a sweep: all that follows was counted by it, or happened before it. Sweeps have
    /// ascending numbers.
    pub fn sweep(&mut self, number: u64) {
        self.sweep = number;
    }

    /// Adds pages that the process touched first.
    pub fn touched(&mut self, node: NodeId, pages: u64) {
        let sweep = self.sweep;
        let here = self.nodes.entry(node).or_default();
        if here.sweep != sweep {
            (here.sweep, here.before) = (sweep, here.touched);
        }
        here.touched = here.touched.saturating_add(pages);
    }

    /// Moves pages to another node.
    pub fn moved(&mut self, nodes: NodePair, pages: u64) {
        let signed = i64::try_from(pages).unwrap_or(i64::MAX);
        let from = self.nodes.entry(nodes.0).or_default();
        from.shift = from.shift.saturating_sub(signed);
        let to = self.nodes.entry(nodes.1).or_default();
        to.shift = to.shift.saturating_add(signed);
        bump(&mut self.moved, nodes, pages);
    }

    /// Returns where the pages lie now, to be asked about later.
    ///
    /// Lows of `shift` count only here. Page moves without a pause are coalesced up to the next
    /// move of a thread, so this is where a replay of coalesced moves and the live stream agree.
    pub fn now(&mut self) -> Moment {
        let nodes = self.nodes.iter_mut().map(|(node, here)| {
            here.lowest = here.lowest.min(here.shift);
            (*node, here.shift)
        });
        Moment(nodes.filter(|(_, shift)| *shift != 0).collect())
    }

    /// Returns the home node at an earlier time, by all that is known of the memory now.
    ///
    /// Pages touched since count as if they had been there: that they were touched late does not
    /// mean that the process had no memory before.
    pub fn home_at(&self, moment: &Moment) -> Option<NodeId> {
        home::home(self.nodes.iter().map(|(node, here)| {
            let shift = moment.0.get(node).copied().unwrap_or(0);
            (*node, here.at(shift))
        }))
    }

    /// Returns the home node now.
    pub fn home(&self) -> Option<NodeId> {
        home::home(
            self.nodes
                .iter()
                .map(|(node, here)| (*node, here.at(here.shift))),
        )
    }

    /// Returns the base pages that lie on a node now.
    pub fn pages(&self, node: NodeId) -> u64 {
        self.nodes.get(&node).map_or(0, |here| here.at(here.shift))
    }

    /// Returns the base pages that lie on a node now, less those that this sweep counted: an event
    /// that it came after may have been before they were touched.
    pub fn pages_before(&self, node: NodeId) -> u64 {
        self.nodes.get(&node).map_or(0, |here| {
            let counted = here.sweep == self.sweep;
            let touched = if counted { here.before } else { here.touched };
            here.with(touched, here.shift)
        })
    }

    /// Returns the base pages that lay on a node at an earlier time.
    pub fn pages_at(&self, moment: &Moment, node: NodeId) -> u64 {
        let shift = moment.0.get(&node).copied().unwrap_or(0);
        self.nodes.get(&node).map_or(0, |here| here.at(shift))
    }

    /// Returns the base pages moved from one node to another so far.
    pub fn pages_moved(&self, nodes: NodePair) -> u64 {
        self.moved.get(&nodes).copied().unwrap_or(0)
    }
}
