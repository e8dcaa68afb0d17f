//! What a record tells beside names: something that happened at a time to a process that is known by now.

use super::process::ProcessIndex;
use crate::{
    decode::count::{MoveReason, NodePair, Reason},
    ids::{CpuId, Pid, Tid},
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Longest pause in moves of pages that are told as one thing, ns; more than the tenth of a second that a run of single folios takes to be told.
const PAUSE_NS: u64 = 250_000_000;

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// When it happened or began, ns since boot.
    pub time_ns: u64,
    /// To which process.
    pub process: ProcessIndex,
    /// From node, to node.
    pub nodes: NodePair,
    /// What.
    pub what: Happened,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    /// A thread changed its node.
    Move {
        /// The thread.
        tid: Tid,
        /// Its start, ns since boot.
        start_ns: u64,
        /// CPUs: from, to.
        cpus: (CpuId, CpuId),
        /// Why.
        reason: MoveReason,
        /// Its CPU time so far, ns.
        ran_ns: u64,
        /// Its hinting faults on pages of other nodes since its last such move.
        far_faults: u64,
    },
    /// Pages of the process changed their node.
    Pages {
        /// Who asked.
        asker: Pid,
        /// Why.
        reason: Reason,
        /// Base pages.
        pages: u64,
        /// When the last of them moved, ns since boot.
        #[serde(default)]
        until_ns: u64,
    },
}

impl Happening {
    /// Takes in moves of pages that are more of the same, without a pause. False when they are not.
    pub fn goes_on(&mut self, next: &Happening) -> bool {
        let alike = self
            .alike()
            .is_some_and(|alike| next.alike() == Some(alike));
        let (
            Happened::Pages {
                pages, until_ns, ..
            },
            Happened::Pages {
                pages: more,
                until_ns: next_until,
                ..
            },
        ) = (&mut self.what, next.what)
        else {
            return false;
        };
        // What began earlier may have been followed by something else already.
        let soon =
            next.time_ns >= self.time_ns && next.time_ns.saturating_sub(*until_ns) <= PAUSE_NS;
        if !alike || !soon || self.process != next.process {
            return false;
        }
        *pages = pages.saturating_add(more);
        *until_ns = next_until.max(*until_ns);
        true
    }

    fn alike(&self) -> Option<Alike> {
        match self.what {
            Happened::Pages { asker, reason, .. } => Some((self.nodes, asker, reason)),
            Happened::Move { .. } => None,
        }
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
        happening: &Happening,
        place: Option<usize>,
        add: impl FnOnce(usize) -> bool,
    ) -> bool {
        let Some(alike) = happening.alike() else {
            self.0.remove(&happening.process);
            return false;
        };
        let places = self.0.entry(happening.process).or_default();
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
