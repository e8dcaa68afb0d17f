//! Threads away from the memory of their process, while it lasts: the live side of incidents.
//!
//! A report looks back on a whole session; a screen and a stream cannot wait for its end. Homes are what a process touched first since the
//! session began, as far as moves of pages left it there. Bounded: whoever is forgotten by `enrich` is forgotten here.

use std::collections::{BTreeMap, HashMap};

use crate::{
    decode::count::MoveReason,
    enrich::{
        process::ProcessIndex,
        timeline_event::{Happened, TimelineEvent},
    },
    ids::{NodeId, Tid},
};

/// Most departures that are kept at a time.
const MOST: usize = 65_536;

/// One absence of a thread from its process's home node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The process.
    pub process: ProcessIndex,
    /// The thread, and its start, ns since boot.
    pub thread: (Tid, u64),
    /// Nodes: home, where it went.
    pub nodes: (NodeId, NodeId),
    /// Why it went.
    pub reason: MoveReason,
    /// When it went, ns since boot.
    pub left_ns: u64,
    /// When it was over; `None` while it lasts.
    pub ended_ns: Option<u64>,
    /// Why it came back; `None` while it is away, or when the thread ended there.
    pub back: Option<MoveReason>,
    /// Base pages of the process on its home node when it went.
    pub pages_left: u64,
    /// Base pages that were moved from there to where it was, meanwhile.
    pub pages_followed: u64,
}

/// What is known of one process's memory.
#[derive(Debug, Default)]
struct Memory {
    /// Base pages by node; below zero while pages were moved that no sweep has told of yet.
    pages: BTreeMap<NodeId, i64>,
    /// Base pages moved so far: from, to.
    moved: BTreeMap<(NodeId, NodeId), u64>,
}

impl Memory {
    /// The node with more than half of the pages, when `back` of them are taken to be where they were before: from, to, pages.
    fn home(&self, back: ((NodeId, NodeId), u64)) -> Option<NodeId> {
        let total: i64 = self.pages.values().sum();
        let ((from, to), moved) = back;
        let moved = signed(moved);
        let before = |node: NodeId, pages: i64| match node {
            node if node == from => pages.saturating_add(moved),
            node if node == to => pages.saturating_sub(moved),
            _ => pages,
        };
        self.pages
            .iter()
            .find(|(node, pages)| before(**node, **pages).saturating_mul(2) > total)
            .map(|(node, _)| *node)
    }

    fn home_now(&self) -> Option<NodeId> {
        self.home(((NodeId(0), NodeId(0)), 0))
    }

    fn on(&self, node: NodeId) -> u64 {
        let pages = self.pages.get(&node).copied().unwrap_or(0);
        u64::try_from(pages).unwrap_or(0)
    }

    fn add(&mut self, node: NodeId, pages: i64) {
        let here = self.pages.entry(node).or_default();
        *here = here.saturating_add(pages);
    }

    fn moved(&self, nodes: (NodeId, NodeId)) -> u64 {
        self.moved.get(&nodes).copied().unwrap_or(0)
    }
}

/// A departure: an absence if the node that was left turns out to be home.
#[derive(Clone, Copy, Debug)]
struct Departure {
    absence: Absence,
    /// Pages that had been moved the same way before.
    moved_before: u64,
    /// It was home.
    settled: bool,
}

/// Who is away now.
///
/// What a process touched is told by sweeps, a second late; moves are told at once. So every departure is noted, and settled by the next sweep.
#[derive(Debug, Default)]
pub struct Absences {
    memory: HashMap<ProcessIndex, Memory>,
    away: HashMap<(Tid, u64), Departure>,
    over: Vec<Departure>,
}

impl Absences {
    /// A process touched pages first.
    pub fn touched(&mut self, process: ProcessIndex, node: NodeId, pages: u64) {
        let memory = self.memory.entry(process).or_default();
        memory.add(node, signed(pages));
    }

    /// Something happened.
    pub fn apply(&mut self, timeline_event: &TimelineEvent) {
        let nodes = timeline_event.nodes;
        match timeline_event.what {
            Happened::Pages { pages, .. } => {
                let memory = self.memory.entry(timeline_event.process).or_default();
                memory.add(nodes.0, -signed(pages));
                memory.add(nodes.1, signed(pages));
                super::bump(&mut memory.moved, nodes, pages);
            }
            Happened::Move {
                tid,
                start_ns,
                reason,
                ..
            } => self.moved(timeline_event, (tid, start_ns), reason),
        }
    }

