//! Bulk allocations: vmalloc, network page pools, pipes. numastat counts their pages in one go, and
//! they pass neither the tracepoint nor `get_page_from_freelist`.
//!
//! New pages are the number that the call returns less the entries of the caller's array that were
//! filled before. When the fast path gives nothing, the kernel takes one page from the ordinary
//! allocator: `page_alloc` has counted that one.
//!
//! proto: 6.1..6.10: unsigned long __alloc_pages_bulk(gfp_t gfp, int preferred_nid, nodemask_t *nodemask, int nr_pages, struct list_head *page_list, struct page **page_array)
//! proto: 6.10..6.14: unsigned long alloc_pages_bulk_noprof(gfp_t gfp, int preferred_nid, nodemask_t *nodemask, int nr_pages, struct list_head *page_list, struct page **page_array)
//! proto: 6.14..: unsigned long alloc_pages_bulk_noprof(gfp_t gfp, int preferred_nid, nodemask_t *nodemask, int nr_pages, struct page **page_array)

use aya_ebpf::{
    EbpfContext,
    helpers::{
        bpf_probe_read_kernel,
        generated::{
            bpf_get_func_arg, bpf_get_func_ret, bpf_probe_read_kernel as bpf_probe_read_kernel_raw,
        },
    },
    macros::{fentry, fexit, map},
    maps::{HashMap, PerCpuArray},
    programs::{FEntryContext, FExitContext},
};
use numatrace_common::{
    count_key::{AllocClass, CountKey, RemoteCause, Stem},
    counters::Counter,
    limits::BULK_ENTRIES,
    slot::SlotIndex,
};

use crate::{
    count::{
        slot,
        twin::{self, Role, Twin},
    },
    counters, cpu,
    globals::global,
    kernel::{page::node_of_flags, preempt::in_interrupt, task::Task},
};

/// Bulk allocations under way: entries of the caller's array that were filled before. By thread id,
/// with bit 32 set in an interrupt.
#[map]
static BULK: HashMap<u64, u32> = HashMap::with_max_entries(BULK_ENTRIES, 0);

/// Filled entries of the array that `alloc_bulk_enter` looks through.
#[map]
static BULK_FILLED: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// Most entries of a caller's array that are looked through: the kernel's own callers pass at most
/// a few hundred.
const SCAN: u32 = 512;

/// mm/page_alloc.c: counts the entries of the array that are filled already.
#[fentry(function = "alloc_pages_bulk_noprof")]
pub fn alloc_bulk_enter(ctx: FEntryContext) -> u32 {
    let array = argument(&ctx, global!(bulk_args) - 1);
    let wanted = argument(&ctx, 3) as u32;
    if array == 0 || wanted == 0 {
        return 0;
    }
    let Some(filled) = BULK_FILLED.get_ptr_mut(0) else {
        return 0;
    };
    // The count is in a map, not in a register: there the verifier would follow every possible
    // count through every turn of the loop.
    // SAFETY: a live per-CPU element that only this program writes, and it never nests on one CPU.
    unsafe { core::ptr::write_volatile(filled, 0) };
    if wanted > SCAN {
        counters::count(Counter::BulkUnscanned, u64::from(wanted));
    } else {
        for index in 0..SCAN {
            if index >= wanted {
                break;
            }
            let at = array.wrapping_add(u64::from(index) * 8);
            let mut page = 0u64;
            // SAFETY: the helper checks the address, and leaves a zero where it cannot read.
            unsafe { bpf_probe_read_kernel_raw((&raw mut page).cast(), 8, at as *const _) };
            if page != 0 {
                // SAFETY: as above.
                unsafe { core::ptr::write_volatile(filled, core::ptr::read_volatile(filled) + 1) };
            }
        }
    }
    // SAFETY: as above.
    let filled = unsafe { core::ptr::read_volatile(filled) };
    // A missing entry means zero: only a partly filled array needs one.
    if filled != 0 {
        let _ = BULK.insert(key(in_irq()), filled, 0);
    }
    0
}

/// mm/page_alloc.c: counts the pages that were added, on the node of the last one.
#[fexit(function = "alloc_pages_bulk_noprof")]
pub fn alloc_bulk(ctx: FExitContext) -> u32 {
    let irq = in_irq();
    count_new(Role::Primary, &ctx, irq);
    twin::leave_mark(Twin::AllocBulk, Task::current(), irq);
    0
}

/// The backup copy of `alloc_bulk`.
#[fexit(function = "alloc_pages_bulk_noprof")]
pub fn alloc_bulk_second(ctx: FExitContext) -> u32 {
    let irq = in_irq();
    if twin::was_skipped(Twin::AllocBulk, Task::current(), irq) {
        count_new(Role::Backup, &ctx, irq);
    }
    0
}

