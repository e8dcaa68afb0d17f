//! Page faults: between entry and return of `handle_mm_fault`, a movable page that the task allocates is a first touch.
//!
//! Faults of the kernel on behalf of a task (read(2) into untouched memory, get_user_pages) pass here too. hugetlb faults take their pages from a pool and
//! allocate nothing, so that pool is asked itself. Fallback: pages allocated while the task is in an exception from user mode; the mapping is not known then, and
//! faults the kernel takes for a task are missed.
//!
//! proto: 6.1..: vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags, struct pt_regs *regs)
//! proto: 6.1..: vm_fault_t do_wp_page(struct vm_fault *vmf)
//! proto: 6.1..6.3: struct page *alloc_huge_page(struct vm_area_struct *vma, unsigned long addr, int avoid_reserve)
//! proto: 6.3..6.14: struct folio *alloc_hugetlb_folio(struct vm_area_struct *vma, unsigned long addr, int avoid_reserve)
//! proto: 6.12..: struct folio *alloc_hugetlb_folio(struct vm_area_struct *vma, unsigned long addr, bool cow_from_owner)
//! tp: 6.1..: page_fault_user(unsigned long address, struct pt_regs *regs, unsigned long error_code)
//! tp: 6.1..: mm_page_alloc(struct page *page, unsigned int order, gfp_t gfp_flags, int migratetype)

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit},
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};
use numatrace_common::{
    count_key::{CountKey, TouchKind},
    counters::Counter,
    cpu::CpuState,
    slot::SlotIndex,
};

use crate::{
    count::{
        first_touch, slot,
        twin::{self, Copy, Twin},
    },
    counters::count,
    cpu,
    globals::enabled,
    kernel::{page, task::Task, vma},
    record::touch_run,
    who::fault,
};

