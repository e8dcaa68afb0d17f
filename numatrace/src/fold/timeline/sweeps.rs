//! Counts of sweeps for the threads of a timeline and their processes.
//!
//! Kept from the first move of a thread on: what was counted before is in the totals, less this.
//! First touches are kept sweep by sweep only where a thread moved in between, so the list is no
//! longer than twice the timeline.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    enrich::{Observation, process::ProcessIndex},
    fold::{
        absence::{
            evidence::{Evidence, EvidenceKind},
            spent::SpentByNode,
        },
        area::Thread,
        sums::{bump, bump_all},
    },
    ids::NodeId,
};

/// First touches of one process, as one sweep or several in a row counted them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Touched {
    /// When the last of the sweeps was, ns since boot: events up to then came before it.
    pub until_ns: u64,
    /// Base pages by node.
    pub pages: BTreeMap<NodeId, u64>,
    /// A thread of the process moved or ended since the sweep before: this is one sweep.
    moved: bool,
}

/// A thread that moved between nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Followed {
    /// Its process.
    pub process: ProcessIndex,
    /// Time and faults since the sweep before its first move.
    pub spent: SpentByNode,
    /// When it ended, ns since boot; `None` while it lives.
    pub ended_ns: Option<u64>,
}

/// Counts of sweeps for all of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sweeps {
    touched: BTreeMap<ProcessIndex, Vec<Touched>>,
    threads: BTreeMap<Thread, Followed>,
    /// Processes of which a thread moved or ended since the last sweep.
    moved: BTreeSet<ProcessIndex>,
    /// First touches of the sweep that is being counted.
    #[serde(skip)]
    sweep: BTreeMap<ProcessIndex, BTreeMap<NodeId, u64>>,
    /// The time of the latest move, ns since boot.
    latest_ns: u64,
}

impl Sweeps {
    /// Keeps what is counted for a thread, and for its process, from a move of it on.
    pub fn follow(&mut self, process: ProcessIndex, thread: Thread, time_ns: u64) {
        self.touched.entry(process).or_default();
        self.threads.entry(thread).or_default().process = process;
        self.note(process, time_ns);
    }

    /// Takes in the end of a thread. Returns its process, if the thread had moved.
    pub fn exited(&mut self, thread: Thread, time_ns: u64) -> Option<ProcessIndex> {
        let followed = self.threads.get_mut(&thread)?;
        followed.ended_ns = Some(time_ns);
        let process = followed.process;
        self.note(process, time_ns);
        Some(process)
    }

    fn note(&mut self, process: ProcessIndex, time_ns: u64) {
        self.moved.insert(process);
        self.latest_ns = self.latest_ns.max(time_ns);
    }

    /// Returns whether anything that a sweep counts is kept.
    pub fn are_kept(&self) -> bool {
        !self.threads.is_empty()
    }

    /// Takes in a count of a sweep; [`Sweeps::end`] follows the last one.
    pub fn count(&mut self, count: &Observation) {
        let Some(evidence) = Evidence::of(count) else {
            return;
        };
        let Evidence {
            process,
            thread,
            node,
            what,
        } = evidence;
        match what {
            EvidenceKind::Touched(pages) => {
                if self.touched.contains_key(&process) {
                    bump(self.sweep.entry(process).or_default(), node, pages);
                }
            }
            EvidenceKind::Spent(spent) => {
                if let Some(followed) = self.threads.get_mut(&thread) {
                    followed.spent.add(node, spent);
                }
            }
        }
    }

    /// The sweep has been counted, `now_ns` after boot.
    pub fn end(&mut self, now_ns: u64) {
        // Records that the sweep came after may be a little younger than its time.
        let until_ns = now_ns.max(self.latest_ns);
        for process in std::mem::take(&mut self.moved) {
            let pages = self.sweep.remove(&process).unwrap_or_default();
            let sweeps = self.touched.entry(process).or_default();
            sweeps.push(Touched {
                until_ns,
                pages,
                moved: true,
            });
        }
        for (process, pages) in std::mem::take(&mut self.sweep) {
            let sweeps = self.touched.entry(process).or_default();
            match sweeps.last_mut() {
                Some(last) if !last.moved => {
                    last.until_ns = until_ns;
                    bump_all(&mut last.pages, &pages);
                }
                _ => sweeps.push(Touched {
                    until_ns,
                    pages,
                    moved: false,
                }),
            }
        }
    }

    /// Keeps what is known of these processes only.
    pub fn retain(&mut self, keep: impl Fn(ProcessIndex) -> bool) {
        self.touched.retain(|process, _| keep(*process));
        self.threads.retain(|_, followed| keep(followed.process));
        self.moved.retain(|process| keep(*process));
        self.sweep.retain(|process, _| keep(*process));
    }

    /// Returns the first touches of a process since its first thread moved.
    pub fn of(&self, process: ProcessIndex) -> &[Touched] {
        self.touched.get(&process).map_or(&[], Vec::as_slice)
    }

    /// Returns the threads that moved.
    pub fn threads(&self) -> impl Iterator<Item = (Thread, &Followed)> {
        self.threads
            .iter()
            .map(|(thread, followed)| (*thread, followed))
    }
}