/// Counts the pages that a call has added to the caller's array or list.
#[inline(always)]
fn count_new(role: Role, ctx: &FExitContext, irq: bool) {
    let mut returned = 0u64;
    // SAFETY: writes eight bytes to `returned`.
    if unsafe { bpf_get_func_ret(ctx.as_ptr(), &raw mut returned) } != 0 {
        return;
    }
    let key = key(irq);
    // SAFETY: written at this call's entry, by this task.
    let before = unsafe { BULK.get(key) }.copied().unwrap_or(0);
    if before != 0 {
        let _ = BULK.remove(key);
    }
    let new = (returned & 0xffff_ffff).saturating_sub(u64::from(before));
    if new == 0 {
        return;
    }
    let last = last_page(ctx, returned);
    if last != 0 {
        tally(role, ctx, irq, last, new);
    }
}

/// Returns the address of the page that was added last, from the end of the array or the head of
/// the list that callers pass instead up to 6.13; 0 when it cannot be read.
#[inline(always)]
fn last_page(ctx: &FExitContext, returned: u64) -> u64 {
    let arguments = global!(bulk_args);
    let array = argument(ctx, arguments - 1);
    let (at, back) = if array != 0 {
        (
            array.wrapping_add((returned & 0xffff).wrapping_sub(1) * 8),
            0,
        )
    } else if arguments == 6 {
        (argument(ctx, 4), u64::from(global!(offsets.page_lru)))
    } else {
        return 0;
    };
    // SAFETY: the helper checks the address.
    match unsafe { bpf_probe_read_kernel(at as *const u64) } {
        Ok(pointer) => pointer.wrapping_sub(back),
        Err(_) => 0,
    }
}

#[inline(always)]
fn tally(role: Role, ctx: &FExitContext, irq: bool, page: u64, new: u64) {
    let flags_at = page.wrapping_add(u64::from(global!(offsets.page_flags)));
    // SAFETY: the helper checks the address.
    let Ok(flags) = (unsafe { bpf_probe_read_kernel(flags_at as *const u64) }) else {
        return;
    };
    let node = node_of_flags(flags);
    if new == 1 && is_counted(irq, page) {
        return;
    }
    let task = Task::current();
    let mode = task.mempolicy().chosen_mode();
    let cause = if u32::from(node) == cpu::node() {
        RemoteCause::None
    } else if task.has_policy() {
        RemoteCause::Policy
    } else if argument(ctx, 1) as u32 == u32::from(node) {
        RemoteCause::KernelNode
    } else {
        RemoteCause::Unknown
    };
    let count_key = CountKey::new(Stem::PageAlloc)
        .with_page_node(node)
        // The fast path never leaves the preferred zone's node.
        .with_preferred(node)
        .with_class(AllocClass::Kernel as u8)
        .with_cause(cause as u8)
        .with_mark(if matches!(cause, RemoteCause::Policy) {
            mode as u8
        } else {
            0
        });
    match role {
        Role::Primary => {
            if let Some(slot) = slot::get(SlotIndex::AllocBulk) {
                slot::assign(slot, task, irq);
                slot::tally(slot, count_key, new, new);
            }
        }
        Role::Backup => {
            slot::count_without_slot(task, irq, count_key, new, new);
        }
    }
}

/// Returns whether `page_alloc` has just counted this page.
#[inline(always)]
fn is_counted(irq: bool, page: u64) -> bool {
    let slot = if irq {
        slot::get(SlotIndex::AllocIrq)
    } else {
        cpu::state().map(|cpu| &mut cpu.slot)
    };
    slot.is_some_and(|slot| slot.last_page == page)
}

/// Returns argument `n` as a number: a pointer to pointers may not be loaded from the context
/// directly.
#[inline(always)]
fn argument(ctx: &impl EbpfContext, n: u32) -> u64 {
    let mut value = 0u64;
    // SAFETY: writes eight bytes to `value`, or fails for an argument that is not there.
    let _ = unsafe { bpf_get_func_arg(ctx.as_ptr(), n, &raw mut value) };
    value
}

#[inline(always)]
fn in_irq() -> bool {
    slot::get(SlotIndex::AllocBulk).is_some_and(in_interrupt)
}

/// Returns the key of `BULK`: a task's calls do not nest, but an interrupt's can come on top of
/// them.
#[inline(always)]
fn key(irq: bool) -> u64 {
    u64::from(Task::current().tid()) | u64::from(irq) << 32
}