/// mm/memory.c
#[fentry(function = "handle_mm_fault")]
pub fn page_fault_enter(ctx: FEntryContext) -> u32 {
    fault::begin(Task::current(), ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// The twin: nothing to do when the fault is known.
#[fentry(function = "handle_mm_fault")]
pub fn page_fault_enter_second(ctx: FEntryContext) -> u32 {
    let task = Task::current();
    if fault::fault_of(task).is_none() {
        fault::begin(task, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    }
    0
}

/// mm/memory.c
#[fexit(function = "handle_mm_fault")]
pub fn page_fault_leave(_ctx: FExitContext) -> u32 {
    if !fault::end(Task::current()) {
        count(Counter::FaultsInterrupted, 1);
    }
    0
}

/// The twin: finds a fault only when the first copy was skipped.
#[fexit(function = "handle_mm_fault")]
pub fn page_fault_leave_second(_ctx: FExitContext) -> u32 {
    fault::end(Task::current());
    0
}

/// mm/memory.c: a write to a page that is shared: after fork, of the zero page, or of a private file mapping.
#[fentry(function = "do_wp_page")]
pub fn page_fault_cow(_ctx: FEntryContext) -> u32 {
    fault::copies(Task::current());
    0
}

/// The twin.
#[fentry(function = "do_wp_page")]
pub fn page_fault_cow_second(_ctx: FEntryContext) -> u32 {
    fault::copies(Task::current());
    0
}

/// mm/hugetlb.c: a page leaves the pool for a mapping, or an error pointer says why not.
#[fexit(function = "alloc_hugetlb_folio")]
pub fn page_fault_hugetlb(ctx: FExitContext) -> u32 {
    if let Some(count_key) = from_pool(&ctx) {
        let task = Task::current();
        taken(&ctx, Copy::First, task, count_key);
        twin::ran(Twin::HugetlbFault, task, false);
    }
    0
}

/// The twin.
#[fexit(function = "alloc_hugetlb_folio")]
pub fn page_fault_hugetlb_second(ctx: FExitContext) -> u32 {
    if let Some(count_key) = from_pool(&ctx)
        && twin::skipped(Twin::HugetlbFault, Task::current(), false)
    {
        taken(&ctx, Copy::Second, Task::current(), count_key);
    }
    0
}

/// Counts a page of the pool.
#[inline(always)]
fn taken(ctx: &FExitContext, copy: Copy, task: Task, count_key: CountKey) {
    let pages = pool_pages(ctx);
    let owner = slot::tally_in(copy, SlotIndex::TouchHugetlb, task, count_key, 1, pages);
    if enabled!(mapping_runs)
        && owner.is_thread()
        && let Some(fault) = fault::fault_of(task)
        && let Some(open) = touch_run::of_hugetlb()
    {
        let run = touch_run::Touch {
            task,
            owner,
            count_key: count_key.with_task_node(cpu::node() as u16),
            pages,
            fault,
        };
        match copy {
            Copy::First => {
                run.count(ctx, open);
            }
            Copy::Second => run.count_alone(),
        }
    }
}

/// The touch of a page that did leave the pool.
#[inline(always)]
fn from_pool(ctx: &FExitContext) -> Option<CountKey> {
    /// Pointers from here on are error numbers, `-MAX_ERRNO` and above (include/linux/err.h).
    const FIRST_ERROR: u64 = (-4095_i64) as u64;
    let folio: *const u8 = ctx.arg(3);
    if folio.is_null() || folio as u64 >= FIRST_ERROR {
        return None;
    }
    Some(first_touch::key(
        TouchKind::Hugetlb as u8,
        0,
        page::node(folio),
    ))
}

/// Base pages of a page of the mapping's pool.
#[inline(always)]
fn pool_pages(ctx: &FExitContext) -> u64 {
    1 << (vma::hugetlb_order(ctx.arg(0)) & 31)
}

/// arch/x86/include/asm/trace/exceptions.h: where the task is about to fault, whatever lies there.
#[btf_tracepoint(function = "page_fault_user")]
pub fn page_fault_address(ctx: BtfTracePointContext) -> u32 {
    if enabled!(mapping_runs) {
        fault::faults_at(&ctx, ctx.arg(0));
    }
    0
}

/// Counts a first touch of the fallback where the exact allocation hook is attached: the fallback's own counts touches by the way.
#[inline(always)]
fn touched(ctx: &BtfTracePointContext, copy: Copy, task: Task, count_key: CountKey, pages: u64) {
    let owner = slot::tally_in(copy, SlotIndex::FirstTouch, task, count_key, 1, pages);
    if enabled!(mapping_runs)
        && owner.is_thread()
        && let Some(CpuState { fault, open, .. }) = cpu::state()
        && fault::is_of(fault, task)
    {
        let run = touch_run::Touch {
            task,
            owner,
            count_key: count_key.with_task_node(cpu::node() as u16),
            pages,
            fault,
        };
        match copy {
            Copy::First => {
                run.count(ctx, open);
            }
            Copy::Second => run.count_alone(),
        }
    }
}

/// include/trace/events/kmem.h
#[btf_tracepoint(function = "mm_page_alloc")]
pub fn page_fault_fallback(ctx: BtfTracePointContext) -> u32 {
    if let Some((count_key, pages)) = in_exception(&ctx) {
        let task = Task::current();
        touched(&ctx, Copy::First, task, count_key, pages);
        if enabled!(tracepoint_twins) {
            twin::ran(Twin::PageFault, task, false);
        }
    }
    0
}

/// The twin.
#[btf_tracepoint(function = "mm_page_alloc")]
pub fn page_fault_fallback_second(ctx: BtfTracePointContext) -> u32 {
    let task = Task::current();
    if let Some((count_key, pages)) = in_exception(&ctx)
        && twin::skipped(Twin::PageFault, task, false)
    {
        touched(&ctx, Copy::Second, task, count_key, pages);
    }
    0
}

/// The touch, and its base pages, of an allocation in an exception from user mode.
#[inline(always)]
fn in_exception(ctx: &BtfTracePointContext) -> Option<(CountKey, u64)> {
    let page: *const u8 = ctx.arg(0);
    let (order, gfp): (u32, u32) = (ctx.arg(1), ctx.arg(2));
    let what = fault::in_exception(Task::current(), gfp);
    if page.is_null() || what == 0 {
        return None;
    }
    let count_key = first_touch::made_by(what, order, page::node(page));
    Some((count_key, 1 << (order & 31)))
}
