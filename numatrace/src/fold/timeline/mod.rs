//! The events of a session in the order of their records: cross-node moves of threads, and page
//! moves.
//!
//! No sum is taken from here. Page moves without a pause are one event. The list is bounded: in a
//! storm its first part is kept and the rest is counted. For the threads and processes in it, the
//! timeline also keeps what sweeps counted meanwhile, which [absences](super::absence) are judged
//! by.

mod coalesce;
pub mod sweeps;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use coalesce::{LastPageMoves, extend};

use super::area::Thread;
use crate::enrich::{
    Observation,
    process::{Folds, ProcessIndex},
    timeline_event::{TimelineEvent, TimelineKind},
};
use sweeps::{Followed, Sweeps, Touched};

/// Most events of a session or interval, 4 MiB of them.
const MOST: usize = 65_536;

/// The events of a session or interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Timeline {
    all: Vec<TimelineEvent>,
    #[serde(skip)]
    last: LastPageMoves,
    /// Events that came when the list was full.
    pub dropped: u64,
    sweeps: Sweeps,
}

/// The part of a timeline that is about one process.
#[derive(Clone, Debug, Default)]
pub struct OfProcess<'a> {
    /// Its events, in order of time.
    pub events: Vec<TimelineEvent>,
    /// First touches since its first thread moved, sweep by sweep.
    pub touched: &'a [Touched],
    /// Its threads that moved.
    pub threads: Vec<(Thread, &'a Followed)>,
}

impl Timeline {
    /// Takes in one event.
    pub fn apply(&mut self, event: TimelineEvent) {
        let Self { all, last, .. } = self;
        let place = Some(all.len()).filter(|place| *place < MOST);
        let added = last.extend(&event, place, |at| {
            all.get_mut(at).is_some_and(|before| extend(before, &event))
        });
        if added {
            return;
        }
        if self.all.len() >= MOST {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.all.push(event);
        if let TimelineKind::Move { tid, start_ns, .. } = event.what {
            let thread = (tid, start_ns);
            self.sweeps.follow(event.process, thread, event.time_ns);
        }
    }

    /// Takes in the end of a thread, `time_ns` after boot.
    pub fn exited(&mut self, thread: Thread, time_ns: u64) {
        if let Some(process) = self.sweeps.exited(thread, time_ns) {
            self.last.forget(process);
        }
    }

    /// Takes in what a sweep counted, `now_ns` after boot.
    pub fn sweep(&mut self, now_ns: u64, counts: &[Observation]) {
        if self.sweeps.are_kept() {
            counts.iter().for_each(|count| self.sweeps.count(count));
            self.sweeps.end(now_ns);
        }
    }

    /// Keeps the events for which `keep` returns `true`.
    pub fn retain(&mut self, keep: impl FnMut(&TimelineEvent) -> bool) {
        self.all.retain(keep);
        self.last.clear();
    }

    /// Forgets the events of folded processes, which are in no incident then.
    pub fn fold(&mut self, folds: &Folds) {
        if folds.processes.is_empty() {
            return;
        }
        let before = self.all.len();
        self.retain(|event| !folds.processes.contains_key(&event.process));
        self.dropped += (before - self.all.len()) as u64;
        self.sweeps
            .retain(|process| !folds.processes.contains_key(&process));
    }

    /// Forgets all events, which are in no incident then.
    pub fn forget(&mut self) {
        let dropped = self.dropped.saturating_add(self.all.len() as u64);
        *self = Self {
            dropped,
            ..Self::default()
        };
    }

    /// Returns the process of each event, as often as it has events.
    pub fn processes(&self) -> impl Iterator<Item = ProcessIndex> {
        self.all.iter().map(|event| event.process)
    }

    /// Returns the timeline of each process. Records of different CPUs come a little out of order,
    /// so events are sorted by time.
    pub fn by_process(&self) -> BTreeMap<ProcessIndex, OfProcess<'_>> {
        let mut by_process: BTreeMap<ProcessIndex, OfProcess<'_>> = BTreeMap::new();
        for event in &self.all {
            let part = by_process.entry(event.process).or_default();
            part.events.push(*event);
        }
        for (index, part) in &mut by_process {
            part.events.sort_by_key(|event| event.time_ns);
            part.touched = self.sweeps.of(*index);
        }
        for (thread, followed) in self.sweeps.threads() {
            if let Some(part) = by_process.get_mut(&followed.process) {
                part.threads.push((thread, followed));
            }
        }
        by_process
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::count::{CountKind, MoveReason, TouchKey},
        enrich::{Charged, process::Processes},
        ids::{CpuId, NodeId, Pid, Tid},
    };

    const MS: u64 = 1_000_000;

    fn process() -> ProcessIndex {
        Processes::example().1
    }

    fn pages(at_ms: u64, nodes: (u16, u16), pages: u64) -> TimelineEvent {
        TimelineEvent {
            time_ns: at_ms * MS,
            process: process(),
            nodes: (NodeId(nodes.0), NodeId(nodes.1)),
            what: TimelineKind::Pages {
                asker: Pid(7),
                reason: 5,
                pages,
                until_ns: at_ms * MS,
            },
        }
    }

