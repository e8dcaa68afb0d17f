//! The memory policy behind an allocation: numastat's interleave_hit, and why a remote allocation is remote.
//!
//! The functions below return right after the allocation that `page_alloc` has just counted on this CPU; the page's address ties the
//! two together. 6.14 and later count weighted interleave in interleave_hit too (mm/mempolicy.c, `alloc_pages_mpol`).
//!
//! proto: 6.1..6.7: struct page *alloc_pages(gfp_t gfp, unsigned int order)
//! proto: 6.1..6.7: struct folio *vma_alloc_folio(gfp_t gfp, int order, struct vm_area_struct *vma, unsigned long addr, bool hugepage)
//! proto: 6.1..6.7: struct page *alloc_page_interleave(gfp_t gfp, unsigned int order, unsigned int nid)
//! proto: 6.10..6.14: struct page *alloc_pages_mpol_noprof(gfp_t gfp, unsigned int order, struct mempolicy *pol, unsigned long ilx, int nid)
//! proto: 6.14..: struct page *alloc_pages_mpol(gfp_t gfp, unsigned int order, struct mempolicy *pol, unsigned long ilx, int nid)

use aya_ebpf::{macros::fexit, programs::FExitContext};
use numatrace_common::{
    count_key::{AllocClass, CountKey, RemoteCause, Stem},
    counters::Counter,
    cpu::CpuState,
    slot::{FAULT_MOVES, SlotIndex},
};

use crate::{
    count::{
        slot,
        twin::{self, Copy, Twin},
    },
    counters::count,
    cpu,
    globals::{enabled, global},
    kernel::{
        load,
        mempolicy::{INTERLEAVE, Mempolicy, WEIGHTED_INTERLEAVE},
        page,
        task::Task,
    },
    record::touch_run,
    who::fault,
};

/// From 6.7 on: one function for all policies, with the policy as an argument.
#[fexit(function = "alloc_pages_mpol")]
pub fn alloc_policy(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(5);
    if !page.is_null() {
        let mode = Mempolicy::from_pointer(ctx.arg(2)).chosen_mode();
        explain(page, mode);
        if counts_as_interleaved(mode) {
            interleaved(Copy::First, page);
            twin::ran(Twin::AllocPolicy, Task::current(), false);
        }
    }
    0
}

/// The twin. An allocation is explained once: then nothing waits for its cause any more.
#[fexit(function = "alloc_pages_mpol")]
pub fn alloc_policy_second(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(5);
    if !page.is_null() {
        let mode = Mempolicy::from_pointer(ctx.arg(2)).chosen_mode();
        explain(page, mode);
        if counts_as_interleaved(mode) && twin::skipped(Twin::AllocPolicy, Task::current(), false) {
            interleaved(Copy::Second, page);
        }
    }
    0
}

/// Does numastat's interleave_hit count this mode on this kernel?
#[inline(always)]
fn counts_as_interleaved(mode: u16) -> bool {
    mode == INTERLEAVE || mode == WEIGHTED_INTERLEAVE && enabled!(weighted_counts)
}

/// Before 6.7, for user pages: the mapping's policy, else the task's.
#[fexit(function = "vma_alloc_folio")]
pub fn alloc_policy_vma(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(5);
    let vma: *const u8 = ctx.arg(2);
    if page.is_null() || vma.is_null() {
        return 0;
    }
    // SAFETY: a BTF-typed argument; the offset is `vm_area_struct.vm_policy`, a `struct mempolicy *`.
    let policy = Mempolicy::from_pointer(unsafe { load(vma, global!(offsets.vma_policy)) });
    let mode = match policy.chosen_mode() {
        0 => Task::current().mempolicy().chosen_mode(),
        mode => mode,
    };
    explain(page, mode);
    0
}

/// Before 6.7, for everything without a mapping: the task's policy.
#[fexit(function = "alloc_pages")]
pub fn alloc_policy_task(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(2);
    if !page.is_null() {
        explain(page, Task::current().mempolicy().chosen_mode());
    }
    0
}

/// Before 6.7: passed by interleaved allocations only, and counts when the page lies where it was wanted.
#[fexit(function = "alloc_page_interleave")]
pub fn alloc_interleave(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(3);
    if !page.is_null() && u32::from(page::node(page)) == ctx.arg::<u32>(2) {
        tally_interleaved(Copy::First, page);
    }
    0
}

/// Gives the allocation that waits for its cause the policy's: a chosen policy, or none, and then the task has changed its node
/// between asking for its local one and getting it.
#[inline(always)]
fn explain(page: *const u8, mode: u16) {
    let Some(cpu) = cpu::state() else {
        return;
    };
    let slot = &mut cpu.slot;
    if slot.pending.count_key.is_empty() || slot.last_page != page as u64 || !slot::enter(slot) {
        return;
    }
    let why = if mode == 0 {
        RemoteCause::TaskMoved
    } else {
        RemoteCause::Policy
    };
    if slot.pending.count_key.class() < AllocClass::PageTable as u8 {
        let pages = slot.pending.amount;
        because(cpu, Task::current(), why, pages);
    }
    let slot = &mut cpu.slot;
    slot.pending.count_key = slot
        .pending
        .count_key
        .with_cause(why as u8)
        .with_mark(mode as u8);
    slot::settle(slot);
    slot::leave(slot);
}

/// Adds why a user page that `task` got is remote, or missed the preferred node, to the run of first touches it is in; it has been counted
/// already.
#[inline(always)]
fn because(cpu: &mut CpuState, task: Task, why: RemoteCause, pages: u64) {
    if enabled!(mapping_runs)
        && enabled!(first_touch)
        && fault::is_in(&mut cpu.fault, task)
        && cpu.fault.what & FAULT_MOVES == 0
    {
        touch_run::because(&mut cpu.open, task, why, pages);
    }
}

/// Counts an interleaved allocation when it came from its preferred node: with these policies that is the one whose turn it was.
#[inline(always)]
fn interleaved(copy: Copy, page: *const u8) {
    let hit = cpu::state().and_then(|CpuState { slot, .. }| {
        (slot.last_page == page as u64).then_some(slot.last_hit != 0)
    });
    match hit {
        Some(true) => {}
        Some(false) => return,
        // The task was preempted or moved in between: hits are what nearly all of them are.
        None => count(Counter::InterleaveGuessed, 1),
    }
    tally_interleaved(copy, page);
}

#[inline(always)]
fn tally_interleaved(copy: Copy, page: *const u8) {
    let count_key = CountKey::new(Stem::InterleaveHit).with_page_node(page::node(page));
    slot::tally_in(
        copy,
        SlotIndex::Interleave,
        Task::current(),
        count_key,
        1,
        0,
    );
}
