//! Page allocations, one by one, as numastat counts them.
//!
//! Exact: fexit `get_page_from_freelist` is passed once for every `zone_statistics(…, 1)`, with the preferred zone at hand.
//! Fallback: the tracepoint `mm_page_alloc`, which misses bulk allocations and the preferred zone.
//!
//! proto: 6.1..: struct page *get_page_from_freelist(gfp_t gfp_mask, unsigned int order, int alloc_flags, const struct alloc_context *ac)
//! tp: 6.1..: mm_page_alloc(struct page *page, unsigned int order, gfp_t gfp_flags, int migratetype)

use aya_ebpf::{
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};
use numatrace_common::{
    cell::{AllocClass, Cell, NODE_UNKNOWN, Stem},
    slot::SlotIndex,
};

use crate::{
    globals::global,
    kernel::{alloc_context, page, preempt::in_interrupt, task::Task},
    totals,
};

/// mm/page_alloc.c
#[fexit(function = "get_page_from_freelist")]
pub fn page_alloc_exact(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(4);
    if !page.is_null() {
        let preferred = alloc_context::preferred_node(ctx.arg(3));
        tally(page::node(page), preferred, ctx.arg(0), ctx.arg(1));
    }
    0
}

/// include/trace/events/kmem.h; `page` is NULL when the allocation failed.
#[btf_tracepoint(function = "mm_page_alloc")]
pub fn page_alloc_fallback(ctx: BtfTracePointContext) -> u32 {
    let page: *const u8 = ctx.arg(0);
    if !page.is_null() {
        tally(page::node(page), NODE_UNKNOWN, ctx.arg(2), ctx.arg(1));
    }
    0
}

#[inline(always)]
fn tally(node: u16, preferred: u16, gfp: u32, order: u32) {
    let Some(mut slot) = totals::slot(SlotIndex::AllocTask) else {
        return;
    };
    // What may sleep is not in an interrupt, and that is nearly everything: only the rest asks for the context.
    let irq = gfp & global!(gfp.direct_reclaim) == 0 && in_interrupt(slot);
    if irq {
        let Some(other) = totals::slot(SlotIndex::AllocIrq) else {
            return;
        };
        slot = other;
    }
    totals::own(slot, Task::current(), irq);
    let cell = Cell::new(Stem::PageAlloc)
        .with_page_node(node)
        .with_preferred(preferred)
        .with_class(class(gfp, order) as u8);
    totals::tally(slot, cell, 1, 1 << (order & 31));
}

/// What an allocation is for, as far as order and flags tell (include/linux/gfp_types.h).
#[inline(always)]
fn class(gfp: u32, order: u32) -> AllocClass {
    if gfp & global!(gfp.movable) == 0 {
        // GFP_PGTABLE_USER is GFP_KERNEL | __GFP_ZERO | __GFP_ACCOUNT; a slab of accounted objects adds __GFP_NOWARN.
        let table = global!(gfp.zero) | global!(gfp.account);
        return if order == 0 && gfp & (table | global!(gfp.nowarn)) == table {
            AllocClass::PageTable
        } else {
            AllocClass::Kernel
        };
    }
    if order == 0 {
        AllocClass::User4k
    } else if order < global!(pmd_order) {
        AllocClass::UserLarge
    } else if gfp & global!(gfp.nomemalloc) != 0 {
        AllocClass::Thp
    } else {
        AllocClass::Hugetlb
    }
}
