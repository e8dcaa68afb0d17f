//! Areas: ranges of one process's memory of one file and class, with the threads that touched and
//! used their pages, and the moves of these pages.
//!
//! Counts are kept with their addresses, so that an area can be divided once its mappings are
//! known.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::Range};

use numatrace_common::count_key::{RemoteCause, TouchKind};

use super::extents::Extents;
use crate::{
    capture::recording::fixed,
    decode::{
        count::NodePair,
        mapping_run::{Area as RunArea, FileId, TouchRun},
    },
    enrich::process::ENDED_THREADS,
    ids::{Pid, Tid},
};

/// Most stacks that are kept of one area.
const STACKS: usize = 256;
/// Most stacks that are kept of an area that may be all memory of a process, because its mappings
/// are not known yet.
const STACKS_UNKNOWN: usize = 4_096;

/// A thread: its number and its start (ns since boot), because numbers are reused.
pub type Thread = (Tid, u64);

/// The class of an area, as far as the kernel's mapping shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Without a file, and not a stack that grows.
    Anon,
    /// The main thread's stack.
    Stack,
    /// The hugetlb pool.
    Hugetlb,
    /// Code of a file.
    Text,
    /// A file, private and writable: pages that are written to are copied.
    Data,
    /// Any other mapping of a file.
    File,
    /// Only the address is known.
    Unknown,
}

impl Class {
    /// Returns the class of the mapping of a run.
    pub fn of(area: &RunArea) -> Self {
        if !area.known() {
            Class::Unknown
        } else if area.hugetlb() {
            Class::Hugetlb
        } else if area.main_stack() {
            Class::Stack
        } else if area.file.is_none() {
            Class::Anon
        } else if area.executable() {
            Class::Text
        } else if area.writable() && !area.shared() {
            Class::Data
        } else {
            Class::File
        }
    }
}

/// One area of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Area {
    /// Its class.
    pub class: Class,
    /// Its file.
    pub file: Option<FileId>,
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// First touches.
    pub touches: BTreeMap<TouchKey, Touched>,
    /// Hinting faults.
    pub uses: BTreeMap<(Thread, NodePair), Extents>,
    /// Base pages that hinting faults moved.
    pub migrated: u64,
    /// Base pages that were moved for any reason, by nodes, and where they lie in the mapping.
    #[serde(default)]
    pub moved: BTreeMap<NodePair, Extents>,
    /// Of these, pages that moved back to a node that they had been moved from; counted each time.
    #[serde(default)]
    pub bounced: u64,
    /// First touches by the number of the user stack they came from.
    pub stacks: BTreeMap<u32, FromStack>,
}

/// First touches from one user stack: base pages, and where they lie, because one run of touches
/// goes through adjacent mappings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FromStack {
    /// Pages put on the thread's node.
    pub near: Extents,
    /// Pages put on a different node.
    pub far: Extents,
}

impl FromStack {
    fn add(&mut self, run: &TouchRun) {
        let side = if run.nodes.0 == run.nodes.1 {
            &mut self.near
        } else {
            &mut self.far
        };
        side.add(run.low, run.high, run.pages);
    }

    /// Returns the number of base pages.
    pub fn pages(&self) -> u64 {
        self.near.total().saturating_add(self.far.total())
    }
}

/// First touches that are counted together: thread, nodes, kind of pages, and process that touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TouchKey {
    /// The thread.
    pub thread: Thread,
    /// Node of the thread, node of the pages.
    pub nodes: NodePair,
    /// Kind of the pages as the kernel side saw it; `None` where it did not.
    pub kind: Option<TouchKind>,
    /// The process that touched them, if it is not the one that has them.
    #[serde(default)]
    pub toucher: Option<Pid>,
}

/// The first touches of one [`TouchKey`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Touched {
    /// Base pages, and where they lie.
    pub pages: Extents,
    /// When their last run began, ns since boot.
    pub last_ns: u64,
    /// Of these, pages of transparent huge pages.
    pub thp: u64,
    /// Of these, pages with a [`RemoteCause`], by its number.
    #[serde(with = "fixed")]
    pub causes: [u64; RemoteCause::ALL.len()],
}

