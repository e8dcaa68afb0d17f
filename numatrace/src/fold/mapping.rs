//! Memory by mapping, from runs: the threads that touched addresses first, and those that use them.
//!
//! Runs are joined into areas. An area is one mapping, or several that overlap (a heap that grows),
//! of one file and class. Names are found by `label`. All tables are bounded; runs without room are
//! counted.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use numatrace_common::event::task_bind::BindWhat;

use super::{
    area::{Area, Class, Thread},
    extents::PAGE,
    sums::bump,
};
use crate::{
    decode::{
        count::NodePair,
        event::PagesMoved,
        fill_run::FillRun,
        kernel_alloc::KernelAlloc,
        mapping_run::{Area as RunArea, FileId, TaskBind, TouchRun, UseRun},
    },
    enrich::process::{ENDED_THREADS, Folds, ProcessIndex},
    ids::Tid,
};

/// Most areas of one process: programs with more have thousands of small ones.
const AREAS_EACH: usize = 4_096;
/// Most areas of all processes: about 100 MB when all are full.
const AREAS: usize = 65_536;
/// Most kernel stacks of one process that are kept apart.
const KERNEL_STACKS: usize = 4_096;
/// Most files of one process whose pages are kept apart: a backup reads millions of files.
const FILES_EACH: usize = 4_096;
/// Most files of all rows of ended processes together: some 10 MB.
const FILES_OF_ROWS: usize = 16_384;
/// Most binds of one thread that are kept.
const BINDS: usize = 8;

/// One process's memory.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Its areas, in no order.
    pub areas: Vec<Area>,
    /// The lowest and the highest stack pointer seen of each of its threads.
    pub stack_pointers: BTreeMap<Thread, (u64, u64)>,
    /// Binds of its threads: the first and the last few.
    pub binds: BTreeMap<Thread, Vec<Bound>>,
    /// Pages that it brought into the page cache, by file.
    pub filled: BTreeMap<FileId, BTreeMap<FillKey, u64>>,
    /// Samples of memory that the kernel took for itself on behalf of the process, by the number of
    /// the kernel stack.
    pub kernel: BTreeMap<Option<u32>, KernelTook>,
}

/// The samples of one kernel stack, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelTook {
    /// Samples.
    pub samples: u64,
    /// Base pages they stand for.
    pub pages: u64,
    /// Of these, pages on a different node than the thread.
    pub remote: u64,
}

/// Page cache fills that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FillKey {
    /// The thread.
    pub thread: Thread,
    /// Node of the thread, node of the pages.
    pub nodes: NodePair,
    /// Whether a page fault asked for the pages, not a system call.
    pub by_fault: bool,
}

/// A bind of a thread to CPUs or nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// When, ns since boot.
    pub time_ns: u64,
    /// The kind of bind.
    pub what: BindWhat,
    /// The range of memory that it is about; `None` when it is about all memory.
    pub range: Option<(u64, u64)>,
}

/// The memory of all processes in scope.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mappings {
    /// Memory by process.
    pub by_process: BTreeMap<ProcessIndex, Memory>,
    /// Base pages, or faults, of runs for which there was no room.
    pub no_room: u64,
    /// Base pages of areas of processes that were folded.
    pub folded: u64,
    areas: usize,
    /// Files of rows of ended processes.
    files_of_rows: usize,
}

impl Memory {
    /// Takes in what a process that is folded brought into the page cache, and what the kernel took
    /// on its behalf; `room` is for so many further files. Returns the pages for which there was no
    /// room.
    fn absorb(&mut self, other: Self, mut room: usize) -> u64 {
        let mut no_room: u64 = 0;
        for (file, fills) in other.filled {
            if !self.filled.contains_key(&file) {
                let Some(left) = room.checked_sub(1) else {
                    no_room = fills.values().copied().fold(no_room, u64::saturating_add);
                    continue;
                };
                room = left;
            }
            let known = self.filled.entry(file).or_default();
            for (key, pages) in fills {
                let thread = ENDED_THREADS;
                bump(known, FillKey { thread, ..key }, pages);
            }
        }
        for (stack, took) in other.kernel {
            let known = self.kernel.len() < KERNEL_STACKS || self.kernel.contains_key(&stack);
            let sum = self.kernel.entry(stack.filter(|_| known)).or_default();
            sum.samples = sum.samples.saturating_add(took.samples);
            sum.pages = sum.pages.saturating_add(took.pages);
            sum.remote = sum.remote.saturating_add(took.remote);
        }
        no_room
    }

    /// Gives what is known of folded threads to one thread.
    fn fold(&mut self, is_folded: impl Fn(Thread) -> bool) {
        for area in &mut self.areas {
            area.fold(&is_folded);
        }
        self.stack_pointers.retain(|thread, _| !is_folded(*thread));
        self.binds.retain(|thread, _| !is_folded(*thread));
        for fills in self.filled.values_mut() {
            let folded = fills.extract_if(.., |key, _| is_folded(key.thread));
            let folded: Vec<_> = folded.collect();
            for (key, pages) in folded {
                let thread = ENDED_THREADS;
                bump(fills, FillKey { thread, ..key }, pages);
            }
        }
    }
}

