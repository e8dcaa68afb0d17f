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
    cell::{Cell, Stem},
    slot::SlotIndex,
};

use crate::{
    kernel::{page, task::Task},
    totals,
};

/// `TNF_MIGRATED` (include/linux/sched/numa_balancing.h): the fault moved its pages.
const MIGRATED: u32 = 1;

/// mm/mempolicy.c; the first argument's flags lie at its start, page or folio.
#[fexit(function = "mpol_misplaced")]
pub fn hint_fault(ctx: FExitContext) -> u32 {
    let page: *const u8 = ctx.arg(0);
    count(SlotIndex::HintFault, Stem::HintFault, page::node(page), 0);
    0
}

/// kernel/sched/fair.c; `mem_node` is where the pages are now.
#[fentry(function = "task_numa_fault")]
pub fn hint_migrated(ctx: FEntryContext) -> u32 {
    let (node, pages, flags): (u32, u32, u32) = (ctx.arg(1), ctx.arg(2), ctx.arg(3));
    if flags & MIGRATED != 0 {
        count(
            SlotIndex::HintMigrated,
            Stem::HintMigrated,
            node as u16,
            u64::from(pages),
        );
    }
    0
}

/// Counts one event of the current task in a slot of the program's own.
#[inline(always)]
fn count(index: SlotIndex, stem: Stem, page_node: u16, amount: u64) {
    let Some(slot) = totals::slot(index) else {
        return;
    };
    totals::own(slot, Task::current(), false);
    totals::tally(slot, Cell::new(stem).with_page_node(page_node), 1, amount);
}
