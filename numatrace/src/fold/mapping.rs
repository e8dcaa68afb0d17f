//! Memory by mapping: who touched which addresses first, who uses them, from runs.
//!
//! Runs are joined into areas: what the kernel showed as one mapping, or as several that overlap (a heap that grows), of the same file and
//! sort. Names are a later stage's business. Bounded: what finds no room is counted.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use numatrace_common::{
    cell::{RemoteCause, TouchKind},
    event::task_bind::BindWhat,
};

use super::extents::Extents;
use crate::{
    capture::recording::fixed,
    decode::{
        count::NodePair,
        event::PagesMoved,
        fill_run::FillRun,
        kernel_alloc::KernelAlloc,
        mapping_run::{Area as RunArea, FileId, TaskBind, TouchRun, UseRun},
    },
    enrich::process::ProcessIndex,
    ids::Tid,
};

/// Areas of one process that are kept: programs with more have thousands of small ones.
const AREAS_EACH: usize = 4_096;
/// Areas of all processes: about 100 MB when all are full.
const AREAS: usize = 65_536;
/// Kernel stacks of one process that are told apart.
const KERNEL_STACKS: usize = 4_096;
/// Files of one process whose pages are told apart: a backup reads millions.
const FILES_EACH: usize = 4_096;
/// Binds of one thread that are kept.
const BINDS: usize = 8;
/// Stacks of one area that are kept.
const STACKS: usize = 256;
/// The same where one area is all memory of a process, its mappings not being known yet.
const STACKS_UNKNOWN: usize = 4_096;

/// A thread, told from an earlier one with the same number by its start (ns since boot).
pub type Thread = (Tid, u64);

/// What sort of memory it is, as far as the kernel's mapping tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// No file, not a stack that grows.
    Anon,
    /// The main thread's stack.
    Stack,
    /// The hugetlb pool.
    Hugetlb,
    /// Code of a file.
    Text,
    /// A file, private and writable: what is written is copied.
    Data,
    /// A file otherwise.
    File,
    /// Only the address is known.
    Unknown,
}

impl Class {
    fn of(area: &RunArea) -> Self {
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
    /// What sort.
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
    /// Pages that were moved, for whatever reason, from node to node: where they lay in the mapping.
    #[serde(default)]
    pub moved: BTreeMap<NodePair, Extents>,
    /// Pages among them that went back to a node they had been moved from, as often as they did.
    #[serde(default)]
    pub bounced: u64,
    /// What was touched from user stacks, by the stack's number.
    pub stacks: BTreeMap<u32, FromStack>,
}

/// What was touched from one user stack: base pages, and where they lie, since one run of touches goes through adjacent mappings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FromStack {
    /// Put on the thread's node.
    pub near: Extents,
    /// Put on another.
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

    /// Base pages.
    pub fn pages(&self) -> u64 {
        self.near.total().saturating_add(self.far.total())
    }
}

/// Who touched, from where to where, and what kind of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TouchKey {
    /// Who.
    pub thread: Thread,
    /// Node of the thread, node of the pages.
    pub nodes: NodePair,
    /// The kernel's kind of the pages.
    pub kind: Option<TouchKind>,
}

/// What was touched.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Touched {
    /// Where: base pages.
    pub pages: Extents,
    /// When the last run of it began, ns since boot.
    pub last_ns: u64,
    /// Pages among them that are transparent huge pages.
    pub thp: u64,
    /// Pages among them by the number of the [`RemoteCause`] that was told for them.
    #[serde(with = "fixed")]
    pub causes: [u64; RemoteCause::ALL.len()],
}

impl Touched {
    /// The part of it that lies where `pages` says, causes by length.
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

/// One process's memory.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Its areas, in no order.
    pub areas: Vec<Area>,
    /// Stack pointers seen of its threads: lowest and highest.
    pub stack_pointers: BTreeMap<Thread, (u64, u64)>,
    /// When threads were bound: the first and the last few times.
    pub binds: BTreeMap<Thread, Vec<Bound>>,
    /// Pages it brought into the page cache, file by file.
    pub filled: BTreeMap<FileId, BTreeMap<FillKey, u64>>,
    /// Samples of memory the kernel took for itself on its behalf, by number of the kernel stack.
    pub kernel: BTreeMap<Option<u32>, KernelTook>,
}

