//! Page-cache pages as they come in: who read or wrote which file, and the node its pages went to.
//!
//! The tracepoint is passed once for each folio that joins a file's cache, by whoever asked for it: readahead runs in the thread that
//! reads. Memory of tmpfs and anonymous memory do not pass.
//!
//! tp: 6.1..: mm_filemap_add_to_page_cache(struct folio *folio)

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use numatrace_common::count_key::{CountKey, Stem};

use crate::{
    cpu,
    globals::enabled,
    kernel::{folio::Folio, page_cache, task::Task},
    record::fill_run::Fill,
    who::owner::Owner,
};

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
    Fill {
        task,
        owner,
        count_key,
        pages: folio.pages(),
        file: (dev, ino),
        by_fault,
    }
    .add_to_run();
}
