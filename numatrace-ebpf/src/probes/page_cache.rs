//! Pages that join the page cache: which thread read or wrote which file, and the node of its
//! pages.
//!
//! The tracepoint fires once for each folio that joins a file's cache, in the thread that asked for
//! it: readahead runs in the thread that reads. Memory of tmpfs does not pass it
//! (`shmem_fill`), and anonymous memory belongs to no file.
//!
//! tp: 6.1..: mm_filemap_add_to_page_cache(struct folio *folio)

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use numatrace_common::count_key::{CountKey, Stem};

use crate::{
    cpu,
    globals::enabled,
    kernel::{folio::Folio, page_cache, task::Task},
    record::{
        fill_run::{Fill, Way},
        touched,
    },
    who::owner::Owner,
};

/// include/trace/events/filemap.h
#[btf_tracepoint(function = "mm_filemap_add_to_page_cache")]
pub fn page_cache_add(ctx: BtfTracePointContext) -> u32 {
    let pointer: *const u8 = ctx.arg(0);
    // Pages of hugetlbfs pass here too, and the kernel does not count them as page cache.
    if page_cache::is_hugetlbfs(pointer) {
        return 0;
    }
    let task = Task::current();
    let folio = Folio::from_arg(pointer);
    if enabled!(mapping_runs) {
        folio_added(Way::PageCache, pointer, folio, task);
    }
    if enabled!(first_touch)
        && let Some(cpu) = cpu::state()
    {
        touched::joined_cache(cpu, task, folio);
    }
    0
}

/// Notes who brought a folio into a file, and the file.
#[inline(always)]
pub fn folio_added(way: Way, pointer: *const u8, folio: Folio, task: Task) {
    let owner = Owner::of(task);
    if !owner.is_thread() {
        return;
    }
    let count_key = CountKey::new(Stem::FirstTouch)
        .with_page_node(folio.node())
        .with_task_node(cpu::node() as u16);
    Fill {
        task,
        owner,
        count_key,
        pages: folio.pages(),
        file: page_cache::file_of(pointer),
        by_fault: u32::from(task.in_user_exception()),
    }
    .add(way);
}