/// What samples of one kernel stack add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelTook {
    /// Samples.
    pub samples: u64,
    /// Base pages they stand for.
    pub pages: u64,
    /// Those of samples whose page was on another node than the thread.
    pub remote: u64,
}

/// Who brought pages of a file in, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FillKey {
    /// Who.
    pub thread: Thread,
    /// Node of the thread, node of the pages.
    pub nodes: NodePair,
    /// A page fault asked for them, not a system call.
    pub by_fault: bool,
}

/// One time a thread was bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// When, ns since boot.
    pub time_ns: u64,
    /// By what.
    pub what: BindWhat,
    /// The range of memory it is about, when it is not all.
    pub range: Option<(u64, u64)>,
}

/// The memory of all processes in scope.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mappings {
    /// By process.
    pub by_process: BTreeMap<ProcessIndex, Memory>,
    /// Base pages of runs for which there was no room.
    pub no_room: u64,
    areas: usize,
}

impl Mappings {
    /// Takes in first touches.
    pub fn touched(&mut self, process: ProcessIndex, run: &TouchRun) {
        let thread = (run.thread.tid, run.thread.start_ns);
        if let Some(sp) = run.sp {
            let memory = self.by_process.entry(process).or_default();
            let (low, high) = memory.stack_pointers.entry(thread).or_insert((sp, sp));
            (*low, *high) = ((*low).min(sp), (*high).max(sp));
        }
        let Some(area) = self.area(process, &run.area, run.low, run.high) else {
            self.no_room = self.no_room.saturating_add(run.pages);
            return;
        };
        let key = TouchKey {
            thread,
            nodes: run.nodes,
            kind: run.kind,
        };
        let touched = area.touches.entry(key).or_default();
        touched.pages.add(run.low, run.high, run.pages);
        touched.last_ns = touched.last_ns.max(run.began_ns);
        if run.thp {
            touched.thp = touched.thp.saturating_add(run.pages);
        }
        for (sum, pages) in touched.causes.iter_mut().zip(run.causes) {
            *sum = sum.saturating_add(u64::from(pages));
        }
        let most = match area.class {
            Class::Unknown => STACKS_UNKNOWN,
            _ => STACKS,
        };
        if let Some(stack) = run.stack
            && (area.stacks.len() < most || area.stacks.contains_key(&stack))
        {
            area.stacks.entry(stack).or_default().add(run);
        }
    }

    /// Takes in hinting faults.
    pub fn used(&mut self, process: ProcessIndex, run: &UseRun) {
        let Some(area) = self.area(process, &run.area, run.low, run.high) else {
            self.no_room = self.no_room.saturating_add(run.faults);
            return;
        };
        let thread = (run.thread.tid, run.thread.start_ns);
        area.uses
            .entry((thread, run.nodes))
            .or_default()
            .add(run.low, run.high, run.faults);
        area.migrated = area.migrated.saturating_add(run.migrated);
    }

    /// Takes in pages that changed their node.
    pub fn moved(&mut self, process: ProcessIndex, run: &PagesMoved) {
        let (low, high) = run.range;
        let Some(area) = self.area(process, &run.area, low, high) else {
            self.no_room = self.no_room.saturating_add(run.pages);
            return;
        };
        let (from, to) = run.nodes;
        let came: u64 = area.moved.get(&(to, from)).map_or(0, |before| {
            let overlaps = before.iter();
            overlaps
                .filter(|extent| extent.low < high && low < extent.high)
                .map(|extent| extent.part(low, high))
                .sum()
        });
        area.bounced = area.bounced.saturating_add(came.min(run.pages));
        let stretch = area.moved.entry(run.nodes).or_default();
        stretch.add(low, high, run.pages);
    }

    /// Takes in pages that came into the page cache.
    pub fn filled(&mut self, process: ProcessIndex, run: &FillRun) {
        let files = &mut self.by_process.entry(process).or_default().filled;
        if files.len() >= FILES_EACH && !files.contains_key(&run.file) {
            self.no_room = self.no_room.saturating_add(run.pages);
            return;
        }
        let key = FillKey {
            thread: (run.thread.tid, run.thread.start_ns),
            nodes: run.nodes,
            by_fault: run.by_fault,
        };
        let pages = files.entry(run.file).or_default().entry(key).or_default();
        *pages = pages.saturating_add(run.pages);
    }

