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
    cell::{Cell, NODE_UNKNOWN, RemoteCause, Stem},
    control::POLICY_HOOK,
    counters::Counter,
    slot::{Lane, Slot, SlotIndex},
};

use crate::{
    cause,
    emit::count,
    globals::global,
    kernel::{alloc_context::AllocContext, page, preempt::in_interrupt, task::Task},
    totals, touch,
};

/// mm/page_alloc.c
#[fexit(function = "get_page_from_freelist")]
pub fn page_alloc_exact(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(4);
    if !page.is_null() {
        let (gfp, order) = (ctx.arg(0), ctx.arg(1));
        touch::tally(Task::current(), gfp, order, page::node(page));
        exact(
            page,
            ctx.arg(0),
            ctx.arg(1),
            AllocContext::from_arg(ctx.arg(3)),
        );
    }
    0
}

#[inline(always)]
fn exact(page: *const u8, gfp: u32, order: u32, ac: AllocContext) {
    let Some((slot, irq)) = slot_for(gfp) else {
        return;
    };
    let task = Task::current();
    let (node, preferred) = (page::node(page), ac.preferred_node());
    if !totals::enter(slot) {
        let here = totals::cpu_node() as u16;
        let why = cause::remote(node, preferred, here, gfp, ac, task);
        totals::tally_directly(
            task,
            irq,
            cell(node, preferred, gfp, order, why),
            1,
            pages(order),
        );
        return;
    }
    totals::own(slot, task, irq);
    totals::settle(slot);
    if node != preferred && gfp & global!(gfp.thisnode) != 0 {
        // It cannot be elsewhere: then the bits of the node are not where BTF made us look for them.
        count(Counter::NodeMisread, 1);
    }
    slot.last_page = page as u64;
    slot.last_hit = u32::from(node == preferred);
    let mut why = cause::remote(node, preferred, slot.node as u16, gfp, ac, task);
    if matches!(why, RemoteCause::Policy | RemoteCause::KernelNode) {
        if totals::control().attached & POLICY_HOOK != 0 {
            let cell = totals::placed(slot, cell(node, preferred, gfp, order, why));
            slot.pending = Lane {
                cell,
                count: 1,
                amount: pages(order),
                ..totals::EMPTY
            };
            totals::leave(slot);
            return;
        }
        why = RemoteCause::Unknown;
    }
    totals::tally(
        slot,
        cell(node, preferred, gfp, order, why),
        1,
        pages(order),
    );
    totals::leave(slot);
}

/// include/trace/events/kmem.h; `page` is NULL when the allocation failed.
#[btf_tracepoint(function = "mm_page_alloc")]
pub fn page_alloc_fallback(ctx: BtfTracePointContext) -> u32 {
    let page: *const u8 = ctx.arg(0);
    if !page.is_null() {
        fallback(page::node(page), ctx.arg(2), ctx.arg(1));
    }
    0
}

/// No other program shares the slots on the fallback, so nothing needs to be kept apart.
#[inline(always)]
fn fallback(node: u16, gfp: u32, order: u32) {
    let Some((slot, irq)) = slot_for(gfp) else {
        return;
    };
    totals::own(slot, Task::current(), irq);
    let why = if u32::from(node) == slot.node {
        RemoteCause::None
    } else {
        RemoteCause::Unknown
    };
    totals::tally(
        slot,
        cell(node, NODE_UNKNOWN, gfp, order, why),
        1,
        pages(order),
    );
}

/// The slot of a task's or an interrupt's allocations. What may sleep is not in an interrupt, and that is nearly everything: only the
/// rest asks for the context.
#[inline(always)]
fn slot_for(gfp: u32) -> Option<(&'static mut Slot, bool)> {
    let slot = totals::slot(SlotIndex::AllocTask)?;
    if gfp & global!(gfp.direct_reclaim) == 0 && in_interrupt(slot) {
        return Some((totals::slot(SlotIndex::AllocIrq)?, true));
    }
    Some((slot, false))
}

#[inline(always)]
fn cell(node: u16, preferred: u16, gfp: u32, order: u32, why: RemoteCause) -> Cell {
    Cell::new(Stem::PageAlloc)
        .with_page_node(node)
        .with_preferred(preferred)
        .with_class(cause::class(gfp, order) as u8)
        .with_cause(why as u8)
}

#[inline(always)]
fn pages(order: u32) -> u64 {
    1 << (order & 31)
}
