//! The threads of one process and its memory: who left home, and who came back.

use std::collections::BTreeMap;

use super::{
    Absence,
    memory::Memory,
    spent::{Spent, SpentByNode},
    thread::{Left, Move, Thread},
};
use crate::{
    decode::count::NodePair,
    enrich::{
        process::ProcessIndex,
        timeline_event::{TimelineEvent, TimelineKind},
    },
    fold::area::Thread as ThreadId,
    ids::NodeId,
};

/// One process on its way through a session.
#[derive(Clone, Debug)]
pub struct Process {
    index: ProcessIndex,
    memory: Memory,
    /// Threads that moved between nodes.
    threads: BTreeMap<ThreadId, Thread>,
}

impl Process {
    /// A process of which nothing is known.
    pub fn new(index: ProcessIndex) -> Self {
        Self {
            index,
            memory: Memory::default(),
            threads: BTreeMap::new(),
        }
    }

    /// Begins a sweep: all that follows was counted by it, or happened before it. Sweeps have
    /// ascending numbers.
    pub fn sweep(&mut self, number: u64) {
        self.memory.sweep(number);
    }

    /// Adds pages that the process touched first.
    pub fn touched(&mut self, node: NodeId, pages: u64) {
        self.memory.touched(node, pages);
    }

    /// Moves pages of the process that no event reports.
    pub fn pages_moved(&mut self, nodes: NodePair, pages: u64) {
        self.memory.moved(nodes, pages);
    }

    /// Follows a thread from here on: what it spends is counted.
    pub fn follow(&mut self, thread: ThreadId) {
        self.threads.entry(thread).or_default();
    }

    /// Adds what a sweep counted for a thread on a node; ignored for a thread that is not followed.
    pub fn count(&mut self, thread: ThreadId, node: NodeId, spent: Spent) {
        if let Some(thread) = self.threads.get_mut(&thread) {
            thread.count(node, spent);
        }
    }

    /// Adds all that sweeps counted for a thread.
    pub fn count_all(&mut self, thread: ThreadId, spent: &SpentByNode) {
        self.threads.entry(thread).or_default().count_all(spent);
    }

    /// Takes in an event. Returns the absence that it ends.
    pub fn apply(&mut self, event: &TimelineEvent) -> Option<Absence> {
        match event.what {
            TimelineKind::Pages { pages, .. } => {
                self.memory.moved(event.nodes, pages);
                None
            }
            TimelineKind::Move {
                tid,
                start_ns,
                reason,
                ran_ns,
                far_faults,
                ..
            } => {
                let by = Move {
                    time_ns: event.time_ns,
                    nodes: event.nodes,
                    reason,
                    ran_ns,
                    remote_faults: far_faults,
                };
                let thread = self.threads.entry((tid, start_ns)).or_default();
                let (left, spent) = thread.moved(by, &mut self.memory)?;
                let absence = self.absence((tid, start_ns), &left, spent);
                Some(Absence {
                    ended_ns: Some(event.time_ns),
                    back: Some(reason),
                    ..absence
                })
            }
        }
    }

    /// A thread ended. Returns the absence that ended with it.
    pub fn exited(&mut self, thread: ThreadId, time_ns: u64) -> Option<Absence> {
        let state = self.threads.remove(&thread)?;
        // As at a move: the memory is noted here, whatever is coalesced.
        self.memory.now();
        let (left, spent) = state.open(time_ns, &self.memory)?;
        Some(Absence {
            ended_ns: Some(time_ns),
            ..self.absence(thread, left, spent)
        })
    }

    /// Returns the absences that go on at a time (ns since boot).
    pub fn open(&self, now_ns: u64) -> impl Iterator<Item = Absence> + '_ {
        self.threads.iter().filter_map(move |(thread, state)| {
            let (left, spent) = state.open(now_ns, &self.memory)?;
            Some(self.absence(*thread, left, spent))
        })
    }

    /// Returns the home node as far as the memory is known.
    pub fn home(&self) -> Option<NodeId> {
        self.memory.home()
    }

    fn absence(&self, thread: ThreadId, left: &Left, spent: Spent) -> Absence {
        let Left {
            by,
            moment,
            moved_before,
            pages,
            least,
            ..
        } = left;
        let moved = self.memory.pages_moved(by.nodes);
        let pages_left = pages.unwrap_or_else(|| self.memory.pages_at(moment, by.nodes.0));
        Absence {
            process: self.index,
            thread,
            nodes: by.nodes,
            reason: by.reason,
            left_ns: by.time_ns,
            ended_ns: None,
            back: None,
            pages_left,
            pages_left_least: pages_left.min(*least),
            pages_followed: moved.saturating_sub(*moved_before),
            spent,
        }
    }
}