    /// Takes in a sample of memory that the kernel took for itself. Stacks beyond the bound count as none.
    pub fn kernel_took(&mut self, process: ProcessIndex, sample: &KernelAlloc) {
        let kernel = &mut self.by_process.entry(process).or_default().kernel;
        let known = kernel.len() < KERNEL_STACKS || kernel.contains_key(&sample.stack);
        let took = kernel.entry(sample.stack.filter(|_| known)).or_default();
        took.samples += 1;
        took.pages = took.pages.saturating_add(sample.pages);
        if sample.nodes.0 != sample.nodes.1 {
            took.remote = took.remote.saturating_add(sample.pages);
        }
    }

    /// Takes in that a thread was bound. Of many times the first and the last few stay.
    pub fn bound(&mut self, process: ProcessIndex, bind: &TaskBind, time_ns: u64) {
        let Some(what) = bind.what else { return };
        let memory = self.by_process.entry(process).or_default();
        let thread = (bind.thread.tid, bind.thread.start_ns);
        let binds = memory.binds.entry(thread).or_default();
        if binds.len() >= BINDS {
            binds.remove(1);
        }
        binds.push(Bound {
            time_ns,
            what,
            range: bind.range,
        });
    }

    /// The area a run belongs to, grown to hold its mapping; `None` when there is no room for another.
    fn area(
        &mut self,
        process: ProcessIndex,
        run: &RunArea,
        low: u64,
        high: u64,
    ) -> Option<&mut Area> {
        let class = Class::of(run);
        let (start, end) = match class {
            Class::Unknown => (low, high),
            _ => (run.start, run.end),
        };
        let memory = self.by_process.entry(process).or_default();
        let same = |area: &Area| {
            area.class == class
                && area.file == run.file
                // A file is one thing wherever it is mapped.
                && (run.file.is_some()
                    || class == Class::Unknown
                    || area.start < end && start < area.end)
        };
        let at = match memory.areas.iter().position(same) {
            Some(at) => at,
            None if memory.areas.len() >= AREAS_EACH || self.areas >= AREAS => return None,
            None => {
                self.areas += 1;
                memory.areas.push(Area {
                    class,
                    file: run.file,
                    start,
                    end,
                    touches: BTreeMap::new(),
                    uses: BTreeMap::new(),
                    migrated: 0,
                    moved: BTreeMap::new(),
                    bounced: 0,
                    stacks: BTreeMap::new(),
                });
                memory.areas.len() - 1
            }
        };
        let area = memory.areas.get_mut(at)?;
        area.start = area.start.min(start);
        area.end = area.end.max(end);
        Some(area)
    }
}

