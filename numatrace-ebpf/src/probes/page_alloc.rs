//! Page allocations, one by one, as numastat counts them.
//!
//! Exact: fexit `get_page_from_freelist` is passed once for every `zone_statistics(…, 1)`, with the preferred zone at hand.
//! Fallback: the tracepoint `mm_page_alloc`, which misses bulk allocations and the preferred zone.
//!
//! proto: 6.1..: struct page *get_page_from_freelist(gfp_t gfp_mask, unsigned int order, int alloc_flags, const struct alloc_context *ac)
//! tp: 6.1..: mm_page_alloc(struct page *page, unsigned int order, gfp_t gfp_flags, int migratetype)

use core::marker::PhantomData;

use aya_ebpf::{
    helpers::generated::bpf_get_prandom_u32,
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext, tracing::StackIdContext},
};
use numatrace_common::{
    control::{EXCEPTION_TOUCHES, POLICY_HOOK},
    count_key::{CountKey, NODE_UNKNOWN, RemoteCause, Stem},
    counters::Counter,
    cpu::CpuState,
    slot::{Bin, Fault, Slot, SlotIndex},
};

use crate::{
    control,
    count::{
        cause, first_touch, slot,
        streaks::{self, Event},
        twin::{self, Twin},
    },
    counters::count,
    cpu,
    globals::{enabled, global},
    kernel::{alloc_context::AllocContext, preempt::in_interrupt, task::Task},
    record::{kernel_memory, touch_run},
    who::{fault, owner::Owner},
};

/// The count key of nothing.
const NOTHING: CountKey = CountKey(0);

/// A hook that tells of allocations.
trait Hook: StackIdContext + Sized {
    /// Does it know the preferred zone?
    const EXACT: bool;

    /// Has its program a twin?
    fn has_twin() -> bool;

    /// The allocation, unless it failed.
    fn alloc(&self) -> Option<Alloc<Self>>;
}

/// What one allocation is, whichever hook tells of it.
struct Alloc<H> {
    event: Event,
    page: *const u8,
    /// Known to the exact hook only.
    ac: AllocContext,
    hook: PhantomData<H>,
}

/// mm/page_alloc.c
#[fexit(function = "get_page_from_freelist")]
#[inline(always)]
pub fn page_alloc_exact(ctx: FExitContext) -> u32 {
    first(&ctx)
}

/// The twin.
#[fexit(function = "get_page_from_freelist")]
#[inline(always)]
pub fn page_alloc_exact_second(ctx: FExitContext) -> u32 {
    second(&ctx)
}

/// include/trace/events/kmem.h
#[btf_tracepoint(function = "mm_page_alloc")]
#[inline(always)]
pub fn page_alloc_fallback(ctx: BtfTracePointContext) -> u32 {
    first(&ctx)
}

/// The twin.
#[btf_tracepoint(function = "mm_page_alloc")]
#[inline(always)]
pub fn page_alloc_fallback_second(ctx: BtfTracePointContext) -> u32 {
    second(&ctx)
}

impl Hook for FExitContext {
    const EXACT: bool = true;

    #[inline(always)]
    fn has_twin() -> bool {
        enabled!(twins)
    }

    #[inline(always)]
    fn alloc(&self) -> Option<Alloc<Self>> {
        let page: *const u8 = self.arg(4);
        (!page.is_null()).then(|| Alloc {
            event: Event::of(page, self.arg(0), self.arg(1)),
            page,
            ac: AllocContext::from_arg(self.arg(3)),
            hook: PhantomData,
        })
    }
}

impl Hook for BtfTracePointContext {
    const EXACT: bool = false;

    #[inline(always)]
    fn has_twin() -> bool {
        enabled!(tracepoint_twins)
    }