    fn moved(&mut self, timeline_event: &TimelineEvent, thread: (Tid, u64), reason: MoveReason) {
        let nodes = timeline_event.nodes;
        if let Some(before) = self.away.get(&thread).copied() {
            if before.absence.nodes.0 == nodes.1 {
                self.end(thread, timeline_event.time_ns, Some(reason));
            } else if before.settled || self.home(timeline_event.process).is_none() {
                // By a third node: still away from where it was.
                return;
            }
        }
        if self.away.len() >= MOST && !self.away.contains_key(&thread) {
            return;
        }
        let absence = Absence {
            process: timeline_event.process,
            thread,
            nodes,
            reason,
            left_ns: timeline_event.time_ns,
            ended_ns: None,
            back: None,
            pages_left: 0,
            pages_followed: 0,
        };
        let memory = self.memory.get(&timeline_event.process);
        let departure = Departure {
            absence,
            moved_before: memory.map_or(0, |memory| memory.moved(nodes)),
            settled: false,
        };
        self.away.insert(thread, departure);
    }

    /// A thread ended; so does its absence.
    pub fn exited(&mut self, thread: (Tid, u64), time_ns: u64) {
        self.end(thread, time_ns, None);
    }

    fn end(&mut self, thread: (Tid, u64), time_ns: u64, back: Option<MoveReason>) {
        if let Some(mut departure) = self.away.remove(&thread) {
            departure = self.looked_at(departure);
            departure.absence.ended_ns = Some(time_ns);
            departure.absence.back = back;
            if self.over.len() < MOST {
                self.over.push(departure);
            }
        }
    }

    /// A sweep is over, so what was touched before is known: says which departures that ended were absences.
    pub fn settle(&mut self) -> Vec<Absence> {
        let over = std::mem::take(&mut self.over);
        let ended = over
            .into_iter()
            .map(|departure| self.looked_at(departure))
            .filter(|departure| departure.settled)
            .map(|departure| departure.absence)
            .collect();
        let away: Vec<_> = self
            .away
            .iter()
            .map(|(thread, one)| (*thread, *one))
            .collect();
        for (thread, departure) in away {
            self.away.insert(thread, self.looked_at(departure));
        }
        ended
    }

    /// The same with what is known by now: whether it left home, how much lay there and followed.
    fn looked_at(&self, mut departure: Departure) -> Departure {
        let nodes = departure.absence.nodes;
        let Some(memory) = self.memory.get(&departure.absence.process) else {
            return departure;
        };
        let absence = &mut departure.absence;
        // What is moved after its end did not follow it.
        if absence.ended_ns.is_none() {
            absence.pages_followed = memory.moved(nodes).saturating_sub(departure.moved_before);
        }
        if !departure.settled && memory.home((nodes, absence.pages_followed)) == Some(nodes.0) {
            departure.settled = true;
            absence.pages_left = memory.on(nodes.0).saturating_add(absence.pages_followed);
        }
        departure
    }

    /// Absences that last, longest first.
    pub fn open(&self) -> Vec<Absence> {
        let settled = self.away.values().filter(|departure| departure.settled);
        let mut open: Vec<Absence> = settled
            .map(|departure| self.looked_at(*departure).absence)
            .collect();
        open.sort_by_key(|absence| (absence.left_ns, absence.thread));
        open
    }

    /// The node with more than half of a process's memory, as far as the session knows it.
    pub fn home(&self, process: ProcessIndex) -> Option<NodeId> {
        self.memory.get(&process)?.home_now()
    }

    /// Every process that has a home.
    pub fn homes(&self) -> impl Iterator<Item = (ProcessIndex, NodeId)> + '_ {
        self.memory
            .iter()
            .filter_map(|(process, memory)| Some((*process, memory.home_now()?)))
    }

    /// Keeps what is known of these processes.
    pub fn retain(&mut self, keep: impl Fn(ProcessIndex) -> bool) {
        self.memory.retain(|process, _| keep(*process));
        self.away
            .retain(|_, departure| keep(departure.absence.process));
    }
}