impl Area {
    /// What lies below an address, and the rest.
    pub fn split_at(&self, at: u64) -> (Self, Self) {
        let mut below = Self {
            end: at,
            touches: BTreeMap::new(),
            uses: BTreeMap::new(),
            migrated: 0,
            moved: BTreeMap::new(),
            bounced: 0,
            stacks: BTreeMap::new(),
            ..*self
        };
        let mut above = Self {
            start: at,
            touches: BTreeMap::new(),
            uses: BTreeMap::new(),
            migrated: self.migrated,
            moved: BTreeMap::new(),
            bounced: self.bounced,
            stacks: BTreeMap::new(),
            ..*self
        };
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

    /// Base pages touched first.
    pub fn pages(&self) -> u64 {
        let (near, far) = self.near_and_far();
        near.saturating_add(far)
    }

    /// Base pages touched first: those put on the node of the thread, and the others.
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

    /// Was anything counted in it?
    pub fn is_empty(&self) -> bool {
        self.touches.is_empty() && self.uses.is_empty() && self.moved.is_empty()
    }

    /// Why pages are remote or missed the node that was preferred, by number: what was told, and `Unknown` for the remote rest.
    pub fn causes(&self) -> [u64; RemoteCause::ALL.len()] {
        let mut causes = [0u64; RemoteCause::ALL.len()];
        for (key, touched) in &self.touches {
            for (sum, pages) in causes.iter_mut().zip(touched.causes) {
                *sum = sum.saturating_add(pages);
            }
            if key.nodes.0 != key.nodes.1 {
                let told: u64 = touched.causes.iter().sum();
                causes[RemoteCause::Unknown as usize] += touched.pages.total().saturating_sub(told);
            }
        }
        causes
    }

    /// The kernel's kind of most of the pages touched.
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
    use crate::decode::count::Owner;
    use crate::decode::count::ThreadId;
    use crate::decode::event::TaskFork;
    use crate::enrich::process::Processes;
    use crate::ids::{NodeId, Pid};
    use crate::model::Name;

    /// Bytes of a base page.
    const PAGE: u64 = 4096;

    fn moved(from: u16, to: u16, first: u64, pages: u64) -> PagesMoved {
        PagesMoved {
            owner: Owner::Nobody,
            asker: Pid(1),
            nodes: (NodeId(from), NodeId(to)),
            reason: 5,
            pages,
            range: (first * PAGE, (first + pages) * PAGE),
            area: RunArea {
                start: 0,
                end: 1000 * PAGE,
                flags: 0,
                pgoff: 0,
                file: None,
            },
        }
    }

    fn touched(node: u16, first: u64, pages: u64, stack: u32) -> TouchRun {
        TouchRun {
            thread: ThreadId {
                pid: Pid(7),
                tid: Tid(7),
                start_ns: 5,
            },
            began_ns: 10,
            nodes: (NodeId(0), NodeId(node)),
            kind: None,
            causes: Default::default(),
            cow: false,
            thp: false,
            low: first * PAGE,
            high: (first + pages) * PAGE,
            pages,
            sp: None,
            area: RunArea {
                start: 0,
                end: 0,
                flags: 0,
                pgoff: 0,
                file: None,
            },
            stack: Some(stack),
        }
    }

    fn app() -> (Processes, ProcessIndex) {
        let mut known = Processes::default();
        known.forked(&TaskFork {
            pid: Pid(7),
            start_ns: 5,
            parent: Pid(1),
            kthread: false,
            comm: Name::from("app"),
        });
        let process = known.announced(u64::MAX).next().unwrap();
        (known, process)
    }

    #[test]
    fn a_stack_has_of_each_mapping_what_its_runs_touched_there() {
        let (_known, process) = app();
        let mut mappings = Mappings::default();
        for run in [
            // One run goes on into the mapping behind.
            touched(0, 0, 14, 1),
            touched(1, 20, 10, 1),
            touched(0, 40, 5, 2),
        ] {
            mappings.touched(process, &run);
        }
        let (below, above) = mappings.by_process[&process].areas[0].split_at(4 * PAGE);
        let told = |area: &Area| -> Vec<(u32, u64, u64)> {
            let stacks = area.stacks.iter();
            stacks
                .map(|(number, from)| (*number, from.near.total(), from.far.total()))
                .collect()
        };
        assert_eq!(told(&below), [(1, 4, 0)]);
        assert_eq!(told(&above), [(1, 10, 10), (2, 5, 0)]);
    }

    #[test]
    fn pages_that_go_back_are_counted_each_time_and_others_are_not() {
        let (_known, process) = app();
        let mut mappings = Mappings::default();
        for run in [
            moved(0, 1, 0, 100),
            // Others, and the same way again.
            moved(1, 0, 200, 50),
            moved(0, 1, 300, 10),
            // Half of the first ones back, and a part of these to the other node once more.
            moved(1, 0, 0, 50),
            moved(0, 1, 10, 20),
        ] {
            mappings.moved(process, &run);
        }
        let area = &mappings.by_process[&process].areas[0];
        assert_eq!(area.bounced, 50 + 20);
        let (below, above) = area.split_at(150 * PAGE);
        let total = |area: &Area| area.moved.values().map(Extents::total).sum::<u64>();
        assert_eq!(total(&below) + total(&above), 230);
        assert_eq!(below.bounced + above.bounced, 70);
    }
}
