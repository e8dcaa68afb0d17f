//! NUMA hinting faults: which thread used a page of which node, and the pages that the balancer
//! migrated in answer.
//!
//! The kernel calls `mpol_misplaced` once for each fault that it counts in `numa_hint_faults`, with
//! the page still on its old node and the page table locked, so task node and page node are the
//! kernel's own. Then it calls `task_numa_fault` with the result. Neither has a tracepoint.
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
        twin::{self, Role, Twin},
    },
    cpu,
    globals::{enabled, global},
    kernel::{load, page, task::Task, vma},
    record::use_run::{self, Use},
    who::{fault, mover},
};

/// `TNF_MIGRATED` (include/linux/sched/numa_balancing.h): the fault moved its pages.
const MIGRATED: u32 = 1;

/// mm/mempolicy.c; the flags lie at the start of the first argument, page or folio.
#[fexit(function = "mpol_misplaced")]
pub fn hint_fault(ctx: FExitContext) -> u32 {
    count_fault(&ctx, Role::Primary);
    twin::leave_mark(Twin::HintFault, Task::current(), false);
    0
}

/// The backup copy of `hint_fault`.
#[fexit(function = "mpol_misplaced")]
pub fn hint_fault_second(ctx: FExitContext) -> u32 {
    if twin::was_skipped(Twin::HintFault, Task::current(), false) {
        count_fault(&ctx, Role::Backup);
    }
    0
}

#[inline(always)]
fn count_fault(ctx: &FExitContext, role: Role) {
    let node = page::node(ctx.arg(0));
    let count_key = CountKey::new(Stem::HintFault).with_page_node(node);
    let task = Task::current();
    if u32::from(node) != cpu::node() {
        mover::count_remote_fault(task);
    }
    fault::mark_hinting(task);
    let owner = slot::count_as(role, SlotIndex::HintFault, task, count_key, 1, 0);
    if !enabled!(mapping_runs) || !owner.is_thread() {
        return;
    }
    let mut vma: *const u8 = ctx.arg(1);
    if enabled!(hint_vmf) {
        // SAFETY: there the argument is a `struct vm_fault *`; the offset is its
        // `struct vm_area_struct *vma`.
        vma = unsafe { load(vma, global!(offsets.vmf_vma)) };
    }
    let used = Use {
        task,
        owner,
        count_key,
        address: ctx.arg(2),
        area: vma::area(vma),
    };
    used.add_as(role);
}

/// kernel/sched/fair.c; `mem_node` is the node on which the pages are now.
#[fentry(function = "task_numa_fault")]
pub fn hint_migrated(ctx: FEntryContext) -> u32 {
    if ctx.arg::<u32>(3) & MIGRATED != 0 {
        count_migrated(Role::Primary, ctx.arg(1), ctx.arg(2));
        twin::leave_mark(Twin::HintMigrated, Task::current(), false);
    }
    0
}

/// The backup copy of `hint_migrated`.
#[fentry(function = "task_numa_fault")]
pub fn hint_migrated_second(ctx: FEntryContext) -> u32 {
    if ctx.arg::<u32>(3) & MIGRATED != 0
        && twin::was_skipped(Twin::HintMigrated, Task::current(), false)
    {
        count_migrated(Role::Backup, ctx.arg(1), ctx.arg(2));
    }
    0
}

#[inline(always)]
fn count_migrated(role: Role, node: u32, pages: u32) {
    let count_key = CountKey::new(Stem::HintMigrated).with_page_node(node as u16);
    let task = Task::current();
    if enabled!(mapping_runs) {
        use_run::add_migrated(task, u64::from(pages));
    }
    slot::count_as(
        role,
        SlotIndex::HintMigrated,
        task,
        count_key,
        1,
        u64::from(pages),
    );
}
