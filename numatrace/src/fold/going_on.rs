//! Moves of pages that follow one another: told as one thing, until they pause or a thread moves.

use std::collections::HashMap;

use crate::{
    decode::count::{NodePair, Reason},
    enrich::{
        process::ProcessIndex,
        timeline_event::{Happened, TimelineEvent},
    },
    ids::Pid,
};

/// Longest pause in moves of pages that are told as one thing, ns; more than the tenth of a second after which a run of single folios is told.
const PAUSE_NS: u64 = 250_000_000;

/// Adds moves of pages to others that they are more of, without a pause. False when they are not.
pub fn goes_on(before: &mut TimelineEvent, next: &TimelineEvent) -> bool {
    let same = before.process == next.process
        && alike(before).is_some_and(|alike_before| alike(next) == Some(alike_before));
    let (
        Happened::Pages {
            pages, until_ns, ..
        },
        Happened::Pages {
            pages: more,
            until_ns: next_until,
            ..
        },
    ) = (&mut before.what, next.what)
    else {
        return false;
    };
    // What began earlier may have been followed by something else already.
    let soon = next.time_ns >= before.time_ns && next.time_ns.saturating_sub(*until_ns) <= PAUSE_NS;
    if !same || !soon {
        return false;
    }
    *pages = pages.saturating_add(more);
    *until_ns = next_until.max(*until_ns);
    true
}

fn alike(timeline_event: &TimelineEvent) -> Option<Alike> {
    match timeline_event.what {
        Happened::Pages { asker, reason, .. } => Some((timeline_event.nodes, asker, reason)),
        Happened::Move { .. } => None,
    }
}

/// What moves of pages must have in common to be told as one thing: nodes, who asked, why.
type Alike = (NodePair, Pid, Reason);

/// The last moves of pages of each process since its last move of a thread, by where they are kept: what comes may be more of them.
#[derive(Clone, Debug, Default)]
pub struct GoingOn(HashMap<ProcessIndex, HashMap<Alike, usize>>);

impl GoingOn {
    /// Is it more of something that is kept? `add` tries what lies at a place. What is not more of anything will be kept at `place`, if there is one.
    pub fn takes(
        &mut self,
        timeline_event: &TimelineEvent,
        place: Option<usize>,
        add: impl FnOnce(usize) -> bool,
    ) -> bool {
        let Some(alike) = alike(timeline_event) else {
            self.0.remove(&timeline_event.process);
            return false;
        };
        let places = self.0.entry(timeline_event.process).or_default();
        if places.get(&alike).copied().is_some_and(add) {
            return true;
        }
        if let Some(place) = place {
            places.insert(alike, place);
        }
        false
    }

    /// Forgets all of it.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
