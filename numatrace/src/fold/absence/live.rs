//! Absences of a session that is watched live, by `top` or `events`.
//!
//! Events arrive at once, but sweeps count touches, CPU time and hinting faults up to a second
//! after they happened. So events wait for the next sweep, and are applied once it has been
//! counted.

use std::collections::HashMap;

use super::{
    Absence,
    evidence::{Evidence, EvidenceKind},
    process::Process,
};
use crate::{
    enrich::{
        Observation,
        process::ProcessIndex,
        timeline_event::{TimelineEvent, TimelineKind},
    },
    fold::area::Thread,
    ids::NodeId,
};

/// Most threads that are followed, and most events that wait: some 10 MB.
const MOST: usize = 65_536;

/// Threads that are absent now, of all processes.
#[derive(Debug, Default)]
pub struct Absences {
    processes: HashMap<ProcessIndex, Process>,
    /// Number of the sweep that is being counted.
    sweep: u64,
    /// The process of each thread that is followed.
    threads: HashMap<Thread, ProcessIndex>,
    /// Events since the last sweep.
    waiting: Vec<Waiting>,
    /// Absences that events ended for which there was no room to wait.
    early: Vec<Absence>,
}

/// An event that waits for a sweep.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    Event(TimelineEvent),
    Exit {
        process: ProcessIndex,
        thread: Thread,
        time_ns: u64,
    },
}

impl Waiting {
    fn time_ns(&self) -> u64 {
        match self {
            Self::Event(event) => event.time_ns,
            Self::Exit { time_ns, .. } => *time_ns,
        }
    }
}

impl Absences {
    /// Takes in a count of a sweep.
    pub fn count(&mut self, count: &Observation) {
        let Some(evidence) = Evidence::of(count) else {
            return;
        };
        match evidence.what {
            EvidenceKind::Touched(pages) => {
                self.process(evidence.process).touched(evidence.node, pages);
            }
            EvidenceKind::Spent(spent) => {
                if let Some(process) = self.processes.get_mut(&evidence.process) {
                    process.count(evidence.thread, evidence.node, spent);
                }
            }
        }
    }

    /// Takes in an event; it is applied by the next [`Absences::end_sweep`].
    pub fn apply(&mut self, event: &TimelineEvent) {
        if let TimelineKind::Move { tid, start_ns, .. } = event.what {
            let thread = (tid, start_ns);
            if self.threads.len() >= MOST && !self.threads.contains_key(&thread) {
                return;
            }
            self.threads.insert(thread, event.process);
            self.process(event.process).follow(thread);
        }
        self.wait(Waiting::Event(*event));
    }

    /// Takes in the end of a thread, `time_ns` after boot.
    pub fn exited(&mut self, thread: Thread, time_ns: u64) {
        if let Some(process) = self.threads.remove(&thread) {
            self.wait(Waiting::Exit {
                process,
                thread,
                time_ns,
            });
        }
    }

    fn wait(&mut self, event: Waiting) {
        if self.waiting.len() >= MOST {
            let ended = self.apply_waiting();
            self.early.extend(ended);
        }
        self.waiting.push(event);
    }

    /// A sweep has been counted: applies the events that waited for it. Returns the absences that
    /// they ended, in order of time.
    pub fn end_sweep(&mut self) -> Vec<Absence> {
        let mut ended = std::mem::take(&mut self.early);
        ended.extend(self.apply_waiting());
        self.sweep += 1;
        ended
    }

