//! The state of a session that `top` or `events` watches: live events as they come, and threads
//! that are absent from their memory.
//!
//! Runs that are still open lie in per-CPU maps until another event there closes them, on a quiet
//! CPU for ever. They are reported by their growth, and when the ring brings their records later,
//! what was reported is taken off.

use std::collections::{BTreeMap, HashMap};

use numatrace_common::{
    count_key::RemoteCause,
    event::{hugetlb_failed::HugetlbRequest, oom_kill::OomConstraint, policy_refused::PolicyCall},
};

use super::{
    absence::{Absence, live::Absences},
    accumulators::Accumulators,
    counts::Tally,
    timeline::{LastPageMoves, extend},
};
use crate::{
    decode::{
        count::{AllocKey, CountKind, NodePair, ReclaimKey, ThreadId},
        event::{Body, Event},
        mapping_run::{TouchRun, UseRun},
        policy_refused::Why,
    },
    enrich::{Charged, Observation, process::ProcessIndex, timeline_event::TimelineEvent},
    ids::Pid,
};

/// Most events that are kept until they are taken, some 30 MB; events beyond are counted.
const MOST_EVENTS: usize = 200_000;

/// Most absences that are kept for a screen between two frames.
const MOST_ENDED: usize = 1_000;

/// Sweeps after which a run that is neither open nor in the ring is forgotten: its record was lost.
const UNSEEN: u8 = 3;

/// An event of a session that is watched live.
#[derive(Clone, Copy, Debug)]
pub enum LiveEvent {
    /// Allocations of one owner with one count key since the last sweep.
    Alloc(Charged, AllocKey, Tally),
    /// First touches.
    Touch(ProcessIndex, TouchRun),
    /// Hinting faults.
    Use(ProcessIndex, UseRun),
    /// A move of a thread or of pages.
    TimelineEvent(TimelineEvent),
    /// An absence that ended.
    Absence(Absence),
    /// Something failed.
    Failure(LiveFailure),
    /// A thread looked for memory to give back: times and ns since the last sweep.
    Reclaim(Charged, ReclaimKey, Tally),
}

/// A failure, as a listener hears of it.
#[derive(Clone, Copy, Debug)]
pub struct LiveFailure {
    /// Whose; `None` for an interrupt's.
    pub process: Option<ProcessIndex>,
    /// The thread.
    pub thread: Option<ThreadId>,
    /// Node of the CPU, and the lowest node asked for (that of the CPU where none was).
    pub nodes: NodePair,
    /// Which failure.
    pub what: WhatFailed,
}

/// Which failure.
#[derive(Clone, Copy, Debug)]
pub enum WhatFailed {
    /// The process was killed because memory was short.
    Killed {
        /// Limit that made it short.
        constraint: Option<OomConstraint>,
        /// Process that asked for the allocation.
        asker: Pid,
    },
    /// A huge page that the pool could not give.
    Hugetlb {
        /// Kind of request.
        request: Option<HugetlbRequest>,
        /// Error number.
        errno: u32,
        /// Size of a page in KiB.
        page_kb: u64,
        /// Huge pages asked for.
        pages: u64,
    },
    /// A refused call.
    Refused {
        /// The call.
        call: Option<PolicyCall>,
        /// Error number.
        errno: u32,
        /// Cause.
        why: Option<Why>,
    },
    /// An allocation.
    Alloc,
}

/// The state of a session that is watched live.
#[derive(Debug, Default)]
pub struct Live {
    /// Threads that are absent from their memory.
    pub absences: Absences,
    /// Absences that ended since they were taken last; empty where events are kept.
    pub ended: Vec<Absence>,
    /// Events and when they happened, ns since boot; `None` in a session that keeps none.
    events: Option<Vec<(u64, LiveEvent)>>,
    last: LastPageMoves,
    /// Events, or absences that ended, for which there was no room.
    pub dropped: u64,
    /// Parts already reported of runs that were open.
    reported: HashMap<RunKey, Reported>,
}

/// A run: its thread, and when it began, ns since boot.
pub type RunKey = (ThreadId, u64);

/// Part of a run that was reported while the run was open.
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    /// Pages touched, or faults.
    pages: u64,
    migrated: u64,
    causes: [u32; RemoteCause::ALL.len()],
    /// Sweeps since it was last seen open.
    unseen: u8,
}

