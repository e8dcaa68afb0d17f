//! What happened when: cross-node moves of threads and moves of pages, in the order the records came.
//!
//! Sums do not come from here. Pages that move without a pause are one entry. The list is bounded: in a storm its first part is kept, and the rest counted.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::going_on::{GoingOn, goes_on};
use crate::enrich::{process::ProcessIndex, timeline_event::TimelineEvent};

/// Most entries of a session or interval, 4 MiB of them.
const MOST: usize = 65_536;

/// What happened in a session or interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Timeline {
    all: Vec<TimelineEvent>,
    #[serde(skip)]
    going_on: GoingOn,
    /// Things that happened when the list was full.
    pub dropped: u64,
}

impl Timeline {
    /// Takes in one thing.
    pub fn apply(&mut self, timeline_event: TimelineEvent) {
        let Self { all, going_on, .. } = self;
        let place = Some(all.len()).filter(|place| *place < MOST);
        let more = |at: usize| {
            all.get_mut(at)
                .is_some_and(|before| goes_on(before, &timeline_event))
        };
        if going_on.takes(&timeline_event, place, more) {
            return;
        }
        if self.all.len() < MOST {
            self.all.push(timeline_event);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Keeps what a question is answered yes for.
    pub fn retain(&mut self, keep: impl FnMut(&TimelineEvent) -> bool) {
        self.all.retain(keep);
        self.going_on.clear();
    }

    /// To whom something happened, again for each thing.
    pub fn processes(&self) -> impl Iterator<Item = ProcessIndex> {
        self.all.iter().map(|timeline_event| timeline_event.process)
    }

    /// Everything, by process and in order of time: records of different CPUs come out of order by a little.
    pub fn by_process(&self) -> BTreeMap<ProcessIndex, Vec<TimelineEvent>> {
        let mut by_process: BTreeMap<ProcessIndex, Vec<TimelineEvent>> = BTreeMap::new();
        for timeline_event in &self.all {
            by_process
                .entry(timeline_event.process)
                .or_default()
                .push(*timeline_event);
        }
        for timeline_events in by_process.values_mut() {
            timeline_events.sort_by_key(|timeline_event| timeline_event.time_ns);
        }
        by_process
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::count::MoveReason,
        enrich::{process::Processes, timeline_event::Happened},
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
            what: Happened::Pages {
                asker: Pid(7),
                reason: 5,
                pages,
                until_ns: at_ms * MS,
            },
        }
    }

    fn moved(at_ms: u64) -> TimelineEvent {
        TimelineEvent {
            what: Happened::Move {
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
    fn entries(timeline_events: &[TimelineEvent]) -> Vec<(u64, Option<u64>)> {
        let mut timeline = Timeline::default();
        timeline_events
            .iter()
            .for_each(|timeline_event| timeline.apply(*timeline_event));
        let all = timeline.by_process().remove(&process()).unwrap();
        all.iter()
            .map(|timeline_event| {
                let pages = match timeline_event.what {
                    Happened::Pages { pages, .. } => Some(pages),
                    Happened::Move { .. } => None,
                };
                (timeline_event.time_ns / MS, pages)
            })
            .collect()
    }

    #[test]
    fn pages_that_move_without_a_pause_are_one_entry_in_each_direction() {
        let there = (0, 1);
        let told = entries(&[
            pages(10, there, 1),
            pages(20, (1, 0), 8),
            pages(90, there, 2),
            pages(180, there, 4),
            pages(500, there, 16),
        ]);
        assert_eq!(told, [(10, Some(7)), (20, Some(8)), (500, Some(16))]);
    }

    #[test]
    fn a_move_of_a_thread_lies_between_what_came_before_and_after() {
        let told = entries(&[pages(10, (0, 1), 1), moved(20), pages(30, (0, 1), 2)]);
        assert_eq!(told, [(10, Some(1)), (20, None), (30, Some(2))]);
    }

    #[test]
    fn what_is_told_late_keeps_its_place() {
        let told = entries(&[
            moved(20),
            pages(30, (0, 1), 2),
            // Of a run on another CPU that lay open.
            pages(10, (0, 1), 1),
        ]);
        assert_eq!(told, [(10, Some(1)), (20, None), (30, Some(2))]);
    }

    #[test]
    fn a_full_list_still_counts_what_goes_on() {
        let mut timeline = Timeline::default();
        for at in 0..MOST as u64 {
            timeline.apply(pages(at * 300, (0, 1), 1));
        }
        timeline.apply(pages((MOST as u64 - 1) * 300 + 40, (0, 1), 3));
        assert_eq!((timeline.all.len(), timeline.dropped), (MOST, 0));
        timeline.apply(pages(MOST as u64 * 300, (0, 1), 3));
        assert_eq!(timeline.dropped, 1);
    }
}