impl Touched {
    fn merge(&mut self, other: &Self) {
        let Self {
            pages,
            last_ns,
            thp,
            causes,
        } = other;
        self.pages.merge(pages);
        self.last_ns = self.last_ns.max(*last_ns);
        self.thp = self.thp.saturating_add(*thp);
        for (sum, pages) in self.causes.iter_mut().zip(causes) {
            *sum = sum.saturating_add(*pages);
        }
    }

    /// Returns the part that lies at `pages`; causes are divided by the number of pages.
    fn part(&self, pages: Extents) -> Self {
        let (part, whole) = (pages.total(), self.pages.total().max(1));
        let share = |count: u64| {
            u64::try_from(u128::from(count) * u128::from(part) / u128::from(whole)).unwrap_or(count)
        };
        Self {
            last_ns: self.last_ns,
            thp: self.thp.min(part),
            causes: self.causes.map(share),
            pages,
        }
    }
}

impl Area {
    /// An area in which nothing has been counted.
    pub fn new(class: Class, file: Option<FileId>, range: Range<u64>) -> Self {
        Self {
            class,
            file,
            start: range.start,
            end: range.end,
            touches: BTreeMap::new(),
            uses: BTreeMap::new(),
            migrated: 0,
            moved: BTreeMap::new(),
            bounced: 0,
            stacks: BTreeMap::new(),
        }
    }

    /// Takes in a run of first touches.
    pub fn touched(&mut self, run: &TouchRun) {
        let key = TouchKey {
            thread: (run.thread.tid, run.thread.start_ns),
            nodes: run.nodes,
            kind: run.kind,
            toucher: run.toucher,
        };
        let touched = self.touches.entry(key).or_default();
        touched.pages.add(run.low, run.high, run.pages);
        touched.last_ns = touched.last_ns.max(run.began_ns);
        if run.thp {
            touched.thp = touched.thp.saturating_add(run.pages);
        }
        for (sum, pages) in touched.causes.iter_mut().zip(run.causes) {
            *sum = sum.saturating_add(u64::from(pages));
        }
        let most = match self.class {
            Class::Unknown => STACKS_UNKNOWN,
            _ => STACKS,
        };
        if let Some(stack) = run.stack
            && (self.stacks.len() < most || self.stacks.contains_key(&stack))
        {
            self.stacks.entry(stack).or_default().add(run);
        }
    }

    /// Gives the counts of folded threads to one thread.
    pub fn fold(&mut self, is_folded: impl Fn(Thread) -> bool) {
        let folded = self.touches.extract_if(.., |key, _| is_folded(key.thread));
        let folded: Vec<_> = folded.collect();
        for (key, touched) in folded {
            let key = TouchKey {
                thread: ENDED_THREADS,
                ..key
            };
            self.touches.entry(key).or_default().merge(&touched);
        }
        let folded = self
            .uses
            .extract_if(.., |(thread, _), _| is_folded(*thread));
        let folded: Vec<_> = folded.collect();
        for ((_, nodes), faults) in folded {
            let key = (ENDED_THREADS, nodes);
            self.uses.entry(key).or_default().merge(&faults);
        }
    }

