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
//! proto: 6.14..: struct folio *alloc_hugetlb_folio(struct vm_area_struct *vma, unsigned long addr, bool cow_from_owner)
//! tp: 6.1..: mm_page_alloc(struct page *page, unsigned int order, gfp_t gfp_flags, int migratetype)

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit},
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};
use numatrace_common::{
    cell::{TOUCH_COW, TOUCH_THP, TouchKind},
    counters::Counter,
    slot::SlotIndex,
};

use crate::{
    emit::count,
    globals::global,
    kernel::{page, task::Task, vma},
    maps::FAULTS,
    touch,
};

/// mm/memory.c
#[fentry(function = "handle_mm_fault")]
pub fn page_fault_enter(ctx: FEntryContext) -> u32 {
    let task = Task::current();
    let (kind, marks) = vma::touch(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    if let Some(fault) = FAULTS.get_ptr_mut(0) {
        // SAFETY: a live per-CPU element. Another task's fault that is written over was interrupted, and is counted so at its end.
        unsafe {
            (*fault).task = task.address();
            (*fault).switches = task.switches();
            (*fault).kind = kind as u32;
            (*fault).marks = u32::from(marks);
        }
    }
    0
}

/// mm/memory.c
#[fexit(function = "handle_mm_fault")]
pub fn page_fault_leave(_ctx: FExitContext) -> u32 {
    if touch::fault_of(Task::current()).is_none() {
        count(Counter::FaultsInterrupted, 1);
    }
    if let Some(fault) = FAULTS.get_ptr_mut(0) {
        // SAFETY: a live per-CPU element.
        unsafe { (*fault).task = 0 };
    }
    0
}

/// mm/memory.c: a write to a page that is shared: after fork, of the zero page, or of a private file mapping.
#[fentry(function = "do_wp_page")]
pub fn page_fault_cow(_ctx: FEntryContext) -> u32 {
    let ours = touch::fault_of(Task::current()).is_some();
    if ours && let Some(fault) = FAULTS.get_ptr_mut(0) {
        // SAFETY: a live per-CPU element.
        unsafe { (*fault).marks |= u32::from(TOUCH_COW) };
    }
    0
}

/// mm/hugetlb.c: a page leaves the pool for a mapping, or an error pointer says why not.
#[fexit(function = "alloc_hugetlb_folio")]
pub fn page_fault_hugetlb(ctx: FExitContext) -> u32 {
    /// The last page of the address space holds error numbers, no folios (include/linux/err.h).
    const FIRST_ERROR: u64 = u64::MAX - 4095;
    let folio: *const u8 = ctx.arg(3);
    if !folio.is_null() && (folio as u64) < FIRST_ERROR {
        let order = vma::hugetlb_order(ctx.arg(0));
        let kind = TouchKind::Hugetlb as u8;
        touch::tally_in(
            SlotIndex::TouchHugetlb,
            Task::current(),
            kind,
            0,
            page::node(folio),
            order,
        );
    }
    0
}

/// include/trace/events/kmem.h
#[btf_tracepoint(function = "mm_page_alloc")]
pub fn page_fault_fallback(ctx: BtfTracePointContext) -> u32 {
    let page: *const u8 = ctx.arg(0);
    let (order, gfp): (u32, u32) = (ctx.arg(1), ctx.arg(2));
    let task = Task::current();
    let sleeps = global!(gfp.movable) | global!(gfp.direct_reclaim);
    // What may not sleep can be an interrupt's; a fault's pages always may.
    if page.is_null() || gfp & sleeps != sleeps || !task.in_user_exception() {
        return 0;
    }
    let thp = if order >= global!(pmd_order) {
        TOUCH_THP
    } else {
        0
    };
    touch::tally_in(
        SlotIndex::FirstTouch,
        task,
        TouchKind::Anon as u8,
        thp,
        page::node(page),
        order,
    );
    0
}
