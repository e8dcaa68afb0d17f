//! Page allocations, one by one, as numastat counts them.
//!
//! Exact: fexit `get_page_from_freelist` is passed once for every `zone_statistics(…, 1)`, with the preferred zone at hand.
//! Fallback: the tracepoint `mm_page_alloc`, which misses bulk allocations and the preferred zone.
//!
//! proto: 6.1..: struct page *get_page_from_freelist(gfp_t gfp_mask, unsigned int order, int alloc_flags, const struct alloc_context *ac)
//! tp: 6.1..: mm_page_alloc(struct page *page, unsigned int order, gfp_t gfp_flags, int migratetype)

use aya_ebpf::{
    helpers::generated::bpf_get_prandom_u32,
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
    globals::{enabled, global},
    kernel::{alloc_context::AllocContext, page, preempt::in_interrupt, task::Task},
    kernel_memory, totals, touch,
    twin::{self, Copy, Twin},
};

/// mm/page_alloc.c
#[fexit(function = "get_page_from_freelist")]
pub fn page_alloc_exact(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(4);
    if !page.is_null() {
        let (gfp, order) = (ctx.arg(0), ctx.arg(1));
        let task = Task::current();
        touch::tally(&ctx, Copy::First, task, gfp, order, page::node(page));
        if let Some((slot, irq)) = slot_for(gfp) {
            if enabled!(kernel_stack_every) && !irq && gfp & global!(gfp.movable) == 0 {
                kernel_memory::sample(&ctx, task, pages(order), page::node(page));
            }
            let ac = AllocContext::from_arg(ctx.arg(3));
            if totals::enter(slot) {
                exact(slot, irq, page, gfp, order, ac);
            } else {
                directly(irq, page, gfp, order, ac);
            }
            twin::ran(Twin::PageAlloc, task, irq);
        }
    }
    0
}

/// The twin.
#[fexit(function = "get_page_from_freelist")]
pub fn page_alloc_exact_second(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(4);
    if !page.is_null() {
        let (gfp, order) = (ctx.arg(0), ctx.arg(1));
        let task = Task::current();
        if let Some((_, irq)) = slot_for(gfp)
            && twin::skipped(Twin::PageAlloc, task, irq)
        {
            touch::tally(&ctx, Copy::Second, task, gfp, order, page::node(page));
            directly(irq, page, gfp, order, AllocContext::from_arg(ctx.arg(3)));
        }
    }
    0
}

/// Counts an allocation past its slot. The policy hook finds nothing to explain then; what it would say is guessed: the kernel itself asks for
/// a certain node for its own memory only.
#[inline(always)]
fn directly(irq: bool, page: *const u8, gfp: u32, order: u32, ac: AllocContext) {
    if dropped() {
        return;
    }
    let task = Task::current();
    let (node, preferred) = (page::node(page), ac.preferred_node());
    let here = totals::cpu_node() as u16;
    let mut why = cause::remote(node, preferred, here, gfp, ac, task);
    if matches!(why, RemoteCause::KernelNode) && gfp & global!(gfp.movable) != 0 {
        why = RemoteCause::Policy;
    }
    let cell = cell(node, preferred, gfp, order, why);
    totals::tally_directly(task, irq, cell, 1, pages(order));
}

/// Counts an allocation in its slot, which has been entered.
#[inline(always)]
fn exact(slot: &mut Slot, irq: bool, page: *const u8, gfp: u32, order: u32, ac: AllocContext) {
    if dropped() {
        totals::leave(slot);
        return;
    }
    let task = Task::current();
    let (node, preferred) = (page::node(page), ac.preferred_node());
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
    if !matches!(why, RemoteCause::None) && gfp & global!(gfp.movable) != 0 {
        touch::because(task, why, pages(order));
    }
    totals::tally(
        slot,
        cell(node, preferred, gfp, order, why),
        1,
        pages(order),
    );
    totals::leave(slot);
}

/// Is this one not to be counted, so that a test sees the audit fail?
#[inline(always)]
fn dropped() -> bool {
    match global!(drop_one_in) {
        0 => false,
        // SAFETY: the helper has no preconditions.
        one_in => (unsafe { bpf_get_prandom_u32() }) % one_in == 0,
    }
}

/// include/trace/events/kmem.h; `page` is NULL when the allocation failed.
#[btf_tracepoint(function = "mm_page_alloc")]
pub fn page_alloc_fallback(ctx: BtfTracePointContext) -> u32 {
    let page: *const u8 = ctx.arg(0);
    if !page.is_null() {
        let (gfp, order) = (ctx.arg(2), ctx.arg(1));
        if let Some((slot, irq)) = slot_for(gfp) {
            let task = Task::current();
            // No other program shares the slots on the fallback, so nothing needs to be kept apart.
            totals::own(slot, task, irq);
            let cell = fallback(page::node(page), slot.node, gfp, order);
            totals::tally(slot, cell, 1, pages(order));
            if enabled!(kernel_stack_every) && !irq && gfp & global!(gfp.movable) == 0 {
                kernel_memory::sample(&ctx, task, pages(order), page::node(page));
            }
            if enabled!(tracepoint_twins) {
                twin::ran(Twin::PageAlloc, task, irq);
            }
        }
    }
    0
}

/// The twin.
#[btf_tracepoint(function = "mm_page_alloc")]
pub fn page_alloc_fallback_second(ctx: BtfTracePointContext) -> u32 {
    let page: *const u8 = ctx.arg(0);
    if !page.is_null() {
        let (gfp, order) = (ctx.arg(2), ctx.arg(1));
        let task = Task::current();
        if let Some((_, irq)) = slot_for(gfp)
            && twin::skipped(Twin::PageAlloc, task, irq)
        {
            let cell = fallback(page::node(page), totals::cpu_node(), gfp, order);
            totals::tally_directly(task, irq, cell, 1, pages(order));
        }
    }
    0
}

/// The cell of an allocation whose preferred node is not known.
#[inline(always)]
fn fallback(node: u16, here: u32, gfp: u32, order: u32) -> Cell {
    let why = if u32::from(node) == here {
        RemoteCause::None
    } else {
        RemoteCause::Unknown
    };
    cell(node, NODE_UNKNOWN, gfp, order, why)
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
