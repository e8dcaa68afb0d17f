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
    programs::{BtfTracePointContext, FExitContext, tracing::StackIdContext},
};
use numatrace_common::{
    cell::{Cell, NODE_UNKNOWN, RemoteCause, Stem},
    control::{Control, EXCEPTION_TOUCHES, POLICY_HOOK},
    counters::Counter,
    cpu::CpuState,
    slot::{Fault, Lane, Slot, SlotIndex},
};

use crate::{
    cause,
    emit::count,
    globals::{enabled, global},
    kernel::{alloc_context::AllocContext, page, preempt::in_interrupt, task::Task},
    kernel_memory,
    maps::CONTROL_WORD,
    owner::Owner,
    runs,
    streaks::{self, Event},
    totals, touch,
    twin::{self, Twin},
};

/// The cell of nothing.
const NOTHING: Cell = Cell(0);

/// What one allocation is, whichever hook tells of it.
#[derive(Clone, Copy)]
struct Alloc<const EXACT: bool> {
    event: Event,
    page: *const u8,
    /// Known to the exact hook only.
    ac: AllocContext,
}

/// mm/page_alloc.c
#[fexit(function = "get_page_from_freelist")]
#[inline(always)]
pub fn page_alloc_exact(ctx: FExitContext) -> u32 {
    if let Some(alloc) = Alloc::of_return(&ctx) {
        first(&ctx, &alloc, enabled!(twins));
    }
    0
}

/// The twin.
#[fexit(function = "get_page_from_freelist")]
#[inline(always)]
pub fn page_alloc_exact_second(ctx: FExitContext) -> u32 {
    if let Some(alloc) = Alloc::of_return(&ctx) {
        second(&alloc);
    }
    0
}

/// include/trace/events/kmem.h
#[btf_tracepoint(function = "mm_page_alloc")]
#[inline(always)]
pub fn page_alloc_fallback(ctx: BtfTracePointContext) -> u32 {
    if let Some(alloc) = Alloc::of_tracepoint(&ctx) {
        first(&ctx, &alloc, enabled!(tracepoint_twins));
    }
    0
}

/// The twin.
#[btf_tracepoint(function = "mm_page_alloc")]
#[inline(always)]
pub fn page_alloc_fallback_second(ctx: BtfTracePointContext) -> u32 {
    if let Some(alloc) = Alloc::of_tracepoint(&ctx) {
        second(&alloc);
    }
    0
}

/// Counts an allocation, and leaves the mark for the twin if there is one.
#[inline(always)]
fn first<const EXACT: bool, C: StackIdContext>(ctx: &C, alloc: &Alloc<EXACT>, has_twin: bool) {
    let (Some(cpu), Some(control)) = (streaks::state(), CONTROL_WORD.get(0)) else {
        return;
    };
    let irq = alloc.is_of_interrupt(&mut cpu.slot);
    if dropped() {
    } else if irq {
        of_interrupt(&{ *alloc }, control);
    } else {
        of_task(ctx, cpu, control, alloc);
    }
    if has_twin {
        twin::ran(Twin::PageAlloc, alloc.event.task, irq);
    }
}

/// Counts it past streaks and slots, if the first copy has not.
#[inline(always)]
fn second<const EXACT: bool>(alloc: &Alloc<EXACT>) {
    let (Some(cpu), Some(control)) = (streaks::state(), CONTROL_WORD.get(0)) else {
        return;
    };
    let irq = alloc.is_of_interrupt(&mut cpu.slot);
    if twin::skipped(Twin::PageAlloc, alloc.event.task, irq) && !dropped() {
        let alloc = if irq {
            *alloc
        } else {
            alloc.looked_at(cpu, control)
        };
        directly(cpu, &alloc, irq);
    }
}

