//! Page allocations, one by one, as numastat counts them.
//!
//! Exact: fexit `get_page_from_freelist`, which returns a page exactly once for every
//! `zone_statistics(…, 1)` and knows the preferred zone. Fallback: the tracepoint `mm_page_alloc`,
//! which misses bulk allocations and the preferred zone.
//!
//! proto: 6.1..: struct page *get_page_from_freelist(gfp_t gfp_mask, unsigned int order, int alloc_flags, const struct alloc_context *ac)
//! tp: 6.1..: mm_page_alloc(struct page *page, unsigned int order, gfp_t gfp_flags, int migratetype)

mod alloc;

use aya_ebpf::{
    helpers::generated::bpf_get_prandom_u32,
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};
use numatrace_common::{
    control::POLICY_HOOK,
    count_key::{CountKey, RemoteCause},
    counters::Counter,
    cpu::CpuState,
    globals::WHILE_CHEAP,
    slot::{Bin, FAULT_OF_OTHER, SlotIndex},
};

use self::alloc::{Alloc, Hook};
use crate::{
    control,
    count::{
        first_touch, slot,
        streaks::{self, Event},
        twin::{self, Twin},
    },
    counters, cpu,
    globals::{enabled, global},
    kernel::task::Task,
    record::{kernel_memory, touch_run, touched},
    who::fault,
};

/// mm/page_alloc.c
#[fexit(function = "get_page_from_freelist")]
#[inline(always)]
pub fn page_alloc_exact(ctx: FExitContext) -> u32 {
    primary(&ctx)
}

/// The backup copy of `page_alloc_exact`.
#[fexit(function = "get_page_from_freelist")]
#[inline(always)]
pub fn page_alloc_exact_second(ctx: FExitContext) -> u32 {
    backup(&ctx)
}

/// include/trace/events/kmem.h
#[btf_tracepoint(function = "mm_page_alloc")]
#[inline(always)]
pub fn page_alloc_fallback(ctx: BtfTracePointContext) -> u32 {
    primary(&ctx)
}

/// The backup copy of `page_alloc_fallback`.
#[btf_tracepoint(function = "mm_page_alloc")]
#[inline(always)]
pub fn page_alloc_fallback_second(ctx: BtfTracePointContext) -> u32 {
    backup(&ctx)
}

/// Counts an allocation, and leaves the mark for the backup copy if there is one.
///
/// Code that only few events reach is in functions of its own, which ask the hook anew: so their
/// frames share the 512 bytes of stack that a program has for all its functions. They return a
/// number, because old verifiers look at the register of the result in any case.
#[inline(always)]
fn primary<H: Hook>(hook: &H) -> u32 {
    let (Some(cpu), Some(alloc)) = (cpu::state(), hook.alloc()) else {
        return 0;
    };
    let irq = alloc.is_of_interrupt(&mut cpu.slot);
    if irq {
        count_of_interrupt(hook);
    } else {
        count_of_task(hook, cpu, alloc);
    }
    if H::has_twin() {
        twin::leave_mark_in(&mut cpu.marks, Twin::PageAlloc, Task::current(), irq);
    }
    0
}

/// Counts an allocation past streaks and slots, if the kernel skipped the primary copy.
#[inline(always)]
fn backup<H: Hook>(hook: &H) -> u32 {
    let (Some(cpu), Some(alloc)) = (cpu::state(), hook.alloc()) else {
        return 0;
    };
    let irq = alloc.is_of_interrupt(&mut cpu.slot);
    let task = Task::current();
    if twin::was_skipped_in(&mut cpu.marks, Twin::PageAlloc, task, irq) && !is_dropped() {
        let page_kind = if irq { 0 } else { alloc.page_kind(cpu, task) };
        count_without_slot(hook, cpu, page_kind, irq);
    }
    0
}