    /// Returns the parts below an address and from it on.
    pub fn split_at(&self, at: u64) -> (Self, Self) {
        let mut below = Self::new(self.class, self.file, self.start..at);
        let mut above = Self::new(self.class, self.file, at..self.end);
        // These have no addresses: they stay with the upper part.
        (above.migrated, above.bounced) = (self.migrated, self.bounced);
        for (number, from) in &self.stacks {
            let (near_low, near_high) = from.near.split_at(at);
            let (far_low, far_high) = from.far.split_at(at);
            for (area, near, far) in [
                (&mut below, near_low, far_low),
                (&mut above, near_high, far_high),
            ] {
                let from = FromStack { near, far };
                if from.pages() > 0 {
                    area.stacks.insert(*number, from);
                }
            }
        }
        for (key, touched) in &self.touches {
            let (low, high) = touched.pages.split_at(at);
            for (area, pages) in [(&mut below, low), (&mut above, high)] {
                if pages.total() > 0 {
                    area.touches.insert(*key, touched.part(pages));
                }
            }
        }
        for (key, faults) in &self.uses {
            let (low, high) = faults.split_at(at);
            for (area, faults) in [(&mut below, low), (&mut above, high)] {
                if faults.total() > 0 {
                    area.uses.insert(*key, faults);
                }
            }
        }
        for (nodes, pages) in &self.moved {
            let (low, high) = pages.split_at(at);
            for (area, pages) in [(&mut below, low), (&mut above, high)] {
                if pages.total() > 0 {
                    area.moved.insert(*nodes, pages);
                }
            }
        }
        (below, above)
    }

    /// Returns the base pages that were touched first.
    pub fn pages(&self) -> u64 {
        let (near, far) = self.near_and_far();
        near.saturating_add(far)
    }

    /// Returns the base pages that were touched first: those put on the thread's node, and the
    /// others.
    pub fn near_and_far(&self) -> (u64, u64) {
        let touches = self.touches.iter();
        touches.fold((0, 0), |(near, far), (key, touched)| {
            let pages = touched.pages.total();
            if key.nodes.0 == key.nodes.1 {
                (near.saturating_add(pages), far)
            } else {
                (near, far.saturating_add(pages))
            }
        })
    }

    /// Returns whether nothing was counted in it.
    pub fn is_empty(&self) -> bool {
        self.touches.is_empty() && self.uses.is_empty() && self.moved.is_empty()
    }

    /// Returns the pages that are remote or missed the preferred node, by the number of their
    /// cause. The remote pages without a recorded cause are `Unknown`.
    pub fn causes(&self) -> [u64; RemoteCause::ALL.len()] {
        let mut causes = [0u64; RemoteCause::ALL.len()];
        for (key, touched) in &self.touches {
            for (sum, pages) in causes.iter_mut().zip(touched.causes) {
                *sum = sum.saturating_add(pages);
            }
            if key.nodes.0 != key.nodes.1 {
                let known: u64 = touched.causes.iter().sum();
                causes[RemoteCause::Unknown as usize] +=
                    touched.pages.total().saturating_sub(known);
            }
        }
        causes
    }

    /// Returns the kind of most of the pages that were touched; `None` where none was seen.
    pub fn kind(&self) -> Option<TouchKind> {
        let mut by_kind = [0u64; TouchKind::ALL.len()];
        for (key, touched) in &self.touches {
            if let Some(kind) = key.kind {
                by_kind[kind as usize] += touched.pages.total();
            }
        }
        TouchKind::ALL
            .into_iter()
            .filter(|kind| by_kind[*kind as usize] > 0)
            .max_by_key(|kind| by_kind[*kind as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    /// Bytes of a base page.
    const PAGE: u64 = 4096;

    fn touched(node: u16, first: u64, pages: u64, stack: u32) -> TouchRun {
        TouchRun {
            stack: Some(stack),
            ..TouchRun::example(first * PAGE, pages, NodeId(node))
        }
    }

    #[test]
    fn a_stack_has_of_each_mapping_what_its_runs_touched_there() {
        let mut area = Area::new(Class::Unknown, None, 0..100 * PAGE);
        for run in [
            // One run extends into the mapping behind.
            touched(0, 0, 14, 1),
            touched(1, 20, 10, 1),
            touched(0, 40, 5, 2),
        ] {
            area.touched(&run);
        }
        let (below, above) = area.split_at(4 * PAGE);
        let pages = |area: &Area| -> Vec<(u32, u64, u64)> {
            let stacks = area.stacks.iter();
            stacks
                .map(|(number, from)| (*number, from.near.total(), from.far.total()))
                .collect()
        };
        assert_eq!(pages(&below), [(1, 4, 0)]);
        assert_eq!(pages(&above), [(1, 10, 10), (2, 5, 0)]);
    }
}