impl Reported {
    /// Takes off what was reported before.
    fn take_off(&self, run: &mut TouchRun) {
        run.pages = run.pages.saturating_sub(self.pages);
        for (pages, reported) in run.causes.iter_mut().zip(self.causes) {
            *pages = pages.saturating_sub(reported);
        }
    }
}

impl Live {
    /// Keeps each event until [`Live::take_events`].
    pub fn with_events() -> Self {
        Self {
            events: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// Takes in what the session counted before it was watched: the memory that was touched so far
    /// makes homes.
    pub fn begin_with(&mut self, counted: &Accumulators) {
        for ((charged, what), tally) in counted.tallies.iter() {
            self.absences.count(&Observation {
                epoch: 0,
                charged: *charged,
                what: *what,
                count: tally.count,
                amount: tally.amount,
            });
        }
    }

    /// Takes the events since the last call, in order of time, each with its time in ns since boot.
    pub fn take_events(&mut self) -> Vec<(u64, LiveEvent)> {
        let mut events = self.events.as_mut().map(std::mem::take).unwrap_or_default();
        self.last.clear();
        events.sort_by_key(|(time_ns, _)| *time_ns);
        events
    }

    /// Takes off a record of the ring what was reported while its run was open. Returns whether
    /// anything is left of it.
    pub fn take_off_reported(&mut self, event: &mut Event) -> bool {
        match &mut event.body {
            Body::TouchRun(run) => {
                if let Some(reported) = self.reported.remove(&(run.thread, run.began_ns)) {
                    reported.take_off(run);
                    return run.pages > 0;
                }
            }
            Body::UseRun(run) => {
                if let Some(reported) = self.reported.remove(&(run.thread, run.began_ns)) {
                    run.faults = run.faults.saturating_sub(reported.pages);
                    run.migrated = run.migrated.saturating_sub(reported.migrated);
                    return run.faults > 0 || run.migrated > 0;
                }
            }
            Body::TaskExit(exit) => {
                self.absences
                    .exited((exit.tid, exit.start_ns), event.time_ns);
            }
            _ => {}
        }
        true
    }

    /// Takes in an event.
    pub fn apply(&mut self, time_ns: u64, event: LiveEvent) {
        if let LiveEvent::TimelineEvent(event) = event {
            self.absences.apply(&event);
            if self.extend_last(&event) {
                return;
            }
        }
        self.push(time_ns, event);
    }

    /// Returns whether page moves were added to others since events were taken last.
    fn extend_last(&mut self, event: &TimelineEvent) -> bool {
        let Self {
            events: Some(events),
            last,
            ..
        } = self
        else {
            return false;
        };
        let place = Some(events.len()).filter(|place| *place < MOST_EVENTS);
        last.extend(event, place, |at| match events.get_mut(at) {
            Some((_, LiveEvent::TimelineEvent(before))) => extend(before, event),
            _ => false,
        })
    }

    /// Takes in what a sweep counted: first touches make homes, allocations become one event for
    /// each owner and count key.
    pub fn sweep(&mut self, now_ns: u64, counts: &[Observation]) {
        let mut allocs: HashMap<(Charged, AllocKey), Tally> = HashMap::new();
        let mut reclaims: BTreeMap<(Charged, ReclaimKey), Tally> = BTreeMap::new();
        for count in counts {
            match (count.what, count.charged) {
                (CountKind::Alloc(count_key), charged) if self.events.is_some() => allocs
                    .entry((charged, count_key))
                    .or_default()
                    .add(count.count, count.amount),
                (CountKind::Reclaim(key), charged) if self.events.is_some() => reclaims
                    .entry((charged, key))
                    .or_default()
                    .add(count.count, count.amount),
                _ => self.absences.count(count),
            }
        }
        for absence in self.absences.end_sweep() {
            self.end(absence.ended_ns.unwrap_or(now_ns), absence);
        }
        let mut allocs: Vec<_> = allocs.into_iter().collect();
        allocs.sort_unstable_by_key(|(key, _)| *key);
        for ((charged, count_key), tally) in allocs {
            self.push(now_ns, LiveEvent::Alloc(charged, count_key, tally));
        }
        for ((charged, key), tally) in reclaims {
            self.push(now_ns, LiveEvent::Reclaim(charged, key, tally));
        }
    }

    fn end(&mut self, time_ns: u64, absence: Absence) {
        if self.events.is_some() {
            self.push(time_ns, LiveEvent::Absence(absence));
        } else if self.ended.len() < MOST_ENDED {
            self.ended.push(absence);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn push(&mut self, time_ns: u64, event: LiveEvent) {
        let Some(events) = &mut self.events else {
            return;
        };
        if events.len() < MOST_EVENTS {
            events.push((time_ns, event));
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Leaves of an open run of first touches what it has grown by since it was reported last.
    /// Returns whether it has grown.
    pub fn growth_of_touches(&mut self, run: &mut TouchRun) -> bool {
        let key = (run.thread, run.began_ns);
        let now = Reported {
            pages: run.pages,
            causes: run.causes,
            ..Reported::default()
        };
        let before = self.reported.insert(key, now).unwrap_or_default();
        before.take_off(run);
        run.pages > 0
    }

    /// Leaves of an open run of hinting faults what it has grown by since it was reported last.
    /// Returns whether it has grown.
    pub fn growth_of_uses(&mut self, run: &mut UseRun) -> bool {
        let key = (run.thread, run.began_ns);
        let now = Reported {
            pages: run.faults,
            migrated: run.migrated,
            ..Reported::default()
        };
        let before = self.reported.insert(key, now).unwrap_or_default();
        run.faults = run.faults.saturating_sub(before.pages);
        run.migrated = run.migrated.saturating_sub(before.migrated);
        run.faults > 0 || run.migrated > 0
    }

    /// Open runs have been read once more: forgets those that were not seen for [`UNSEEN`] times.
    pub fn forget_lost_runs(&mut self) {
        self.reported.retain(|_, reported| {
            reported.unseen = reported.unseen.saturating_add(1);
            reported.unseen <= UNSEEN
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fold::absence::spent::Spent,
        ids::{NodeId, Tid},
    };

    fn run(pages: u64) -> TouchRun {
        TouchRun {
            high: 0x9000,
            ..TouchRun::example(0x1000, pages, NodeId(1))
        }
    }

    /// Returns what is reported of a run that is open and so long.
    fn reported(live: &mut Live, pages: u64) -> u64 {
        let mut open = run(pages);
        live.growth_of_touches(&mut open);
        open.pages
    }

    fn closed(pages: u64) -> Event {
        Event {
            time_ns: 20,
            cpu: 0,
            body: Body::TouchRun(run(pages)),
        }
    }

    #[test]
    fn an_open_run_is_reported_by_its_growth_and_its_record_brings_the_rest() {
        let mut live = Live::with_events();
        assert_eq!(reported(&mut live, 3), 3);
        assert_eq!(reported(&mut live, 8), 5);
        let mut event = closed(10);
        assert!(live.take_off_reported(&mut event));
        assert_eq!(event.body, Body::TouchRun(run(2)));
        // The next one with the same thread is another run.
        let mut event = closed(10);
        assert!(live.take_off_reported(&mut event));
        assert_eq!(event.body, Body::TouchRun(run(10)));
    }

    #[test]
    fn a_run_that_was_reported_whole_is_not_reported_again() {
        let mut live = Live::with_events();
        reported(&mut live, 10);
        assert!(!live.take_off_reported(&mut closed(10)));
    }

    #[test]
    fn runs_whose_record_was_lost_are_forgotten() {
        let mut live = Live::with_events();
        reported(&mut live, 10);
        for _ in 0..=UNSEEN {
            live.forget_lost_runs();
        }
        assert!(live.reported.is_empty());
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut live = Live::with_events();
        for _ in 0..MOST_EVENTS + 2 {
            live.push(1, LiveEvent::Absence(absence()));
        }
        assert_eq!((live.take_events().len(), live.dropped), (MOST_EVENTS, 2));
    }

    fn absence() -> Absence {
        Absence {
            process: ProcessIndex::default(),
            thread: (Tid(7), 5),
            nodes: (NodeId(0), NodeId(1)),
            reason: crate::decode::count::MoveReason::Wakeup,
            left_ns: 1,
            ended_ns: None,
            back: None,
            pages_left: 0,
            pages_left_least: 0,
            pages_followed: 0,
            spent: Spent::default(),
        }
    }
}