    /// `page` is NULL when the allocation failed.
    #[inline(always)]
    fn alloc(&self) -> Option<Alloc<Self>> {
        let page: *const u8 = self.arg(0);
        (!page.is_null()).then(|| Alloc {
            event: Event::of(page, self.arg(2), self.arg(1)),
            page,
            ac: AllocContext::from_arg(core::ptr::null()),
            hook: PhantomData,
        })
    }
}

/// Counts an allocation, and leaves the mark for the twin if there is one.
///
/// Whatever is not on the way of every event is a function of its own that asks the hook anew: so the frames of such functions lie over one
/// another, and a program has 512 bytes for all; and they return a number, because old verifiers look at what is in the register anyway.
#[inline(always)]
fn first<H: Hook>(hook: &H) -> u32 {
    let (Some(cpu), Some(alloc)) = (cpu::state(), hook.alloc()) else {
        return 0;
    };
    let irq = alloc.is_of_interrupt(&mut cpu.slot);
    if irq {
        of_interrupt(hook);
    } else {
        of_task(hook, cpu, alloc);
    }
    if H::has_twin() {
        twin::leave(&mut cpu.marks, Twin::PageAlloc, Task::current(), irq);
    }
    0
}

/// Counts it past streaks and slots, if the first copy has not.
#[inline(always)]
fn second<H: Hook>(hook: &H) -> u32 {
    let (Some(cpu), Some(alloc)) = (cpu::state(), hook.alloc()) else {
        return 0;
    };
    let irq = alloc.is_of_interrupt(&mut cpu.slot);
    let task = Task::current();
    if twin::is_unmarked(&mut cpu.marks, Twin::PageAlloc, task, irq) && !dropped() {
        let what = if irq { 0 } else { alloc.made_by(cpu, task) };
        directly(hook, cpu, what, irq);
    }
    0
}

/// Counts a task's allocation: nearly always it is like the one before it, of the same task.
#[inline(always)]
fn of_task<H: Hook>(hook: &H, cpu: &mut CpuState, alloc: Alloc<H>) {
    if !cpu::is_held(cpu, hook) {
        otherwise(hook, cpu);
        return;
    }
    let what = alloc.known(cpu);
    let streak = if alloc.event.is_user() {
        &mut cpu.user
    } else {
        &mut cpu.kernel
    };
    let event = Event {
        zone: alloc.zone(),
        what,
        ..alloc.event
    };
    let Some(touch) = streaks::goes_on(streak, cpu.slot.node, &event) else {
        otherwise(hook, cpu);
        return;
    };
    cpu.slot.last_page = alloc.page as u64;
    cpu.slot.last_hit = 1;
    if !enabled!(mapping_runs) || touch.is_empty() {
        return;
    }
    let is_known = cpu.fault.task == cpu.streaking;
    let CpuState { fault, open, .. } = cpu;
    if !is_known || !touch_run::goes_on(open, fault, touch, alloc.pages(), H::EXACT) {
        in_run(hook, cpu, touch);
    }
}

/// Counts an allocation that is not like the one before it.
#[inline(never)]
fn otherwise<H: Hook>(hook: &H, cpu: &mut CpuState) -> u32 {
    let Some(alloc) = hook.alloc() else {
        return 0;
    };
    if dropped() {
        return 0;
    }
    let task = Task::current();
    if enabled!(kernel_stack_every) && !alloc.event.is_user() {
        kernel_memory::sample(hook, task, alloc.pages(), alloc.event.node);
    }
    let what = alloc.made_by(cpu, task);
    if !slot::enter(&mut cpu.slot) {
        return directly(hook, cpu, what, false);
    }
    streaks::own(cpu, task);
    fault::settle(&mut cpu.fault, task);
    streaks::hold(cpu, hook, task);
    let event = Event {
        zone: alloc.zone(),
        what,
        ..alloc.event
    };
    let touch = first_touch::made_by(what, event.order, event.node);
    if enabled!(mapping_runs) && !touch.is_empty() {
        in_run(hook, cpu, touch.with_task_node(cpu.slot.node as u16));
    }
    cpu.slot.last_page = alloc.page as u64;
    turn(cpu, &alloc, &event, touch);
    slot::leave(&mut cpu.slot);
    0
}

