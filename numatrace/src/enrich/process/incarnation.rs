//! One incarnation of a process, and its index.

use std::{collections::HashMap, path::PathBuf, sync::LazyLock};

use numatrace_common::scope::NS_PER_TICK;
use serde::{Deserialize, Serialize};

use crate::{
    enrich::facts::Details,
    ids::{Pid, Tid},
    model::Name,
};

/// Index of a process in [`Processes`](super::Processes), valid until the second interval after the
/// process's end.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct ProcessIndex(pub(super) u32);

impl ProcessIndex {
    /// Returns the index as a number, for hashing.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.0)
    }

    /// An index for tests of what is keyed by processes.
    #[cfg(test)]
    pub(crate) fn of_test(number: u32) -> Self {
        Self(number)
    }
}

/// Most earlier names of a process, the first and the last ones: one that calls exec in a loop has
/// no end of them.
const NAMES: usize = 32;

/// One process, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its pid.
    pub pid: Pid,
    /// Its start, ns since boot; a multiple of 10 ms as long as only `/proc` has reported it.
    pub start_ns: u64,
    /// Its last name; `None` when it ended before its name could be read.
    pub comm: Option<Name>,
    /// Its earlier names, the first one first.
    pub comms: Vec<Name>,
    /// True for a kernel thread.
    pub kthread: bool,
    /// Its parent, if its fork was recorded.
    #[serde(default)]
    pub parent: Option<Pid>,
    /// Time of its last exec, or of its fork where it runs the program of its parent, ns since
    /// boot; `None` when nobody saw it.
    #[serde(default)]
    pub exec_ns: Option<u64>,
    /// True once its last thread has ended.
    pub ended: bool,
    /// Time of its end, ns since boot; `None` without a record of it.
    pub(super) ended_ns: Option<u64>,
    /// Signal that killed it; `None` when it ended by itself, or without a record of its end.
    #[serde(default)]
    pub signal: Option<u8>,
    /// True if it ended before this interval began.
    pub(super) stale: bool,
    /// True if it was forked or called exec in scope during the session: reported even without
    /// counts.
    pub announced: bool,
    /// True if the user asked for it by pid: reported even without counts.
    #[serde(default)]
    pub(super) asked: bool,
    /// Further details, read at an exec and again for a report.
    pub details: Details,
    /// Last names of threads that ended.
    pub(super) threads: HashMap<(Tid, u64), Name>,
    /// Threads that ended and are folded into one row.
    #[serde(default)]
    pub ended_threads: u64,
    /// For the row of ended processes of one command: how many processes it adds up; `None` for a
    /// process.
    #[serde(default)]
    pub stands_for: Option<u64>,
}

/// The process of an index that has been forgotten, and the initial value of every process.
pub(super) static FORGOTTEN: LazyLock<Process> = LazyLock::new(|| Process {
    pid: Pid(0),
    start_ns: 0,
    comm: None,
    comms: Vec::new(),
    kthread: false,
    parent: None,
    exec_ns: None,
    ended: false,
    ended_ns: None,
    signal: None,
    stale: false,
    announced: false,
    asked: false,
    details: Details::default(),
    threads: HashMap::new(),
    ended_threads: 0,
    stands_for: None,
});

impl Process {
    /// Returns the root folder that its paths begin at: its own, and ours once it has ended.
    pub fn root(&self) -> PathBuf {
        if self.ended {
            PathBuf::from("/")
        } else {
            PathBuf::from(format!("/proc/{}/root", self.pid))
        }
    }

    /// Gives the process a new name and keeps the previous one.
    pub(super) fn rename(&mut self, comm: &Name) {
        if self.comm.as_ref() == Some(comm) {
            return;
        }
        if let Some(before) = self.comm.replace(comm.clone())
            && self.comms.last() != Some(&before)
        {
            if self.comms.len() >= NAMES {
                self.comms.remove(1);
            }
            self.comms.push(before);
        }
    }
}

/// Converts a start in ns to the clock ticks of `/proc`, in which starts are compared.
pub(super) fn ticks(ns: u64) -> u64 {
    ns / NS_PER_TICK
}
