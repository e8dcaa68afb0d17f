//! One thread's moves between nodes: where it left, and what it spent since.

use super::{
    memory::{Memory, Moment},
    spent::{Spent, SpentByNode},
};
use crate::{
    decode::count::{MoveReason, NodePair},
    ids::NodeId,
};

/// A move of a thread from one node to another.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// When, ns since boot.
    pub time_ns: u64,
    /// From node, to node.
    pub nodes: NodePair,
    /// Why.
    pub reason: MoveReason,
    /// CPU time of the thread so far, ns.
    pub ran_ns: u64,
    /// Its remote hinting faults since its last such move; 0 with the first.
    pub remote_faults: u64,
}

/// A node that a thread left and has not been back to. When that node is home, the thread is absent
/// from its memory.
#[derive(Clone, Debug)]
pub struct Left {
    /// The move away from it.
    pub by: Move,
    /// Remote hinting faults that the thread's moves had reported by then.
    faults_before: u64,
    /// Pages of the process by node at that time.
    pub moment: Moment,
    /// Base pages that had been moved the same way by then.
    pub moved_before: u64,
    /// Base pages on that node then, when it was known to be home already.
    pub pages: Option<u64>,
    /// Base pages that were on that node then for certain.
    pub least: u64,
}

impl Left {
    /// Returns whether the node was the home of the process when the thread left it.
    fn was_home(&self, memory: &Memory) -> bool {
        memory.home_at(&self.moment) == Some(self.by.nodes.0)
    }
}

/// State of one thread.
#[derive(Clone, Debug, Default)]
pub struct Thread {
    /// Nodes it has not been back to, in the order in which it left them.
    left: Vec<Left>,
    /// Its last move.
    last: Option<Move>,
    /// Remote hinting faults that its moves reported.
    faults: u64,
    /// Time and faults that its moves reported, by the node it was on meanwhile: between the first
    /// of them and the last.
    reported: SpentByNode,
    /// Counts of sweeps since the one before its first move.
    counted: SpentByNode,
}

impl Thread {
    /// Adds what a sweep counted.
    pub fn count(&mut self, node: NodeId, spent: Spent) {
        self.counted.add(node, spent);
    }

    /// Adds all that sweeps counted.
    pub fn count_all(&mut self, spent: &SpentByNode) {
        self.counted.merge(spent);
    }

    /// Takes in a move. Returns the absence that it ends, and what the thread spent in it.
    pub fn moved(&mut self, by: Move, memory: &mut Memory) -> Option<(Left, Spent)> {
        if let Some(last) = self.last {
            let spent = Spent {
                ran_ns: by.ran_ns.saturating_sub(last.ran_ns),
                remote_faults: by.remote_faults,
            };
            self.reported.add(by.nodes.0, spent);
            self.faults = self.faults.saturating_add(by.remote_faults);
        }
        self.last = Some(by);
        let moment = memory.now();
        let back = self.back_on(by.nodes.1, memory);
        let (from, _) = by.nodes;
        self.left.retain(|left| left.by.nodes.0 != from);
        self.left.push(Left {
            by,
            faults_before: self.faults,
            moment,
            moved_before: memory.pages_moved(by.nodes),
            least: memory.pages_before(from),
            pages: (memory.home() == Some(from)).then(|| memory.pages(from)),
        });
        back.map(|left| {
            let spent = self.spent_since(&left);
            (left, spent)
        })
    }

    /// The thread is back on a node: ends its absence from there, if it was one. All that it left
    /// in the meantime is a part of that absence.
    fn back_on(&mut self, node: NodeId, memory: &Memory) -> Option<Left> {
        let at = self.left.iter().position(|left| left.by.nodes.0 == node)?;
        let first = self.left.iter().position(|left| left.was_home(memory));
        let back = self.left.remove(at);
        if first != Some(at) {
            return None;
        }
        self.left.clear();
        Some(back)
    }

    /// Returns the absence that goes on, and what the thread spent in it up to a time (ns since
    /// boot).
    pub fn open(&self, now_ns: u64, memory: &Memory) -> Option<(&Left, Spent)> {
        let left = self.left.iter().find(|left| left.was_home(memory))?;
        let mut spent = self.spent_since(left);
        spent.add(self.spent_after_last(now_ns));
        Some((left, spent))
    }

    /// Returns what the thread spent from the move away to its last move: both report its sums.
    fn spent_since(&self, left: &Left) -> Spent {
        Spent {
            ran_ns: self
                .last
                .map_or(0, |last| last.ran_ns.saturating_sub(left.by.ran_ns)),
            remote_faults: self.faults.saturating_sub(left.faults_before),
        }
    }

    /// Returns what the thread spent since its last move: what sweeps counted on the node it is on,
    /// less what its moves reported of earlier visits. A thread runs no longer than time passes.
    ///
    /// When the thread came from the same node at first: its time and faults there between the
    /// sweep before its first move and that move is in it: one sweep's time at most.
    fn spent_after_last(&self, now_ns: u64) -> Spent {
        let Some(last) = self.last else {
            return Spent::default();
        };
        let (_, node) = last.nodes;
        let spent = self.counted.on(node).less(self.reported.on(node));
        Spent {
            ran_ns: spent.ran_ns.min(now_ns.saturating_sub(last.time_ns)),
            ..spent
        }
    }
}
