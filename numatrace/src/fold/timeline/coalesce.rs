//! Coalesces page moves that follow one another without a pause, until a thread of the process
//! moves.

use std::collections::HashMap;

use crate::{
    decode::count::{NodePair, Reason},
    enrich::{
        process::ProcessIndex,
        timeline_event::{TimelineEvent, TimelineKind},
    },
    ids::Pid,
};

/// Longest pause between page moves that become one event, ns. The kernel side closes a run of
/// single folios after a tenth of a second, so the pause must be longer than that.
const PAUSE_NS: u64 = 250_000_000;

/// Adds page moves to earlier ones of the same kind. Returns whether they were added: `false` when
/// they are of another kind, or follow after a pause.
pub fn extend(before: &mut TimelineEvent, next: &TimelineEvent) -> bool {
    let same = before.process == next.process
        && key(before).is_some_and(|key_before| key(next) == Some(key_before));
    let (
        TimelineKind::Pages {
            pages, until_ns, ..
        },
        TimelineKind::Pages {
            pages: more,
            until_ns: next_until,
            ..
        },
    ) = (&mut before.what, next.what)
    else {
        return false;
    };
    // An event that began earlier keeps its own place: a thread may have moved in between.
    let soon = next.time_ns >= before.time_ns && next.time_ns.saturating_sub(*until_ns) <= PAUSE_NS;
    if !same || !soon {
        return false;
    }
    *pages = pages.saturating_add(more);
    *until_ns = next_until.max(*until_ns);
    true
}

/// Returns what page moves must have in common to be coalesced; `None` for the move of a thread.
fn key(event: &TimelineEvent) -> Option<Key> {
    match event.what {
        TimelineKind::Pages { asker, reason, .. } => Some((event.nodes, asker, reason)),
        TimelineKind::Move { .. } => None,
    }
}

/// Nodes, the process that asked, and the reason.
type Key = (NodePair, Pid, Reason);

/// Places of the last page moves of each process, by kind, in a list of events that the caller
/// keeps.
#[derive(Clone, Debug, Default)]
pub struct LastPageMoves(HashMap<ProcessIndex, HashMap<Key, usize>>);

impl LastPageMoves {
    /// Returns whether an event was added to an earlier one. `extend` tries that with the event at
    /// a place of the caller's list. An event that was not added is remembered at `place`, where
    /// the caller is about to keep it; `None` when there is no room.
    pub fn extend(
        &mut self,
        event: &TimelineEvent,
        place: Option<usize>,
        extend: impl FnOnce(usize) -> bool,
    ) -> bool {
        let Some(key) = key(event) else {
            self.forget(event.process);
            return false;
        };
        let places = self.0.entry(event.process).or_default();
        if places.get(&key).copied().is_some_and(extend) {
            return true;
        }
        if let Some(place) = place {
            places.insert(key, place);
        }
        false
    }

    /// Forgets a process: page moves that follow are events of their own.
    pub fn forget(&mut self, process: ProcessIndex) {
        self.0.remove(&process);
    }

    /// Forgets all places: the caller's list is another one from here on.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
