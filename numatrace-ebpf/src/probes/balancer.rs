//! Costs of NUMA balancing to a thread: scans of its memory, page table entries made to fault,
//! hinting faults; and the mappings that it leaves alone.
//!
//! All of this work is done in the thread that owns the memory, and the kernel keeps no account of
//! it by thread. A fault's time begins where the kernel checks whether the page is misplaced and
//! ends after migration, statistics and the search for a better CPU. A fault that the kernel gives
//! up in between has no end and no time.
//!
//! proto: 6.1..: void task_numa_work(struct callback_head *work)
//! proto: 6.1..: unsigned long change_prot_numa(struct vm_area_struct *vma, unsigned long addr, unsigned long end)
//! proto: 6.1..6.7: int mpol_misplaced(struct page *page, struct vm_area_struct *vma, unsigned long addr)
//! proto: 6.12..: int mpol_misplaced(struct folio *folio, struct vm_fault *vmf, unsigned long addr)
//! proto: 6.1..: void task_numa_fault(int last_cpupid, int mem_node, int pages, int flags)
//! tp: 6.7..: sched_skip_vma_numa(struct mm_struct *mm, struct vm_area_struct *vma, enum numa_vmaskip_reason reason)

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit, map},
    maps::HashMap,
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};
use numatrace_common::{
    count_key::{BalancerWork, CountKey, Stem},
    counters::Counter,
    limits::BALANCING_ENTRIES,
};

use crate::{clock, count::totals, counters, kernel::task::Task, who::owner::Owner};

/// Time at which work of a thread began, ns since boot; by thread id and [`BalancerWork`].
/// Preallocated.
#[map]
static BALANCING: HashMap<u64, u64> = HashMap::with_max_entries(BALANCING_ENTRIES, 0);

/// kernel/sched/fair.c; a scan begins, on the way back to user mode, once per scan period.
#[fentry(function = "task_numa_work")]
pub fn balancer_scan_enter(_ctx: FEntryContext) -> u32 {
    begin(BalancerWork::Scan);
    0
}

/// kernel/sched/fair.c; a scan ends.
#[fexit(function = "task_numa_work")]
pub fn balancer_scan_leave(_ctx: FExitContext) -> u32 {
    end(BalancerWork::Scan);
    0
}

/// mm/mempolicy.c; vmstat adds the result to `numa_pte_updates`.
#[fexit(function = "change_prot_numa")]
pub fn balancer_update(ctx: FExitContext) -> u32 {
    let updated: i64 = ctx.arg(3);
    if updated > 0 {
        charge(BalancerWork::Update, updated as u64);
    }
    0
}

/// mm/mempolicy.c; a hinting fault begins.
#[fentry(function = "mpol_misplaced")]
pub fn balancer_fault_enter(_ctx: FEntryContext) -> u32 {
    begin(BalancerWork::Fault);
    0
}

/// kernel/sched/fair.c; a hinting fault ends: nothing follows in it.
#[fexit(function = "task_numa_fault")]
pub fn balancer_fault_leave(_ctx: FExitContext) -> u32 {
    end(BalancerWork::Fault);
    0
}

/// include/trace/events/sched.h; in the thread that scans.
#[btf_tracepoint(function = "sched_skip_vma_numa")]
pub fn balancer_skip(ctx: BtfTracePointContext) -> u32 {
    let reason: u32 = ctx.arg(2);
    let count_key = CountKey::new(Stem::VmaSkipped).with_cause(reason as u8 & 15);
    totals::add_one(Owner::of(Task::current()), count_key, 0);
    0
}

/// Removes the time at which a fault began that the kernel gave up, in a thread that ends.
#[inline(always)]
pub fn forget(task: Task) {
    let _ = BALANCING.remove(key(task, BalancerWork::Fault));
}

#[inline(always)]
fn key(task: Task, work: BalancerWork) -> u64 {
    u64::from(task.tid()) << 8 | work as u64
}

#[inline(always)]
fn begin(work: BalancerWork) {
    let now = clock::now();
    if BALANCING
        .insert(key(Task::current(), work), now, 0)
        .is_err()
    {
        counters::count(Counter::LostBalancerTimes, 1);
    }
}

#[inline(always)]
fn end(work: BalancerWork) {
    let key = key(Task::current(), work);
    // SAFETY: only the thread itself writes and removes its entries.
    let Some(began) = (unsafe { BALANCING.get(key) }).copied() else {
        return;
    };
    let took = clock::now().wrapping_sub(began);
    let _ = BALANCING.remove(key);
    charge(work, took);
}

#[inline(always)]
fn charge(work: BalancerWork, amount: u64) {
    let count_key = CountKey::new(Stem::Balancer).with_class(work as u8);
    totals::add_one(Owner::of(Task::current()), count_key, amount);
}
