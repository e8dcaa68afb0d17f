//! Runs of hinting faults: coalesced per CPU, a record when thread, mapping or node changes.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use numatrace_common::{
    control::NO_RUNS,
    count_key::CountKey,
    event::mapping_run::{Area, OpenUse, UseRun},
};

use super::emit::{emit_with, header};
use crate::{
    clock, control,
    count::twin::Role,
    cpu,
    kernel::{page::bytes, task::Task, vma},
    who::owner::Owner,
};

/// Open runs.
#[map]
static OPEN_USE: PerCpuArray<OpenUse> = PerCpuArray::with_max_entries(1, 0);

/// One hinting fault.
pub struct Use {
    pub task: Task,
    pub owner: Owner,
    pub count_key: CountKey,
    pub address: u64,
    pub area: Area,
}

impl Use {
    /// Puts the fault into a run: the primary copy into the open one or a new one, the backup copy
    /// into one of its own.
    #[inline(always)]
    pub fn add_as(&self, role: Role) {
        if control::is_reduced(NO_RUNS) {
            return;
        }
        let count_key = self.count_key.with_task_node(cpu::node() as u16);
        let low = self.address & !(bytes(1) - 1);
        match role {
            Role::Primary => self.add(count_key, low),
            Role::Backup => emit_with(|record: &mut UseRun| {
                record.header = header::<UseRun>();
                self.fill(record, count_key, low);
            }),
        }
    }

    #[inline(always)]
    fn add(&self, count_key: CountKey, low: u64) {
        let Some(open) = OPEN_USE.get_ptr_mut(0) else {
            return;
        };
        // SAFETY: a live per-CPU element; only this program begins and ends runs in it, and it
        // never nests on one CPU.
        let open = unsafe { &mut *open };
        if open.task == self.task.address()
            && open.run.start_ns == self.owner.start_ns
            && open.run.count_key == count_key
            && vma::is_same(&open.run.area, &self.area)
        {
            extend(&mut open.run, low);
            return;
        }
        close(open);
        self.fill(&mut open.run, count_key, low);
        open.task = self.task.address();
    }

    #[inline(always)]
    fn fill(&self, run: &mut UseRun, count_key: CountKey, low: u64) {
        run.began_ns = clock::now();
        run.start_ns = self.owner.start_ns;
        run.tid = self.owner.tid;
        run.tgid = self.owner.tgid;
        run.count_key = count_key;
        run.low = low;
        run.high = low + bytes(1);
        run.faults = 1;
        run.migrated = 0;
        run.area = self.area;
    }
}

#[inline(always)]
fn extend(run: &mut UseRun, low: u64) {
    run.faults += 1;
    if low < run.low {
        run.low = low;
    }
    let high = low + bytes(1);
    if high > run.high {
        run.high = high;
    }
}

/// Adds pages that the hinting fault of `task` migrated to the open run, if it is the task's.
#[inline(always)]
pub fn add_migrated(task: Task, pages: u64) {
    if let Some(open) = OPEN_USE.get_ptr_mut(0) {
        // SAFETY: a live per-CPU element.
        let open = unsafe { &mut *open };
        if open.task == task.address() {
            open.run.migrated += pages;
        }
    }
}

/// Writes the open run, if there is one.
#[inline(never)]
fn close(open: &mut OpenUse) {
    if open.task == 0 {
        return;
    }
    open.task = 0;
    emit_with(|record: &mut UseRun| {
        *record = open.run;
        record.header = header::<UseRun>();
    });
}