/// Counts a task's allocation in a streak: nearly always it has the inputs of the previous one of
/// the same task.
#[inline(always)]
fn count_of_task<H: Hook>(hook: &H, cpu: &mut CpuState, alloc: Alloc<H>) {
    if !cpu::is_task_cached(cpu, hook) {
        slow_path(hook, cpu);
        return;
    }
    let is_user = alloc.event.is_user();
    let event = Event {
        zoneref: alloc.zoneref(),
        page_kind: if is_user {
            alloc.page_kind_of_cached_task(cpu)
        } else {
            0
        },
        ..alloc.event
    };
    let streak = if is_user {
        &mut cpu.user
    } else {
        &mut cpu.kernel
    };
    let Some(touch_key) = streaks::extend(streak, cpu.slot.node, &event) else {
        slow_path(hook, cpu);
        return;
    };
    cpu.slot.last_page = alloc.page as u64;
    cpu.slot.last_hit = 1;
    if touch_key.is_empty() {
        return;
    }
    if H::EXACT {
        touched::note(cpu, event.order, touch_key);
    }
    let runs = global!(mapping_runs);
    if runs == 0 {
        return;
    }
    let is_fault_known = cpu.fault.task == cpu.cached_task;
    let CpuState { fault, open, .. } = cpu;
    if !is_fault_known
        || runs == WHILE_CHEAP
        || !touch_run::extend_known(open, fault, touch_key, event.pages(), H::EXACT)
    {
        add_to_run(hook, cpu, touch_key);
    }
}

/// Counts an allocation that differs from the previous one.
#[inline(never)]
fn slow_path<H: Hook>(hook: &H, cpu: &mut CpuState) -> u32 {
    let Some(alloc) = hook.alloc() else {
        return 0;
    };
    if is_dropped() {
        return 0;
    }
    let task = Task::current();
    if enabled!(kernel_stack_every) && !alloc.event.is_user() {
        kernel_memory::sample(hook, task, alloc.event.pages(), alloc.event.node);
    }
    let page_kind = alloc.page_kind(cpu, task);
    if !slot::enter(&mut cpu.slot) {
        return count_without_slot(hook, cpu, page_kind, false);
    }
    streaks::assign(cpu, task);
    fault::refresh(&mut cpu.fault, task);
    streaks::cache_task(cpu, hook, task);
    let event = Event {
        zoneref: alloc.zoneref(),
        page_kind,
        ..alloc.event
    };
    let touch_key = first_touch::key_in_fault(page_kind, event.order, event.node);
    cpu.slot.last_page = alloc.page as u64;
    if !touch_key.is_empty() {
        let touch_key = touch_key.with_task_node(cpu.slot.node as u16);
        if H::EXACT {
            // First: it may withdraw a page from the open run.
            touched::note(cpu, event.order, touch_key);
        }
        if page_kind & FAULT_OF_OTHER != 0 {
            let owner = fault::owner_noted(&cpu.fault);
            first_touch::count_in_other(owner, touch_key, event.pages());
        }
        if enabled!(mapping_runs) {
            add_to_run(hook, cpu, touch_key);
        }
    }
    classify(hook, cpu, &alloc, &event, touch_key);
    slot::leave(&mut cpu.slot);
    0
}

/// Determines the cause of an allocation, and counts it in a streak, in bins, or as the one that
/// waits for its cause. The slot has been entered.
#[inline(always)]
fn classify<H: Hook>(
    hook: &H,
    cpu: &mut CpuState,
    alloc: &Alloc<H>,
    event: &Event,
    touch_key: CountKey,
) {
    let preferred = alloc.preferred_node();
    if H::EXACT && event.node != preferred && event.gfp & global!(gfp.thisnode) != 0 {
        // Such a page cannot be elsewhere: the node's bits are not where BTF made us look for them.
        counters::count(Counter::NodeMisread, 1);
    }
    cpu.slot.last_hit = u32::from(alloc.is_on_node_asked(preferred));
    let cause = alloc.cause(cpu.slot.node as u16, false);
    let count_key = alloc.count_key(preferred, cause);
    // Such a touch has been counted for the owner of the memory. Streaks know one owner.
    let is_in_other = event.page_kind & FAULT_OF_OTHER != 0;
    let own_touch_key = if is_in_other {
        CountKey::EMPTY
    } else {
        touch_key
    };
    let is_plain = matches!(cause, RemoteCause::None) && !is_in_other;
    if is_plain && alloc.is_like_its_inputs(preferred) {
        streaks::begin(cpu, event, count_key, touch_key);
        return;
    }
    if H::EXACT && matches!(cause, RemoteCause::Fallback) {
        note_shortage(hook);
    }
    let pages = event.pages();
    let is_asked_for = matches!(cause, RemoteCause::Policy | RemoteCause::KernelNode);
    if is_asked_for && control::is_attached(POLICY_HOOK) {
        streaks::tally(&mut cpu.slot, CountKey::EMPTY, own_touch_key, 1, pages);
        // The policy hook names the cause.
        cpu.slot.pending = Bin {
            count_key: slot::key_in(&cpu.slot, count_key),
            count: 1,
            amount: pages,
            ..slot::EMPTY
        };
        streaks::uncache_task(cpu);
        return;
    }
    let cause = if is_asked_for {
        RemoteCause::Unknown
    } else {
        cause
    };
    let has_cause = !matches!(cause, RemoteCause::None);
    if H::EXACT && has_cause && !touch_key.is_empty() {
        cpu.fault.cause = cause as u64;
        touch_run::add_cause(&mut cpu.open, Task::current(), cause, pages);
    }
    let count_key = count_key.with_cause(cause as u8);
    streaks::tally(&mut cpu.slot, count_key, own_touch_key, 1, pages);
}