/// Counts a task's allocation.
#[inline(always)]
fn of_task<const EXACT: bool, C: StackIdContext>(
    ctx: &C,
    cpu: &mut CpuState,
    control: &Control,
    alloc: &Alloc<EXACT>,
) {
    let alloc = alloc.looked_at(cpu, control);
    let event = &alloc.event;
    if enabled!(kernel_stack_every) && event.gfp & global!(gfp.movable) == 0 {
        kernel_memory::sample(ctx, event.task, alloc.pages(), event.node);
    }
    let goes_on = streaks::goes_on(cpu, event, control.epoch);
    if !goes_on {
        if !totals::enter(&mut cpu.slot) {
            // Copies, here and below, so that what is common stays in registers.
            directly(cpu, &{ alloc }, false);
            return;
        }
        streaks::own(cpu, event.task, control.epoch);
    }
    let touch = touch::made_by(event.what, event.order, event.node);
    in_run(ctx, cpu, &alloc, touch);
    cpu.slot.last_page = alloc.page as u64;
    if goes_on {
        cpu.slot.last_hit = 1;
    } else {
        turn(cpu, control, &{ alloc }, touch);
        totals::leave(&mut cpu.slot);
    }
}

/// Counts an allocation that is not like the one before it. The slot has been entered. Not inlined, like others that are not on the way of
/// every event: the frames of what is called one after the other lie over one another, and a program has 512 bytes for all.
#[inline(never)]
fn turn<const EXACT: bool>(
    cpu: &mut CpuState,
    control: &Control,
    alloc: &Alloc<EXACT>,
    touch: Cell,
) {
    let event = &alloc.event;
    let preferred = alloc.preferred_node();
    if EXACT && event.node != preferred && event.gfp & global!(gfp.thisnode) != 0 {
        // It cannot be elsewhere: then the bits of the node are not where BTF made us look for them.
        count(Counter::NodeMisread, 1);
    }
    cpu.slot.last_hit = u32::from(event.node == preferred);
    let why = alloc.cause(event.node, cpu.slot.node as u16);
    let cell = alloc.cell(event.node, preferred, why);
    if matches!(why, RemoteCause::None) {
        streaks::begin(cpu, event, cell, touch, alloc.pages());
        return;
    }
    let is_asked_for = matches!(why, RemoteCause::Policy | RemoteCause::KernelNode);
    if is_asked_for && control.attached & POLICY_HOOK != 0 {
        streaks::into_lanes(&mut cpu.slot, NOTHING, touch, 1, alloc.pages());
        // The policy hook will say who.
        cpu.slot.pending = Lane {
            cell: totals::placed(&cpu.slot, cell),
            count: 1,
            amount: alloc.pages(),
            ..totals::EMPTY
        };
        streaks::pause(cpu);
        return;
    }
    let why = if is_asked_for {
        RemoteCause::Unknown
    } else {
        why
    };
    if EXACT && !touch.is_empty() {
        runs::because(&mut cpu.open, event.task, why, alloc.pages());
    }
    let cell = cell.with_cause(why as u8);
    streaks::into_lanes(&mut cpu.slot, cell, touch, 1, alloc.pages());
}

/// Counts an interrupt's allocation. No policy hook explains those.
#[inline(never)]
fn of_interrupt<const EXACT: bool>(alloc: &Alloc<EXACT>, control: &Control) {
    let Some(slot) = totals::slot(SlotIndex::AllocIrq) else {
        return;
    };
    totals::own(slot, alloc.event.task, true);
    let (node, preferred) = (alloc.event.node, alloc.preferred_node());
    slot.last_page = alloc.page as u64;
    let mut why = alloc.cause(node, slot.node as u16);
    if matches!(why, RemoteCause::Policy | RemoteCause::KernelNode)
        && control.attached & POLICY_HOOK == 0
    {
        why = RemoteCause::Unknown;
    }
    totals::tally(slot, alloc.cell(node, preferred, why), 1, alloc.pages());
}

/// Counts an allocation past its slot. The policy hook finds nothing to explain then; what it would say is guessed: the kernel itself asks for
/// a certain node for its own memory only.
#[inline(never)]
fn directly<const EXACT: bool>(cpu: &mut CpuState, alloc: &Alloc<EXACT>, irq: bool) {
    let (node, preferred) = (alloc.event.node, alloc.preferred_node());
    let mut why = alloc.cause(node, totals::cpu_node() as u16);
    if matches!(why, RemoteCause::KernelNode) && alloc.event.gfp & global!(gfp.movable) != 0 {
        why = RemoteCause::Policy;
    }
    let cell = alloc.cell(node, preferred, why);
    let owner = totals::tally_directly(alloc.event.task, irq, cell, 1, alloc.pages());
    let touch = touch::made_by(alloc.event.what, alloc.event.order, node);
    if touch.is_empty() {
        return;
    }
    totals::tally_directly(alloc.event.task, irq, touch, 1, alloc.pages());
    if let Some(run) = alloc.run(owner, touch, &cpu.fault) {
        run.count_alone();
    }
}