/// Counts it in a streak, in bins, or as what waits for its cause. The slot has been entered.
#[inline(always)]
fn turn<H: Hook>(cpu: &mut CpuState, alloc: &Alloc<H>, event: &Event, touch: CountKey) {
    let preferred = alloc.preferred_node();
    if H::EXACT && event.node != preferred && event.gfp & global!(gfp.thisnode) != 0 {
        // It cannot be elsewhere: then the bits of the node are not where BTF made us look for them.
        count(Counter::NodeMisread, 1);
    }
    cpu.slot.last_hit = u32::from(event.node == preferred);
    let why = alloc.cause(cpu.slot.node as u16);
    let count_key = alloc.count_key(preferred, why);
    if matches!(why, RemoteCause::None) {
        streaks::begin(cpu, event, count_key, touch, alloc.pages());
        return;
    }
    let is_asked_for = matches!(why, RemoteCause::Policy | RemoteCause::KernelNode);
    if is_asked_for && control::is_attached(POLICY_HOOK) {
        streaks::into_bins(&mut cpu.slot, NOTHING, touch, 1, alloc.pages());
        // The policy hook will say who.
        cpu.slot.pending = Bin {
            count_key: slot::placed(&cpu.slot, count_key),
            count: 1,
            amount: alloc.pages(),
            ..slot::EMPTY
        };
        streaks::pause(cpu);
        return;
    }
    let why = if is_asked_for {
        RemoteCause::Unknown
    } else {
        why
    };
    if H::EXACT && !touch.is_empty() {
        touch_run::because(&mut cpu.open, Task::current(), why, alloc.pages());
    }
    let count_key = count_key.with_cause(why as u8);
    streaks::into_bins(&mut cpu.slot, count_key, touch, 1, alloc.pages());
}

/// Counts an interrupt's allocation. No policy hook explains those.
#[inline(never)]
fn of_interrupt<H: Hook>(hook: &H) -> u32 {
    let (Some(slot), Some(alloc)) = (slot::get(SlotIndex::AllocIrq), hook.alloc()) else {
        return 0;
    };
    if dropped() {
        return 0;
    }
    slot::own(slot, Task::current(), true);
    slot.last_page = alloc.page as u64;
    let mut why = alloc.cause(slot.node as u16);
    if matches!(why, RemoteCause::Policy | RemoteCause::KernelNode)
        && !control::is_attached(POLICY_HOOK)
    {
        why = RemoteCause::Unknown;
    }
    let count_key = alloc.count_key(alloc.preferred_node(), why);
    slot::tally(slot, count_key, 1, alloc.pages());
    0
}

/// Counts an allocation past its slot. The policy hook finds nothing to explain then; what it would say is guessed: the kernel itself asks for
/// a certain node for its own memory only.
#[inline(never)]
fn directly<H: Hook>(hook: &H, cpu: &mut CpuState, what: u64, irq: bool) -> u32 {
    let Some(alloc) = hook.alloc() else {
        return 0;
    };
    let Event { order, node, .. } = alloc.event;
    let task = Task::current();
    let here = cpu::node() as u16;
    let mut why = alloc.cause(here);
    if matches!(why, RemoteCause::KernelNode) && alloc.event.is_user() {
        why = RemoteCause::Policy;
    }
    let count_key = alloc.count_key(alloc.preferred_node(), why);
    let owner = slot::tally_directly(task, irq, count_key, 1, alloc.pages());
    let touch = first_touch::made_by(what, order, node);
    if touch.is_empty() {
        return 0;
    }
    slot::tally_directly(task, irq, touch, 1, alloc.pages());
    if enabled!(mapping_runs)
        && let Some(run) = alloc.run(owner, touch.with_task_node(here), &mut cpu.fault)
    {
        run.count_alone();
    }
    0
}

