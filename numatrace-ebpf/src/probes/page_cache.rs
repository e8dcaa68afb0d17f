//! Page-cache pages as they come in: who read or wrote which file, and the node its pages went to.
//!
//! The tracepoint is passed once for each folio that joins a file's cache, by whoever asked for it: readahead runs in the thread that
//! reads. Memory of tmpfs and anonymous memory do not pass.
//!
//! tp: 6.1..: mm_filemap_add_to_page_cache(struct folio *folio)

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    macros::{btf_tracepoint, map},
    maps::PerCpuArray,
    programs::BtfTracePointContext,
};
use numatrace_common::{
    count_key::{CountKey, Stem},
    counters::Counter,
    event::fill_run::{FillRun, OpenFill},
};

use crate::{
    counters::count,
    cpu,
    emit::header,
    globals::enabled,
    kernel::{folio::Folio, page_cache, task::Task},
    maps::EVENTS,
    who::owner::Owner,
};

/// Runs under way.
#[map]
static OPEN_FILL: PerCpuArray<OpenFill> = PerCpuArray::with_max_entries(1, 0);

/// include/trace/events/filemap.h
#[btf_tracepoint(function = "mm_filemap_add_to_page_cache")]
pub fn page_cache_add(ctx: BtfTracePointContext) -> u32 {
    if enabled!(mapping_runs) {
        added(ctx.arg(0));
    }
    0
}

#[inline(always)]
fn added(pointer: *const u8) {
    let task = Task::current();
    let owner = Owner::of(task);
    if !owner.is_thread() {
        return;
    }
    let folio = Folio::from_arg(pointer);
    let (dev, ino) = page_cache::file_of(pointer);
    let by_fault = u32::from(task.in_user_exception());
    let count_key = CountKey::new(Stem::FirstTouch)
        .with_page_node(folio.node())
        .with_task_node(cpu::node() as u16);
    let Some(open) = OPEN_FILL.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: a live per-CPU element; only this program writes it, and it never nests on one CPU.
    let open = unsafe { &mut *open };
    let same = open.task == task.address()
        && open.run.start_ns == owner.start_ns
        && open.run.count_key == count_key
        && open.run.ino == ino
        && open.run.dev == dev
        && open.run.by_fault == by_fault;
    if same {
        open.run.pages += folio.pages();
        return;
    }
    close(open);
    open.run.start_ns = owner.start_ns;
    open.run.tid = owner.tid;
    open.run.tgid = owner.tgid;
    open.run.count_key = count_key;
    open.run.pages = folio.pages();
    open.run.ino = ino;
    open.run.dev = dev;
    open.run.by_fault = by_fault;
    open.task = task.address();
}

/// Writes the run that ends here, if there is one.
#[inline(never)]
fn close(open: &mut OpenFill) {
    if open.task == 0 {
        return;
    }
    open.task = 0;
    let Some(mut entry) = EVENTS.reserve::<FillRun>(0) else {
        count(Counter::LostFillRun, 1);
        return;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: the reservation is as large as the record, which is written whole.
    unsafe {
        *record = open.run;
        (*record).header = header::<FillRun>();
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    count(Counter::Records, 1);
}
