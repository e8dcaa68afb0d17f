//! What a session keeps for those who watch while it goes on: who is away from home, and what happened, as it happens.
//!
//! Runs that are still under way lie in per-CPU maps until something else happens there, on a quiet CPU for ever. Here they are told by
//! their growth, and what the ring brings of them later is told less that.

use std::collections::HashMap;

use numatrace_common::count_key::RemoteCause;

use super::{
    Tally,
    absence::{Absence, Absences},
    going_on::{GoingOn, goes_on},
};
use crate::{
    decode::{
        count::{AllocKey, CountKind, ThreadId},
        event::{Body, Event},
        mapping_run::{TouchRun, UseRun},
    },
    enrich::{Charged, Observation, process::ProcessIndex, timeline_event::TimelineEvent},
};

/// Most things that are kept between two looks of whoever listens; what comes beyond is counted.
const MOST_HEARD: usize = 200_000;

/// What somebody who watches is told.
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
    /// An absence that is over.
    Absence(Absence),
}

/// The state of a watched session.
#[derive(Debug, Default)]
pub struct Live {
    /// Who is away now.
    pub absences: Absences,
    /// Absences that ended since somebody asked last; without listeners.
    pub ended: Vec<Absence>,
    /// Times, ns since boot, and what happened then; only for listeners.
    heard: Option<Vec<(u64, LiveEvent)>>,
    going_on: GoingOn,
    /// Things for which there was no room among them.
    pub unheard: u64,
    /// Open runs that were told in part.
    told: HashMap<RunKey, Open>,
}

/// A run: thread, when it began.
pub type RunKey = (ThreadId, u64);

/// What was told of a run that was open.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    /// Pages touched, or faults.
    pages: u64,
    migrated: u64,
    causes: [u32; RemoteCause::ALL.len()],
    /// Looks since it was last seen open.
    unseen: u8,
}

impl Open {
    /// Takes off what was told before.
    fn take_off(&self, run: &mut TouchRun) {
        run.pages = run.pages.saturating_sub(self.pages);
        for (pages, told) in run.causes.iter_mut().zip(self.causes) {
            *pages = pages.saturating_sub(told);
        }
    }
}

/// Looks after which a run that is neither open nor in the ring is forgotten: its record was lost.
const UNSEEN: u8 = 3;

/// Most absences kept for a screen between two looks.
const MOST_ENDED: usize = 1_000;

