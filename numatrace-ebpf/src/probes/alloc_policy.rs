//! The memory policy behind an allocation: numastat's interleave_hit, and the cause of a remote
//! allocation.
//!
//! The functions below return right after an allocation that `page_alloc` has just counted on this
//! CPU; the page's address ties the two together. 6.14 and later count weighted interleave in
//! interleave_hit too (mm/mempolicy.c, `alloc_pages_mpol`).
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
    slot::{FAULT_HINTING, SlotIndex},
};

use super::userfault;
use crate::{
    count::{
        slot,
        twin::{self, Role, Twin},
    },
    counters, cpu,
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

/// mm/mempolicy.c, from 6.7 on: one function for all policies, with the policy as an argument.
#[fexit(function = "alloc_pages_mpol")]
pub fn alloc_policy(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(5);
    if !page.is_null() {
        let policy = Mempolicy::from_pointer(ctx.arg(2));
        let mode = policy.chosen_mode();
        explain(page, policy, mode);
        if counts_as_interleaved(mode) {
            count_if_hit(Role::Primary, page);
            twin::leave_mark(Twin::AllocPolicy, Task::current(), false);
        }
    }
    0
}

/// The backup copy of `alloc_policy`. A second explanation changes nothing: no allocation waits
/// then.
#[fexit(function = "alloc_pages_mpol")]
pub fn alloc_policy_second(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(5);
    if !page.is_null() {
        let policy = Mempolicy::from_pointer(ctx.arg(2));
        let mode = policy.chosen_mode();
        explain(page, policy, mode);
        if counts_as_interleaved(mode)
            && twin::was_skipped(Twin::AllocPolicy, Task::current(), false)
        {
            count_if_hit(Role::Backup, page);
        }
    }
    0
}

/// Returns whether numastat's interleave_hit counts this mode on this kernel.
#[inline(always)]
fn counts_as_interleaved(mode: u16) -> bool {
    mode == INTERLEAVE || mode == WEIGHTED_INTERLEAVE && enabled!(weighted_counts)
}

/// mm/mempolicy.c, before 6.7, for user pages: the mapping's policy, else the task's.
#[fexit(function = "vma_alloc_folio")]
pub fn alloc_policy_vma(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(5);
    let vma: *const u8 = ctx.arg(2);
    if page.is_null() || vma.is_null() {
        return 0;
    }
    // SAFETY: a BTF-typed argument; the offset is `vm_area_struct.vm_policy`, a
    // `struct mempolicy *`.
    let policy = Mempolicy::from_pointer(unsafe { load(vma, global!(offsets.vma_policy)) });
    match policy.chosen_mode() {
        0 => explain_by_task(page),
        mode => explain(page, policy, mode),
    }
    userfault::allocated(&ctx, vma, ctx.arg(3), page);
    0
}

/// mm/mempolicy.c, before 6.7, for pages without a mapping: the task's policy.
#[fexit(function = "alloc_pages")]
pub fn alloc_policy_task(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(2);
    if !page.is_null() {
        explain_by_task(page);
    }
    0
}

/// mm/mempolicy.c, before 6.7: returns interleaved allocations only. numastat counts one when the
/// page lies on the wanted node.
#[fexit(function = "alloc_page_interleave")]
pub fn alloc_interleave(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(3);
    if !page.is_null() && u32::from(page::node(page)) == ctx.arg::<u32>(2) {
        tally_interleaved(Role::Primary, page);
    }
    0
}

/// As [`explain`], by the task's own policy.
#[inline(always)]
fn explain_by_task(page: *const u8) {
    let policy = Task::current().mempolicy();
    explain(page, policy, policy.chosen_mode());
}

/// Gives the allocation that waits its cause: the policy that the task or mapping chose; without
/// one, the task moved between its request for its local node and the page.
#[inline(always)]
fn explain(page: *const u8, policy: Mempolicy, mode: u16) {
    let Some(cpu) = cpu::state() else {
        return;
    };
    let slot = &mut cpu.slot;
    if slot.pending.count_key.is_empty() || slot.last_page != page as u64 || !slot::enter(slot) {
        return;
    }
    let cause = if mode == 0 {
        RemoteCause::TaskMoved
    } else {
        RemoteCause::Policy
    };
    if slot.pending.count_key.class() < AllocClass::PageTable as u8 {
        let pages = slot.pending.amount;
        add_cause_to_run(cpu, Task::current(), cause, pages);
    }
    let slot = &mut cpu.slot;
    slot.pending.count_key = slot
        .pending
        .count_key
        .with_cause(cause as u8)
        .with_mark(policy.mark(mode));
    slot::tally_pending(slot);
    slot::leave(slot);
}

/// Adds the cause for which a user page of `task` is remote or missed its preferred node to the
/// open run of first touches that counted it.
#[inline(always)]
fn add_cause_to_run(cpu: &mut CpuState, task: Task, cause: RemoteCause, pages: u64) {
    if enabled!(mapping_runs)
        && enabled!(first_touch)
        && fault::is_in(&mut cpu.fault, task)
        && cpu.fault.page_kind & FAULT_HINTING == 0
    {
        cpu.fault.cause = cause as u64;
        touch_run::add_cause(&mut cpu.open, task, cause, pages);
    }
}

/// Counts an interleaved allocation if it came from its preferred node, which these policies set to
/// the node whose turn it is.
#[inline(always)]
fn count_if_hit(role: Role, page: *const u8) {
    let hit = cpu::state().and_then(|CpuState { slot, .. }| {
        (slot.last_page == page as u64).then_some(slot.last_hit != 0)
    });
    match hit {
        Some(true) => {}
        Some(false) => return,
        // The task was preempted or moved in between. Nearly all such allocations are hits.
        None => counters::count(Counter::InterleaveGuessed, 1),
    }
    tally_interleaved(role, page);
}

#[inline(always)]
fn tally_interleaved(role: Role, page: *const u8) {
    let count_key = CountKey::new(Stem::InterleaveHit).with_page_node(page::node(page));
    slot::count_as(
        role,
        SlotIndex::Interleave,
        Task::current(),
        count_key,
        1,
        0,
    );
}
