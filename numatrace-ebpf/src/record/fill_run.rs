//! Runs of pages that join the page cache: coalesced per CPU, a record when thread, file, node or
//! way changes.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use numatrace_common::{
    count_key::CountKey,
    event::fill_run::{FillRun, OpenFill},
};

use super::emit::{emit_with, header};
use crate::{kernel::task::Task, who::owner::Owner};

/// Open runs, one for each [`Way`].
#[map]
static OPEN_FILL: PerCpuArray<OpenFill> = PerCpuArray::with_max_entries(2, 0);

/// Programs that see pages join files: one can be preempted by another.
#[repr(u32)]
#[derive(Clone, Copy)]
pub enum Way {
    /// `page_cache_add`
    PageCache = 0,
    /// `shmem_fill`
    SharedMemory = 1,
}

/// Pages of one folio that a thread brought into a file's cache.
pub struct Fill {
    pub task: Task,
    pub owner: Owner,
    pub count_key: CountKey,
    pub pages: u64,
    /// Device and inode number of the file.
    pub file: (u32, u64),
    /// 1 when a page fault asked for them.
    pub by_fault: u32,
}

impl Fill {
    /// Adds the pages to the open run, or begins a run if they belong to no open one.
    #[inline(always)]
    pub fn add(&self, way: Way) {
        let Some(open) = OPEN_FILL.get_ptr_mut(way as u32) else {
            return;
        };
        // SAFETY: a live per-CPU element; only this program writes it, and it never nests on one
        // CPU.
        let open = unsafe { &mut *open };
        let (dev, ino) = self.file;
        if open.task == self.task.address()
            && open.run.start_ns == self.owner.start_ns
            && open.run.count_key == self.count_key
            && open.run.ino == ino
            && open.run.dev == dev
            && open.run.by_fault == self.by_fault
        {
            open.run.pages += self.pages;
            return;
        }
        close(open);
        open.run.start_ns = self.owner.start_ns;
        open.run.tid = self.owner.tid;
        open.run.tgid = self.owner.tgid;
        open.run.count_key = self.count_key;
        open.run.pages = self.pages;
        open.run.ino = ino;
        open.run.dev = dev;
        open.run.by_fault = self.by_fault;
        open.task = self.task.address();
    }
}

/// Writes the open run, if there is one.
#[inline(never)]
fn close(open: &mut OpenFill) {
    if open.task == 0 {
        return;
    }
    open.task = 0;
    emit_with(|record: &mut FillRun| {
        *record = open.run;
        record.header = header::<FillRun>();
    });
}