/// Adds a first touch of the slot's owner to its run.
#[inline(never)]
fn in_run<H: Hook>(hook: &H, cpu: &mut CpuState, touch: CountKey) -> u32 {
    let owner = slot::owner(&cpu.slot);
    let CpuState { fault, open, .. } = cpu;
    if let Some(alloc) = hook.alloc()
        && let Some(run) = alloc.run(owner, touch.with_epoch(0), fault)
    {
        let is_open = run.count(hook, open);
        fault.in_run = u64::from(is_open);
    }
    0
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

impl<H: Hook> Alloc<H> {
    /// Is it an interrupt's? What may sleep is not in an interrupt, and that is nearly everything: only the rest asks for the context.
    #[inline(always)]
    fn is_of_interrupt(&self, slot: &mut Slot) -> bool {
        self.event.gfp & global!(gfp.direct_reclaim) == 0 && in_interrupt(slot)
    }

    /// The fault it is made by.
    #[inline(always)]
    fn made_by(&self, cpu: &mut CpuState, task: Task) -> u64 {
        if H::EXACT {
            fault::what(&mut cpu.fault, task, self.event.gfp)
        } else if control::is_attached(EXCEPTION_TOUCHES) {
            fault::in_exception(task, self.event.gfp)
        } else {
            0
        }
    }

    /// The same, when it is the task whose streaks this CPU's are.
    #[inline(always)]
    fn known(&self, cpu: &CpuState) -> u64 {
        if H::EXACT {
            fault::known(cpu, self.event.gfp)
        } else if enabled!(first_touch)
            && self.event.is_user()
            && control::is_attached(EXCEPTION_TOUCHES)
        {
            fault::in_exception(Task::current(), self.event.gfp)
        } else {
            0
        }
    }

    /// The run of first touches that it belongs to, if its owner has runs and it is known where it lies: the task may have been switched out in
    /// the middle of this program, and on the fallback even before.
    #[inline(always)]
    fn run<'a>(
        &self,
        owner: Owner,
        touch: CountKey,
        fault: &'a mut Fault,
    ) -> Option<touch_run::Touch<'a>> {
        let task = Task::current();
        let is_known = if H::EXACT {
            fault::is_in(fault, task)
        } else {
            fault::is_of(fault, task)
        };
        (owner.is_thread() && is_known).then(|| touch_run::Touch {
            task,
            owner,
            count_key: touch,
            pages: self.pages(),
            fault,
        })
    }

    /// Address of the preferred zone, 0 when not known.
    #[inline(always)]
    fn zone(&self) -> u64 {
        if H::EXACT {
            self.ac.preferred_zone() as u64
        } else {
            0
        }
    }

    #[inline(always)]
    fn preferred_node(&self) -> u16 {
        if H::EXACT {
            self.ac.preferred_node()
        } else {
            NODE_UNKNOWN
        }
    }

    /// Why it is not on the CPU's node `here`.
    #[inline(always)]
    fn cause(&self, here: u16) -> RemoteCause {
        let Event { gfp, node, .. } = self.event;
        if H::EXACT {
            let preferred = self.preferred_node();
            cause::remote(node, preferred, here, gfp, self.ac, Task::current())
        } else if node == here {
            RemoteCause::None
        } else {
            RemoteCause::Unknown
        }
    }

    #[inline(always)]
    fn count_key(&self, preferred: u16, why: RemoteCause) -> CountKey {
        let Event {
            gfp, order, node, ..
        } = self.event;
        CountKey::new(Stem::PageAlloc)
            .with_page_node(node)
            .with_preferred(preferred)
            .with_class(cause::class(gfp, order) as u8)
            .with_cause(why as u8)
    }

    #[inline(always)]
    fn pages(&self) -> u64 {
        1 << (self.event.order & 31)
    }
}