    fn moved(at_ms: u64) -> TimelineEvent {
        TimelineEvent {
            what: TimelineKind::Move {
                tid: Tid(7),
                start_ns: 5,
                cpus: (CpuId(0), CpuId(2)),
                reason: MoveReason::Affinity,
                ran_ns: 0,
                far_faults: 0,
            },
            ..pages(at_ms, (0, 1), 0)
        }
    }

    /// When each entry began, ms, and its pages, if it has any.
    fn entries(events: &[TimelineEvent]) -> Vec<(u64, Option<u64>)> {
        let mut timeline = Timeline::default();
        events.iter().for_each(|event| timeline.apply(*event));
        let part = timeline.by_process().remove(&process()).unwrap();
        let events = part.events.iter().map(|event| {
            let pages = match event.what {
                TimelineKind::Pages { pages, .. } => Some(pages),
                TimelineKind::Move { .. } => None,
            };
            (event.time_ns / MS, pages)
        });
        events.collect()
    }

    #[test]
    fn pages_that_move_without_a_pause_are_one_entry_in_each_direction() {
        let there = (0, 1);
        let found = entries(&[
            pages(10, there, 1),
            pages(20, (1, 0), 8),
            pages(90, there, 2),
            pages(180, there, 4),
            pages(500, there, 16),
        ]);
        assert_eq!(found, [(10, Some(7)), (20, Some(8)), (500, Some(16))]);
    }

    #[test]
    fn a_move_of_a_thread_lies_between_what_came_before_and_after() {
        let found = entries(&[pages(10, (0, 1), 1), moved(20), pages(30, (0, 1), 2)]);
        assert_eq!(found, [(10, Some(1)), (20, None), (30, Some(2))]);
    }

    #[test]
    fn a_late_record_keeps_its_place() {
        let found = entries(&[
            moved(20),
            pages(30, (0, 1), 2),
            // Of a run on another CPU that lay open.
            pages(10, (0, 1), 1),
        ]);
        assert_eq!(found, [(10, Some(1)), (20, None), (30, Some(2))]);
    }

    #[test]
    fn a_full_list_still_counts_page_moves_that_continue() {
        let mut timeline = Timeline::default();
        for at in 0..MOST as u64 {
            timeline.apply(pages(at * 300, (0, 1), 1));
        }
        timeline.apply(pages((MOST as u64 - 1) * 300 + 40, (0, 1), 3));
        assert_eq!((timeline.all.len(), timeline.dropped), (MOST, 0));
        timeline.apply(pages(MOST as u64 * 300, (0, 1), 3));
        assert_eq!(timeline.dropped, 1);
    }

    /// A timeline with a thread that moved, as a recording keeps it.
    fn recorded() -> Vec<u8> {
        let mut timeline = Timeline::default();
        timeline.apply(moved(20));
        let key = TouchKey {
            nodes: (NodeId(0), NodeId(1)),
            kind: None,
            cow: false,
            thp: false,
            withdrawn: false,
        };
        let counted = |what| Observation {
            epoch: 1,
            charged: Charged::Thread {
                process: process(),
                tid: Tid(7),
                start_ns: 5,
            },
            what,
            count: 3,
            amount: 3,
        };
        let counts = [CountKind::FirstTouch(key), CountKind::TaskRun(NodeId(1))].map(counted);
        timeline.sweep(30 * MS, &counts);
        timeline.exited((Tid(7), 5), 40 * MS);
        rmp_serde::to_vec_named(&timeline).unwrap()
    }

    #[test]
    fn a_recorded_timeline_keeps_what_sweeps_counted() {
        let timeline: Timeline = rmp_serde::from_slice(&recorded()).unwrap();
        let part = timeline.by_process().remove(&process()).unwrap();
        let (thread, followed) = part.threads[0];
        assert_eq!((thread, followed.process), ((Tid(7), 5), process()));
        assert_eq!(followed.ended_ns, Some(40 * MS));
        assert_eq!(followed.spent.on(NodeId(1)).ran_ns, 3);
        assert_eq!(part.touched[0].until_ns, 30 * MS);
        assert_eq!(part.touched[0].pages[&NodeId(1)], 3);
    }

    #[test]
    fn a_timeline_of_an_earlier_version_reads_without_sweeps() {
        /// The fields of a timeline before it kept what sweeps counted.
        #[derive(Serialize)]
        struct Earlier {
            all: Vec<TimelineEvent>,
            dropped: u64,
        }
        let earlier = Earlier {
            all: vec![moved(20)],
            dropped: 2,
        };
        let bytes = rmp_serde::to_vec_named(&earlier).unwrap();
        let timeline: Timeline = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!((timeline.all.len(), timeline.dropped), (1, 2));
        let part = timeline.by_process().remove(&process()).unwrap();
        assert!(part.threads.is_empty() && part.touched.is_empty());
    }
}
