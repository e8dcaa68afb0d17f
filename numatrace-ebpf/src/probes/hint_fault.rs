//! NUMA hinting faults: which thread touched a page of which node, and what the balancer migrated on the spot.
//!
//! `mpol_misplaced` is asked once for each fault that the kernel counts in `numa_hint_faults`, with the page still where it was and the
//! page table locked, so task node and page node are the kernel's own. `task_numa_fault` tells what came of it. There is no
//! tracepoint for either.
//!
//! proto: 6.1..6.7: int mpol_misplaced(struct page *page, struct vm_area_struct *vma, unsigned long addr)
//! proto: 6.12..: int mpol_misplaced(struct folio *folio, struct vm_fault *vmf, unsigned long addr)
//! proto: 6.1..: void task_numa_fault(int last_cpupid, int mem_node, int pages, int flags)

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use numatrace_common::{
    count_key::{CountKey, Stem},
    slot::SlotIndex,
};

use crate::{
    count::{
        slot,
        twin::{self, Copy, Twin},
    },
    cpu,
    globals::{enabled, global},
    kernel::{load, page, task::Task, vma},
    record::use_run,
    who::{fault, mover},
};

/// `TNF_MIGRATED` (include/linux/sched/numa_balancing.h): the fault moved its pages.
const MIGRATED: u32 = 1;

/// mm/mempolicy.c; the first argument's flags lie at its start, page or folio.
#[fexit(function = "mpol_misplaced")]
pub fn hint_fault(ctx: FExitContext) -> u32 {
    count(&ctx, Copy::First);
    twin::ran(Twin::HintFault, Task::current(), false);
    0
}

/// The twin.
#[fexit(function = "mpol_misplaced")]
pub fn hint_fault_second(ctx: FExitContext) -> u32 {
    if twin::skipped(Twin::HintFault, Task::current(), false) {
        count(&ctx, Copy::Second);
    }
    0
}

#[inline(always)]
fn count(ctx: &FExitContext, copy: Copy) {
    let node = page::node(ctx.arg(0));
    let count_key = CountKey::new(Stem::HintFault).with_page_node(node);
    let task = Task::current();
    if u32::from(node) != cpu::node() {
        mover::far_fault(task);
    }
    fault::only_moves(task);
    let owner = slot::tally_in(copy, SlotIndex::HintFault, task, count_key, 1, 0);
    if !enabled!(mapping_runs) || !owner.is_thread() {
        return;
    }
    let mut vma: *const u8 = ctx.arg(1);
    if enabled!(hint_vmf) {
        // SAFETY: there the argument is a `struct vm_fault *`; the offset is its `struct vm_area_struct *vma`.
        vma = unsafe { load(vma, global!(offsets.vmf_vma)) };
    }
    let used = use_run::Use {
        task,
        owner,
        count_key,
        address: ctx.arg(2),
        area: vma::area(vma),
    };
    used.count(copy);
}

/// kernel/sched/fair.c; `mem_node` is where the pages are now.
#[fentry(function = "task_numa_fault")]
pub fn hint_migrated(ctx: FEntryContext) -> u32 {
    if ctx.arg::<u32>(3) & MIGRATED != 0 {
        count_migrated(Copy::First, ctx.arg(1), ctx.arg(2));
        twin::ran(Twin::HintMigrated, Task::current(), false);
    }
    0
}

/// The twin.
#[fentry(function = "task_numa_fault")]
pub fn hint_migrated_second(ctx: FEntryContext) -> u32 {
    if ctx.arg::<u32>(3) & MIGRATED != 0
        && twin::skipped(Twin::HintMigrated, Task::current(), false)
    {
        count_migrated(Copy::Second, ctx.arg(1), ctx.arg(2));
    }
    0
}

#[inline(always)]
fn count_migrated(copy: Copy, node: u32, pages: u32) {
    let count_key = CountKey::new(Stem::HintMigrated).with_page_node(node as u16);
    let task = Task::current();
    if enabled!(mapping_runs) {
        use_run::migrated(task, u64::from(pages));
    }
    slot::tally_in(
        copy,
        SlotIndex::HintMigrated,
        task,
        count_key,
        1,
        u64::from(pages),
    );
}