impl Mappings {
    /// Takes in a run of first touches.
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
        area.touched(run);
    }

    /// Takes in a run of hinting faults.
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

    /// Takes in a run of pages that were moved between nodes.
    pub fn moved(&mut self, process: ProcessIndex, run: &PagesMoved) {
        let (low, high) = run.range;
        let Some(area) = self.area(process, &run.area, low, high) else {
            self.no_room = self.no_room.saturating_add(run.pages);
            return;
        };
        let (from, to) = run.nodes;
        let came_before: u64 = area.moved.get(&(to, from)).map_or(0, |before| {
            let overlaps = before.iter();
            overlaps
                .filter(|extent| extent.low < high && low < extent.high)
                .map(|extent| extent.part(low, high))
                .sum()
        });
        // Of a run with gaps, only a share of the pages in its range moved.
        let pages = (high.saturating_sub(low) / PAGE).max(run.pages).max(1);
        let back = u128::from(came_before.min(pages)) * u128::from(run.pages) / u128::from(pages);
        let back = u64::try_from(back).unwrap_or(run.pages);
        area.bounced = area.bounced.saturating_add(back);
        let moved = area.moved.entry(run.nodes).or_default();
        moved.add(low, high, run.pages);
    }

    /// Takes in a run of pages that came into the page cache.
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

    /// Takes in a sample of memory that the kernel took for itself. Samples of stacks beyond the
    /// bound count as samples without a stack.
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

    /// Takes in a bind of a thread. Of many binds the first and the last few are kept.
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

    /// Gives what is known of folded threads to one thread of their process, and of folded
    /// processes what has no addresses to the rows that they go into. Addresses mean nothing
    /// outside of their process: its areas are forgotten, and their pages counted.
    pub fn fold(&mut self, folds: &Folds) {
        let folded = self
            .by_process
            .extract_if(.., |process, _| folds.processes.contains_key(process));
        let folded: Vec<_> = folded.collect();
        for (process, memory) in folded {
            self.areas = self.areas.saturating_sub(memory.areas.len());
            let pages = memory.areas.iter().map(Area::pages);
            self.folded = pages.fold(self.folded, u64::saturating_add);
            let Some(row) = folds.processes.get(&process) else {
                continue;
            };
            if memory.filled.is_empty() && memory.kernel.is_empty() {
                continue;
            }
            let room = FILES_OF_ROWS.saturating_sub(self.files_of_rows);
            let known = self.by_process.entry(*row).or_default();
            let before = known.filled.len();
            let no_room = known.absorb(memory, room);
            self.files_of_rows += known.filled.len() - before;
            self.no_room = self.no_room.saturating_add(no_room);
        }
        for (process, memory) in &mut self.by_process {
            let first = (*process, Tid(0), 0);
            let mut of_process = folds.threads.range(first..).peekable();
            if of_process.next_if(|(other, ..)| other == process).is_some() {
                let folded = |(tid, start_ns)| folds.threads.contains(&(*process, tid, start_ns));
                memory.fold(folded);
            }
        }
    }

    /// Returns the same without any process, whose pages are counted as folded.
    pub fn forgotten(&self) -> Self {
        let memories = self.by_process.values();
        let pages = memories.flat_map(|memory| &memory.areas).map(Area::pages);
        let folded = pages.fold(self.folded, u64::saturating_add);
        Self {
            folded,
            no_room: self.no_room,
            ..Self::default()
        }
    }

    /// Returns the area that a run belongs to, grown to hold its mapping; `None` when there is no
    /// room for another area.
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
                // All mappings of a file are one area.
                && (run.file.is_some()
                    || class == Class::Unknown
                    || area.start < end && start < area.end)
        };
        let at = match memory.areas.iter().position(same) {
            Some(at) => at,
            None if memory.areas.len() >= AREAS_EACH || self.areas >= AREAS => return None,
            None => {
                self.areas += 1;
                memory.areas.push(Area::new(class, run.file, start..end));
                memory.areas.len() - 1
            }
        };
        let area = memory.areas.get_mut(at)?;
        area.start = area.start.min(start);
        area.end = area.end.max(end);
        Some(area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::count::Owner,
        enrich::process::Processes,
        fold::extents::Extents,
        ids::{NodeId, Pid},
    };

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

    #[test]
    fn pages_that_go_back_are_counted_each_time_and_others_are_not() {
        let (_, process) = Processes::example();
        let mut mappings = Mappings::default();
        for run in [
            moved(0, 1, 0, 100),
            // Other pages, and pages in the first direction again.
            moved(1, 0, 200, 50),
            moved(0, 1, 300, 10),
            // Half of the first pages back, and a part of these to the other node once more.
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
        // A run with gaps: a quarter of the pages in its range moved back.
        let gaps = PagesMoved {
            pages: 25,
            ..moved(1, 0, 300, 100)
        };
        mappings.moved(process, &gaps);
        // A quarter of the ten, rounded down.
        assert_eq!(mappings.by_process[&process].areas[0].bounced, 70 + 2);
    }
}