/// A count of pages that can be taken off.
fn signed(pages: u64) -> i64 {
    i64::try_from(pages).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        enrich::process::Processes,
        ids::{CpuId, Pid},
    };

    fn process() -> ProcessIndex {
        Processes::example().1
    }

    fn moved(from: u16, to: u16, time_ns: u64) -> TimelineEvent {
        TimelineEvent {
            time_ns,
            process: process(),
            nodes: (NodeId(from), NodeId(to)),
            what: Happened::Move {
                ran_ns: 0,
                far_faults: 0,
                tid: Tid(8),
                start_ns: 6,
                cpus: (CpuId(0), CpuId(2)),
                reason: MoveReason::LoadBalance,
            },
        }
    }

    fn pages(from: u16, to: u16, pages: u64) -> TimelineEvent {
        TimelineEvent {
            what: Happened::Pages {
                asker: Pid(7),
                reason: 0,
                pages,
                until_ns: 0,
            },
            ..moved(from, to, 0)
        }
    }

    fn at_home(pages: u64) -> Absences {
        let mut absences = Absences::default();
        absences.touched(process(), NodeId(0), pages);
        absences
    }

    #[test]
    fn an_absence_lasts_until_the_thread_is_back_and_knows_what_followed() {
        let mut absences = at_home(1_000);
        absences.apply(&pages(0, 1, 100));
        absences.apply(&moved(0, 1, 10));
        absences.settle();
        absences.apply(&pages(0, 1, 40));
        let open = absences.open();
        assert_eq!((open.len(), open[0].pages_followed), (1, 40));
        absences.apply(&moved(1, 0, 25));
        let ended = absences.settle();
        let back = &ended[0];
        assert_eq!((back.pages_left, back.pages_followed), (900, 40));
        assert_eq!((back.left_ns, back.ended_ns), (10, Some(25)));
        assert_eq!(back.back, Some(MoveReason::LoadBalance));
        assert!(absences.open().is_empty());
        assert!(absences.settle().is_empty(), "it is told once");
    }

    #[test]
    fn what_was_touched_is_known_after_the_thread_left_and_even_after_it_is_back() {
        let mut absences = Absences::default();
        absences.apply(&moved(0, 1, 10));
        absences.apply(&pages(0, 1, 40));
        absences.apply(&moved(1, 0, 25));
        // The sweep comes only now.
        absences.touched(process(), NodeId(0), 1_000);
        let ended = absences.settle();
        assert_eq!(ended.len(), 1);
        assert_eq!((ended[0].pages_followed, ended[0].left_ns), (40, 10));
        assert_eq!(ended[0].pages_left, 1_000);
    }

    #[test]
    fn a_thread_whose_whole_memory_followed_was_away_all_the_same() {
        let mut absences = at_home(100);
        absences.apply(&moved(0, 1, 10));
        absences.apply(&pages(0, 1, 100));
        absences.settle();
        let open = absences.open();
        assert_eq!((open[0].pages_left, open[0].pages_followed), (100, 100));
    }

    #[test]
    fn a_way_by_a_third_node_is_one_absence_and_an_end_ends_it() {
        let mut absences = at_home(10);
        absences.apply(&moved(0, 1, 10));
        absences.settle();
        absences.apply(&moved(1, 2, 11));
        absences.settle();
        assert_eq!(absences.open().len(), 1);
        absences.exited((Tid(8), 6), 30);
        let ended = absences.settle();
        assert_eq!((ended[0].ended_ns, ended[0].back), (Some(30), None));
        assert_eq!(ended[0].nodes, (NodeId(0), NodeId(1)));
    }

    #[test]
    fn a_way_home_is_no_absence_and_the_next_way_out_is() {
        let mut absences = Absences::default();
        absences.touched(process(), NodeId(1), 10);
        absences.apply(&moved(0, 1, 10));
        absences.settle();
        assert!(absences.open().is_empty());
        absences.apply(&moved(1, 0, 20));
        assert!(absences.settle().is_empty());
        assert_eq!(absences.open()[0].left_ns, 20);
    }

    #[test]
    fn without_a_home_nobody_is_away() {
        let mut absences = at_home(10);
        absences.touched(process(), NodeId(1), 10);
        absences.apply(&moved(0, 1, 10));
        absences.settle();
        assert!(absences.open().is_empty());
        assert_eq!(absences.home(process()), None);
    }

    #[test]
    fn who_is_forgotten_is_not_away_any_more() {
        let mut absences = at_home(10);
        absences.apply(&moved(0, 1, 10));
        absences.settle();
        absences.retain(|_| false);
        assert!(absences.open().is_empty() && absences.homes().next().is_none());
    }
}