    fn apply_waiting(&mut self) -> Vec<Absence> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(Waiting::time_ns);
        waiting
            .into_iter()
            .filter_map(|event| match event {
                Waiting::Event(event) => self.process(event.process).apply(&event),
                Waiting::Exit {
                    process,
                    thread,
                    time_ns,
                } => self.process(process).exited(thread, time_ns),
            })
            .collect()
    }

    /// Returns the absences that go on at a time (ns since boot), longest first.
    pub fn open(&self, now_ns: u64) -> Vec<Absence> {
        let processes = self.processes.values();
        let mut open: Vec<Absence> = processes.flat_map(|one| one.open(now_ns)).collect();
        open.sort_by_key(|absence| (absence.left_ns, absence.thread));
        open
    }

    /// Returns every process that has a home, as far as its memory is known, with its home node.
    pub fn homes(&self) -> impl Iterator<Item = (ProcessIndex, NodeId)> + '_ {
        let processes = self.processes.iter();
        processes.filter_map(|(index, process)| Some((*index, process.home()?)))
    }

    /// Forgets all other processes.
    pub fn retain(&mut self, keep: impl Fn(ProcessIndex) -> bool) {
        self.processes.retain(|process, _| keep(*process));
        self.threads.retain(|_, process| keep(*process));
    }

    fn process(&mut self, index: ProcessIndex) -> &mut Process {
        let process = self.processes.entry(index);
        let process = process.or_insert_with(|| Process::new(index));
        process.sweep(self.sweep);
        process
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::count::{CountKind, MoveReason, TouchKey},
        enrich::{Charged, process::Processes},
        ids::{CpuId, Pid, Tid},
    };

    fn process() -> ProcessIndex {
        Processes::example().1
    }

    fn moved(from: u16, to: u16, time_ns: u64) -> TimelineEvent {
        TimelineEvent {
            time_ns,
            process: process(),
            nodes: (NodeId(from), NodeId(to)),
            what: TimelineKind::Move {
                ran_ns: time_ns / 2,
                far_faults: 3,
                tid: Tid(8),
                start_ns: 6,
                cpus: (CpuId(0), CpuId(2)),
                reason: MoveReason::LoadBalance,
            },
        }
    }

    fn pages(from: u16, to: u16, time_ns: u64, pages: u64) -> TimelineEvent {
        TimelineEvent {
            what: TimelineKind::Pages {
                asker: Pid(7),
                reason: 0,
                pages,
                until_ns: time_ns,
            },
            ..moved(from, to, time_ns)
        }
    }

    fn counted(what: CountKind, count: u64, amount: u64) -> Observation {
        Observation {
            epoch: 1,
            charged: Charged::Thread {
                process: process(),
                tid: Tid(8),
                start_ns: 6,
            },
            what,
            count,
            amount,
        }
    }

    fn touched(absences: &mut Absences, node: u16, pages: u64) {
        let key = TouchKey {
            nodes: (NodeId(node), NodeId(node)),
            kind: None,
            cow: false,
            thp: false,
            withdrawn: false,
        };
        absences.count(&counted(CountKind::FirstTouch(key), pages, pages));
    }

    fn at_home(pages: u64) -> Absences {
        let mut absences = Absences::default();
        touched(&mut absences, 0, pages);
        absences
    }

    fn home(absences: &Absences) -> Option<NodeId> {
        absences.homes().next().map(|(_, node)| node)
    }

    #[test]
    fn an_absence_lasts_until_the_thread_is_back_and_knows_what_followed() {
        let mut absences = at_home(1_000);
        absences.apply(&pages(0, 1, 5, 100));
        absences.apply(&moved(0, 1, 10));
        absences.end_sweep();
        absences.apply(&pages(0, 1, 15, 40));
        absences.end_sweep();
        let open = absences.open(20);
        assert_eq!((open.len(), open[0].pages_followed), (1, 40));
        absences.apply(&moved(1, 0, 25));
        let ended = absences.end_sweep();
        let back = &ended[0];
        assert_eq!((back.pages_left, back.pages_followed), (900, 40));
        assert_eq!((back.left_ns, back.ended_ns), (10, Some(25)));
        assert_eq!(back.back, Some(MoveReason::LoadBalance));
        assert!(absences.open(30).is_empty());
        assert!(absences.end_sweep().is_empty(), "it ends once");
    }

    #[test]
    fn what_was_touched_is_known_after_the_thread_left_and_even_after_it_is_back() {
        let mut absences = Absences::default();
        absences.apply(&moved(0, 1, 10));
        absences.apply(&pages(0, 1, 20, 40));
        absences.apply(&moved(1, 0, 25));
        // The sweep comes only now.
        touched(&mut absences, 0, 1_000);
        let ended = absences.end_sweep();
        assert_eq!(ended.len(), 1);
        assert_eq!((ended[0].pages_followed, ended[0].left_ns), (40, 10));
        assert_eq!(ended[0].pages_left, 1_000);
    }

    #[test]
    fn what_the_sweep_after_it_counted_may_have_been_touched_after_the_thread_left() {
        let mut absences = at_home(50);
        absences.end_sweep();
        absences.apply(&moved(0, 1, 10));
        touched(&mut absences, 0, 1_000);
        absences.end_sweep();
        touched(&mut absences, 0, 7);
        let open = absences.open(30);
        assert_eq!((open[0].pages_left_least, open[0].pages_left), (50, 1_050));
    }

    #[test]
    fn a_thread_whose_whole_memory_followed_was_away_all_the_same() {
        let mut absences = at_home(100);
        absences.apply(&moved(0, 1, 10));
        absences.apply(&pages(0, 1, 20, 100));
        absences.end_sweep();
        let open = absences.open(30);
        assert_eq!((open[0].pages_left, open[0].pages_followed), (100, 100));
    }

    #[test]
    fn a_way_by_a_third_node_is_one_absence_and_an_end_ends_it() {
        let mut absences = at_home(10);
        absences.apply(&moved(0, 1, 10));
        absences.end_sweep();
        absences.apply(&moved(1, 2, 11));
        absences.end_sweep();
        assert_eq!(absences.open(20).len(), 1);
        absences.exited((Tid(8), 6), 30);
        let ended = absences.end_sweep();
        assert_eq!((ended[0].ended_ns, ended[0].back), (Some(30), None));
        assert_eq!(ended[0].nodes, (NodeId(0), NodeId(1)));
    }

    #[test]
    fn a_way_home_is_no_absence_and_the_next_way_out_is() {
        let mut absences = Absences::default();
        touched(&mut absences, 1, 10);
        absences.apply(&moved(0, 1, 10));
        absences.end_sweep();
        assert!(absences.open(15).is_empty());
        absences.apply(&moved(1, 0, 20));
        assert!(absences.end_sweep().is_empty());
        assert_eq!(absences.open(25)[0].left_ns, 20);
    }

    #[test]
    fn without_a_home_nobody_is_away() {
        let mut absences = at_home(10);
        touched(&mut absences, 1, 10);
        absences.apply(&moved(0, 1, 10));
        absences.end_sweep();
        assert!(absences.open(20).is_empty());
        assert_eq!(home(&absences), None);
    }

    #[test]
    fn who_is_forgotten_is_not_away_any_more() {
        let mut absences = at_home(10);
        absences.apply(&moved(0, 1, 10));
        absences.end_sweep();
        absences.retain(|_| false);
        assert!(absences.open(20).is_empty() && absences.homes().next().is_none());
    }

    #[test]
    fn memory_that_is_touched_on_the_other_node_ends_what_looked_like_an_absence() {
        let mut absences = at_home(200);
        absences.apply(&moved(0, 1, 10));
        absences.end_sweep();
        assert_eq!(absences.open(20).len(), 1);
        touched(&mut absences, 1, 50_000);
        absences.end_sweep();
        assert!(absences.open(30).is_empty(), "its memory is where it is");
        assert_eq!(home(&absences), Some(NodeId(1)));
    }

    #[test]
    fn what_was_touched_while_it_was_away_was_not_left_behind() {
        let mut absences = at_home(100);
        absences.apply(&moved(0, 1, 10));
        absences.end_sweep();
        touched(&mut absences, 0, 5_000);
        absences.end_sweep();
        assert_eq!(absences.open(20)[0].pages_left, 100);
    }

    #[test]
    fn what_a_thread_spends_while_it_is_away_is_in_its_absence_before_and_after_it_moves_on() {
        let mut absences = at_home(10);
        let run = |absences: &mut Absences, node: u16, ns| {
            absences.count(&counted(CountKind::TaskRun(NodeId(node)), 1, ns));
        };
        let fault = |absences: &mut Absences, nodes: (u16, u16), faults| {
            let nodes = (NodeId(nodes.0), NodeId(nodes.1));
            absences.count(&counted(CountKind::HintFault(nodes), faults, faults));
        };
        // At home first: 500 ns up to its first move, as that says.
        run(&mut absences, 0, 400);
        absences.end_sweep();
        absences.apply(&moved(0, 1, 1_000));
        run(&mut absences, 0, 100);
        run(&mut absences, 1, 300);
        fault(&mut absences, (1, 0), 7);
        fault(&mut absences, (1, 1), 70);
        absences.end_sweep();
        let spent = |absences: &Absences, now_ns| {
            let spent = absences.open(now_ns)[0].spent;
            (spent.ran_ns, spent.remote_faults)
        };
        assert_eq!(spent(&absences, 2_000), (300, 7));
        assert_eq!(spent(&absences, 1_200), (200, 7), "no longer than it lasts");
        // The thread moves on after 500 ns of CPU time and three remote faults, as that move says.
        absences.apply(&moved(1, 2, 2_000));
        run(&mut absences, 1, 200);
        run(&mut absences, 2, 20);
        absences.end_sweep();
        assert_eq!(spent(&absences, 3_000), (500 + 20, 3));
        // Back home after 1,500 ns in all.
        absences.apply(&moved(2, 0, 4_000));
        let ended = absences.end_sweep();
        assert_eq!(
            (ended[0].spent.ran_ns, ended[0].spent.remote_faults),
            (1_500, 6)
        );
    }
}
