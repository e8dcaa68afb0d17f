//! Page faults: a movable page that a task allocates between entry and return of `handle_mm_fault`
//! is a first touch.
//!
//! Faults that the kernel takes on behalf of a task (read(2) into untouched memory, get_user_pages)
//! pass here too. The memory can be a different process's (process_vm_writev(2), ptrace(2), workers
//! of the kernel): a flag says so, and the touch is charged to the owner of the memory.
//!
//! hugetlb faults allocate nothing and take their pages from a pool, so the pool is hooked itself.
//! Fallback: pages allocated while the task is in an exception from user mode; it does not know the
//! mapping, and misses faults that the kernel takes for a task.
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
    count_key::{CountKey, RemoteCause, TouchKind},
    counters::Counter,
    cpu::CpuState,
    slot::{FAULT_HINTING, FAULT_OF_OTHER, SlotIndex},
};

use super::{balancer, hugetlb_failed};
use crate::{
    count::{
        first_touch, slot,
        twin::{self, Role, Twin},
    },
    counters, cpu,
    globals::enabled,
    kernel::{page, task::Task, vma},
    record::{
        touch_run::{self, Touch},
        touched,
    },
    who::fault,
};

/// mm/memory.c
#[fentry(function = "handle_mm_fault")]
pub fn page_fault_enter(ctx: FEntryContext) -> u32 {
    fault::begin(Task::current(), ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// The backup copy of `page_fault_enter`: does nothing when the fault is known.
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
pub fn page_fault_leave(ctx: FExitContext) -> u32 {
    if !end(&ctx) {
        counters::count(Counter::FaultsInterrupted, 1);
    }
    0
}

/// The backup copy of `page_fault_leave`: finds a fault only when the primary was skipped.
#[fexit(function = "handle_mm_fault")]
pub fn page_fault_leave_second(ctx: FExitContext) -> u32 {
    end(&ctx);
    0
}

/// Ends the fault of this task. Returns false when the fault was lost on the way.
#[inline(always)]
fn end(ctx: &FExitContext) -> bool {
    let task = Task::current();
    let Some(ended) = fault::end(task) else {
        return false;
    };
    touched::settle(&ended, ctx.arg(0), ctx.arg(4));
    if ended.page_kind & FAULT_HINTING != 0 {
        // The kernel may have given the hinting fault up.
        balancer::forget(task);
    }
    true
}

/// mm/memory.c: a write to a page that is shared: after fork, of the zero page, or of a private
/// file mapping.
#[fentry(function = "do_wp_page")]
pub fn page_fault_cow(_ctx: FEntryContext) -> u32 {
    fault::mark_copying(Task::current());
    0
}

/// The backup copy of `page_fault_cow`: a second mark changes nothing.
#[fentry(function = "do_wp_page")]
pub fn page_fault_cow_second(_ctx: FEntryContext) -> u32 {
    fault::mark_copying(Task::current());
    0
}

/// mm/hugetlb.c: a page leaves the pool for a mapping; an error pointer when it does not.
#[fexit(function = "alloc_hugetlb_folio")]
pub fn page_fault_hugetlb(ctx: FExitContext) -> u32 {
    if let Some(touch_key) = touch_from_pool(&ctx) {
        let task = Task::current();
        count_from_pool(Role::Primary, &ctx, task, touch_key);
        twin::leave_mark(Twin::HugetlbFault, task, false);
    } else if hugetlb_failed::is_error(ctx.arg(3)) {
        hugetlb_failed::fault(&ctx);
    }
    0
}

/// The backup copy of `page_fault_hugetlb`.
#[fexit(function = "alloc_hugetlb_folio")]
pub fn page_fault_hugetlb_second(ctx: FExitContext) -> u32 {
    if let Some(touch_key) = touch_from_pool(&ctx)
        && twin::was_skipped(Twin::HugetlbFault, Task::current(), false)
    {
        count_from_pool(Role::Backup, &ctx, Task::current(), touch_key);
    }
    0
}

/// Counts a page of the pool as a first touch.
#[inline(always)]
fn count_from_pool(role: Role, ctx: &FExitContext, task: Task, touch_key: CountKey) {
    let pages = pool_pages(ctx);
    let fault = fault::fault_of(task);
    let owner = match &fault {
        Some(fault) if fault.page_kind & FAULT_OF_OTHER != 0 => {
            let owner = fault::owner_noted(fault);
            let touch_key = touch_key.with_task_node(cpu::node() as u16);
            first_touch::count_in_other(owner, touch_key, pages);
            owner
        }
        _ => slot::count_as(role, SlotIndex::TouchHugetlb, task, touch_key, 1, pages),
    };
    if enabled!(mapping_runs)
        && owner.is_thread()
        && let Some(fault) = fault
        && let Some(open) = touch_run::of_hugetlb()
    {
        let touch = Touch {
            task,
            owner,
            count_key: touch_key.with_task_node(cpu::node() as u16),
            pages,
            fault,
        };
        touch.add_as(role, ctx, open);
        if matches!(role, Role::Primary) && touch_key.page_node() != cpu::node() as u16 {
            let cause = why_not_here(ctx.arg(0), task);
            touch_run::add_cause(open, task, cause, pages);
        }
    }
}

/// Returns why a page of the pool is not of this CPU's node: the policy of its mapping or task, the
/// cpuset, or else the pool of the node, which is empty or promised to others.
#[inline(always)]
fn why_not_here(mapping: *const u8, task: Task) -> RemoteCause {
    if vma::policy(mapping).chosen_mode() != 0 || task.has_policy() {
        RemoteCause::Policy
    } else if !task.allows_memory_of(cpu::node()) {
        RemoteCause::Cpuset
    } else {
        RemoteCause::Fallback
    }
}

/// Returns the touch of a page that left the pool, `None` when none did.
#[inline(always)]
fn touch_from_pool(ctx: &FExitContext) -> Option<CountKey> {
    /// Pointers from here on are error numbers, of which `MAX_ERRNO` is the largest
    /// (include/linux/err.h).
    const FIRST_ERROR: u64 = -4095_i64 as u64;
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

/// Returns the base pages of a page of the mapping's pool.
#[inline(always)]
fn pool_pages(ctx: &FExitContext) -> u64 {
    1 << (vma::hugetlb_order(ctx.arg(0)) & 31)
}

/// arch/x86/include/asm/trace/exceptions.h: the address at which the task is about to fault.
#[btf_tracepoint(function = "page_fault_user")]
pub fn page_fault_address(ctx: BtfTracePointContext) -> u32 {
    if enabled!(mapping_runs) {
        fault::begin_at_address(&ctx, ctx.arg(0));
    }
    0
}

/// Counts a first touch of the fallback where the exact allocation hook is attached; where that is
/// on its fallback too, it counts first touches itself.
#[inline(always)]
fn count_in_exception(
    role: Role,
    ctx: &BtfTracePointContext,
    task: Task,
    touch_key: CountKey,
    pages: u64,
) {
    let owner = slot::count_as(role, SlotIndex::FirstTouch, task, touch_key, 1, pages);
    if enabled!(mapping_runs)
        && owner.is_thread()
        && let Some(CpuState { fault, open, .. }) = cpu::state()
        && fault::is_current(fault, task)
    {
        let touch = Touch {
            task,
            owner,
            count_key: touch_key.with_task_node(cpu::node() as u16),
            pages,
            fault,
        };
        touch.add_as(role, ctx, open);
    }
}

/// include/trace/events/kmem.h
#[btf_tracepoint(function = "mm_page_alloc")]
pub fn page_fault_fallback(ctx: BtfTracePointContext) -> u32 {
    if let Some((touch_key, pages)) = touch_in_exception(&ctx) {
        let task = Task::current();
        count_in_exception(Role::Primary, &ctx, task, touch_key, pages);
        if enabled!(tracepoint_twins) {
            twin::leave_mark(Twin::PageFault, task, false);
        }
    }
    0
}

/// The backup copy of `page_fault_fallback`.
#[btf_tracepoint(function = "mm_page_alloc")]
pub fn page_fault_fallback_second(ctx: BtfTracePointContext) -> u32 {
    let task = Task::current();
    if let Some((touch_key, pages)) = touch_in_exception(&ctx)
        && twin::was_skipped(Twin::PageFault, task, false)
    {
        count_in_exception(Role::Backup, &ctx, task, touch_key, pages);
    }
    0
}

/// Returns the touch of an allocation in an exception from user mode, and its base pages.
#[inline(always)]
fn touch_in_exception(ctx: &BtfTracePointContext) -> Option<(CountKey, u64)> {
    let page: *const u8 = ctx.arg(0);
    let (order, gfp): (u32, u32) = (ctx.arg(1), ctx.arg(2));
    let page_kind = fault::page_kind_in_exception(Task::current(), gfp);
    if page.is_null() || page_kind == 0 {
        return None;
    }
    let touch_key = first_touch::key_in_fault(page_kind, order, page::node(page));
    Some((touch_key, 1 << (order & 31)))
}