impl Live {
    /// For somebody who wants to hear each thing.
    pub fn listening() -> Self {
        Self {
            heard: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// What was heard since this was asked last, in order of time.
    pub fn take_heard(&mut self) -> Vec<(u64, LiveEvent)> {
        let mut heard = self.heard.as_mut().map(std::mem::take).unwrap_or_default();
        self.going_on.clear();
        heard.sort_by_key(|(time_ns, _)| *time_ns);
        heard
    }

    /// What of an event has been told already is taken off; false when nothing is left.
    pub fn before(&mut self, event: &mut Event) -> bool {
        match &mut event.body {
            Body::TouchRun(run) => {
                if let Some(told) = self.told.remove(&(run.thread, run.began_ns)) {
                    told.take_off(run);
                    return run.pages > 0;
                }
            }
            Body::UseRun(run) => {
                if let Some(told) = self.told.remove(&(run.thread, run.began_ns)) {
                    run.faults = run.faults.saturating_sub(told.pages);
                    run.migrated = run.migrated.saturating_sub(told.migrated);
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

    /// Takes in what an event told.
    pub fn hear(&mut self, time_ns: u64, told: LiveEvent) {
        if let LiveEvent::TimelineEvent(timeline_event) = told {
            self.absences.apply(&timeline_event);
            if self.is_more(&timeline_event) {
                return;
            }
        }
        self.push(time_ns, told);
    }

    /// Is it more of what was heard since somebody asked last?
    fn is_more(&mut self, timeline_event: &TimelineEvent) -> bool {
        let Self {
            heard: Some(heard),
            going_on,
            ..
        } = self
        else {
            return false;
        };
        let place = Some(heard.len()).filter(|place| *place < MOST_HEARD);
        going_on.takes(timeline_event, place, |at| match heard.get_mut(at) {
            Some((_, LiveEvent::TimelineEvent(before))) => goes_on(before, timeline_event),
            _ => false,
        })
    }

    /// Takes in what a sweep brought: first touches make homes, allocations are told owner by owner.
    pub fn count(&mut self, now_ns: u64, seen: &[Observation]) {
        let mut allocs: HashMap<(Charged, AllocKey), Tally> = HashMap::new();
        for observation in seen {
            match (observation.what, observation.charged) {
                (CountKind::FirstTouch(count_key), Charged::Thread { process, .. }) => {
                    self.absences
                        .touched(process, count_key.nodes.1, observation.amount);
                }
                (CountKind::Alloc(count_key), charged) if self.heard.is_some() => allocs
                    .entry((charged, count_key))
                    .or_default()
                    .add(observation.count, observation.amount),
                _ => {}
            }
        }
        for absence in self.absences.settle() {
            self.over(absence.ended_ns.unwrap_or(now_ns), absence);
        }
        let mut allocs: Vec<_> = allocs.into_iter().collect();
        allocs.sort_unstable_by_key(|(key, _)| *key);
        for ((charged, count_key), tally) in allocs {
            self.push(now_ns, LiveEvent::Alloc(charged, count_key, tally));
        }
    }

    fn over(&mut self, time_ns: u64, absence: Absence) {
        if self.heard.is_some() {
            self.push(time_ns, LiveEvent::Absence(absence));
        } else if self.ended.len() < MOST_ENDED {
            self.ended.push(absence);
        } else {
            self.unheard = self.unheard.saturating_add(1);
        }
    }

    fn push(&mut self, time_ns: u64, what: LiveEvent) {
        let Some(heard) = &mut self.heard else { return };
        if heard.len() < MOST_HEARD {
            heard.push((time_ns, what));
        } else {
            self.unheard = self.unheard.saturating_add(1);
        }
    }

    /// Leaves of an open run of first touches what it has grown by since it was looked at last; false when that is nothing.
    pub fn grown_touch(&mut self, run: &mut TouchRun) -> bool {
        let key = (run.thread, run.began_ns);
        let now = Open {
            pages: run.pages,
            causes: run.causes,
            ..Open::default()
        };
        let before = self.told.insert(key, now).unwrap_or_default();
        before.take_off(run);
        run.pages > 0
    }

    /// The same of hinting faults.
    pub fn grown_use(&mut self, run: &mut UseRun) -> bool {
        let key = (run.thread, run.began_ns);
        let now = Open {
            pages: run.faults,
            migrated: run.migrated,
            ..Open::default()
        };
        let before = self.told.insert(key, now).unwrap_or_default();
        run.faults = run.faults.saturating_sub(before.pages);
        run.migrated = run.migrated.saturating_sub(before.migrated);
        run.faults > 0 || run.migrated > 0
    }

    /// One more look is over.
    pub fn age(&mut self) {
        self.told.retain(|_, told| {
            told.unseen = told.unseen.saturating_add(1);
            told.unseen <= UNSEEN
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{NodeId, Tid};

    fn run(pages: u64) -> TouchRun {
        TouchRun {
            high: 0x9000,
            ..TouchRun::example(0x1000, pages, NodeId(1))
        }
    }

    /// What is told of a run that is open and so long.
    fn told(live: &mut Live, pages: u64) -> u64 {
        let mut open = run(pages);
        live.grown_touch(&mut open);
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
    fn a_run_is_told_by_its_growth_and_its_record_brings_the_rest() {
        let mut live = Live::listening();
        assert_eq!(told(&mut live, 3), 3);
        assert_eq!(told(&mut live, 8), 5);
        let mut event = closed(10);
        assert!(live.before(&mut event));
        assert_eq!(event.body, Body::TouchRun(run(2)));
        // The next one with the same thread is another run.
        let mut event = closed(10);
        assert!(live.before(&mut event));
        assert_eq!(event.body, Body::TouchRun(run(10)));
    }

    #[test]
    fn a_run_that_was_told_whole_is_not_told_again() {
        let mut live = Live::listening();
        told(&mut live, 10);
        assert!(!live.before(&mut closed(10)));
    }

    #[test]
    fn runs_whose_record_was_lost_are_forgotten() {
        let mut live = Live::listening();
        told(&mut live, 10);
        for _ in 0..=UNSEEN {
            live.age();
        }
        assert!(live.told.is_empty());
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut live = Live::listening();
        for _ in 0..MOST_HEARD + 2 {
            live.push(1, LiveEvent::Absence(absence()));
        }
        assert_eq!((live.take_heard().len(), live.unheard), (MOST_HEARD, 2));
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
            pages_followed: 0,
        }
    }
}