/// Records what the node has that a page was wanted of.
#[inline(never)]
fn note_shortage<H: Hook>(hook: &H) -> u32 {
    if let Some(alloc) = hook.alloc() {
        alloc.note_shortage(alloc.preferred_node());
    }
    0
}

/// Counts an interrupt's allocation, which no policy hook explains.
#[inline(never)]
fn count_of_interrupt<H: Hook>(hook: &H) -> u32 {
    let (Some(slot), Some(alloc)) = (slot::get(SlotIndex::AllocIrq), hook.alloc()) else {
        return 0;
    };
    if is_dropped() {
        return 0;
    }
    slot::assign(slot, Task::current(), true);
    slot.last_page = alloc.page as u64;
    let mut cause = alloc.cause(slot.node as u16, true);
    if matches!(cause, RemoteCause::Policy | RemoteCause::KernelNode)
        && !control::is_attached(POLICY_HOOK)
    {
        cause = RemoteCause::Unknown;
    }
    let count_key = alloc.count_key(alloc.preferred_node(), cause);
    slot::tally(slot, count_key, 1, alloc.event.pages());
    0
}

/// Counts an allocation straight into the totals.
///
/// The policy hook finds no pending allocation then, so its answer is guessed: the kernel itself
/// asks for a certain node for its own memory only.
#[inline(never)]
fn count_without_slot<H: Hook>(hook: &H, cpu: &mut CpuState, page_kind: u64, irq: bool) -> u32 {
    let Some(alloc) = hook.alloc() else {
        return 0;
    };
    let Event { order, node, .. } = alloc.event;
    let task = Task::current();
    let here = cpu::node() as u16;
    let mut cause = alloc.cause(here, irq);
    if matches!(cause, RemoteCause::KernelNode) && alloc.event.is_user() {
        cause = RemoteCause::Policy;
    }
    let count_key = alloc.count_key(alloc.preferred_node(), cause);
    let pages = alloc.event.pages();
    let owner = slot::count_without_slot(task, irq, count_key, 1, pages);
    let touch_key = first_touch::key_in_fault(page_kind, order, node);
    if touch_key.is_empty() {
        return 0;
    }
    let touch_key = touch_key.with_task_node(here);
    let owner = if page_kind & FAULT_OF_OTHER != 0 {
        let owner = fault::owner_noted(&cpu.fault);
        first_touch::count_in_other(owner, touch_key, pages);
        owner
    } else {
        slot::count_without_slot(task, irq, touch_key, 1, pages);
        owner
    };
    if enabled!(mapping_runs)
        && let Some(touch) = alloc.touch(owner, touch_key, &mut cpu.fault)
    {
        touch.emit_alone();
    }
    0
}

/// Adds a first touch to a run: of the slot's owner, or of the owner of the memory if that is a
/// different process's.
#[inline(never)]
fn add_to_run<H: Hook>(hook: &H, cpu: &mut CpuState, touch_key: CountKey) -> u32 {
    let CpuState {
        slot, fault, open, ..
    } = cpu;
    let owner = if fault.page_kind & FAULT_OF_OTHER != 0 {
        fault::owner_noted(fault)
    } else {
        slot::owner(slot)
    };
    if let Some(alloc) = hook.alloc()
        && let Some(touch) = alloc.touch(owner, touch_key.with_epoch(0), fault)
    {
        let is_open = touch.add(hook, open);
        fault.in_run = u64::from(is_open);
    }
    0
}

/// Returns whether this allocation is to be left uncounted, so that a test sees the audit fail.
#[inline(always)]
fn is_dropped() -> bool {
    match global!(drop_one_in) {
        0 => false,
        // SAFETY: the helper has no preconditions.
        one_in => (unsafe { bpf_get_prandom_u32() }) % one_in == 0,
    }
}
