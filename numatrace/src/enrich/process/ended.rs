//! Processes and threads that have ended, on their way from rows of their own into the row of their
//! command.
//!
//! A long session sees millions of them. The last ones keep what is known of each; of older ones
//! only sums are kept, under one row for each command. `folding` decides which are folded, and into
//! what; `fold` and `label` follow by [`Folds`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::incarnation::ProcessIndex;
use crate::{enrich::Charged, ids::Tid, model::Name};

/// The thread that counts of ended threads are charged to.
pub const ENDED_THREADS: (Tid, u64) = (Tid(0), 0);

/// Something that ended, and the number of sweeps before that.
type Since<T> = (T, u64);

/// Processes that have ended and are not folded yet, and the rows of those that are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ended {
    /// In the order of their ends.
    pub(super) processes: VecDeque<Since<ProcessIndex>>,
    /// Threads that were not the first of their process, in the order of their ends.
    pub(super) threads: VecDeque<Since<(ProcessIndex, Tid, u64)>>,
    /// Sweeps so far.
    pub(super) sweeps: u64,
    /// The row of each command; `None` is that of all others.
    pub(super) rows: BTreeMap<Option<Name>, ProcessIndex>,
    /// Processes that seemed to live when that was checked last.
    pub(super) checked: usize,
    /// Numbers of those folded in this session or interval.
    pub(super) folded: Folded,
}

/// Processes and threads that were folded in a session or interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Folded {
    /// Processes.
    pub processes: u64,
    /// Threads of processes that have rows of their own.
    pub threads: u64,
}

/// Processes and threads that are folded now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folds {
    /// Each process with the row that it goes into.
    pub processes: BTreeMap<ProcessIndex, ProcessIndex>,
    /// Threads of other processes.
    pub threads: BTreeSet<(ProcessIndex, Tid, u64)>,
}

impl Folds {
    /// Returns whether nothing is folded.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty() && self.threads.is_empty()
    }

    /// Returns the owner that counts of an owner belong to from now on.
    pub fn charged(&self, charged: Charged) -> Charged {
        let Charged::Thread {
            process,
            tid,
            start_ns,
        } = charged
        else {
            return charged;
        };
        let folded = |process| Charged::Thread {
            process,
            tid: ENDED_THREADS.0,
            start_ns: ENDED_THREADS.1,
        };
        match self.processes.get(&process) {
            Some(row) => folded(*row),
            None if self.threads.contains(&(process, tid, start_ns)) => folded(process),
            None => charged,
        }
    }
}