/// Adds a first touch of the slot's owner to its run.
#[inline(always)]
fn in_run<const EXACT: bool, C: StackIdContext>(
    ctx: &C,
    cpu: &mut CpuState,
    alloc: &Alloc<EXACT>,
    touch: Cell,
) {
    let owner = totals::owner(&cpu.slot);
    let CpuState { fault, open, .. } = cpu;
    if let Some(run) = alloc.run(owner, touch, fault) {
        run.count(ctx, open);
    }
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

impl Alloc<true> {
    /// Of a return of `get_page_from_freelist`, unless it got nothing.
    #[inline(always)]
    fn of_return(ctx: &FExitContext) -> Option<Self> {
        let page: *const u8 = ctx.arg(4);
        (!page.is_null()).then(|| Self {
            event: Event::of(page, ctx.arg(0), ctx.arg(1)),
            page,
            ac: AllocContext::from_arg(ctx.arg(3)),
        })
    }
}

impl Alloc<false> {
    /// Of the tracepoint; `page` is NULL when the allocation failed.
    #[inline(always)]
    fn of_tracepoint(ctx: &BtfTracePointContext) -> Option<Self> {
        let page: *const u8 = ctx.arg(0);
        (!page.is_null()).then(|| Self {
            event: Event::of(page, ctx.arg(2), ctx.arg(1)),
            page,
            ac: AllocContext::from_arg(core::ptr::null()),
        })
    }
}

impl<const EXACT: bool> Alloc<EXACT> {
    /// Is it an interrupt's? What may sleep is not in an interrupt, and that is nearly everything: only the rest asks for the context.
    #[inline(always)]
    fn is_of_interrupt(&self, slot: &mut Slot) -> bool {
        self.event.gfp & global!(gfp.direct_reclaim) == 0 && in_interrupt(slot)
    }

    /// The same with all that tells it from the one before it.
    #[inline(always)]
    fn looked_at(mut self, cpu: &mut CpuState, control: &Control) -> Self {
        let Event { task, gfp, .. } = self.event;
        if EXACT {
            self.event.zone = self.ac.preferred_zone() as u64;
            self.event.what = touch::what(&mut cpu.fault, task, gfp);
        } else if control.attached & EXCEPTION_TOUCHES != 0 {
            self.event.what = touch::in_exception(task, gfp);
        }
        self
    }

    /// The run of first touches that it belongs to, if its owner has runs and it is known where it lies. On the fallback it is not, unless the task
    /// has not been switched out since it last told of an address.
    #[inline(always)]
    fn run<'a>(&self, owner: Owner, touch: Cell, fault: &'a Fault) -> Option<runs::Touch<'a>> {
        let wanted = enabled!(mapping_runs) && !touch.is_empty() && owner.is_thread();
        (wanted && (EXACT || touch::is_of(fault, self.event.task))).then(|| runs::Touch {
            task: self.event.task,
            owner,
            cell: touch,
            pages: self.pages(),
            fault,
        })
    }

    #[inline(always)]
    fn preferred_node(&self) -> u16 {
        if EXACT {
            self.ac.preferred_node()
        } else {
            NODE_UNKNOWN
        }
    }

    /// Why it is not on the CPU's node `here`.
    #[inline(always)]
    fn cause(&self, node: u16, here: u16) -> RemoteCause {
        if EXACT {
            let preferred = self.preferred_node();
            cause::remote(
                node,
                preferred,
                here,
                self.event.gfp,
                self.ac,
                self.event.task,
            )
        } else if node == here {
            RemoteCause::None
        } else {
            RemoteCause::Unknown
        }
    }

    #[inline(always)]
    fn cell(&self, node: u16, preferred: u16, why: RemoteCause) -> Cell {
        Cell::new(Stem::PageAlloc)
            .with_page_node(node)
            .with_preferred(preferred)
            .with_class(cause::class(self.event.gfp, self.event.order) as u8)
            .with_cause(why as u8)
    }

    #[inline(always)]
    fn pages(&self) -> u64 {
        1 << (self.event.order & 31)
    }
}
