//! Bulk allocations: vmalloc, network page pools, pipes. numastat counts their pages in one go, and
//! they pass neither the tracepoint nor `get_page_from_freelist`.
//!
//! New pages are the entries of the caller's array that were empty before, up to the index that the
//! call returns: it skips filled ones, and stops where it gets no more. When the fast path gives
//! nothing, the kernel takes one page from the ordinary allocator: `page_alloc` has counted that
//! one.
//!
//! proto: 6.1..6.10: unsigned long __alloc_pages_bulk(gfp_t gfp, int preferred_nid, nodemask_t *nodemask, int nr_pages, struct list_head *page_list, struct page **page_array)
//! proto: 6.10..6.14: unsigned long alloc_pages_bulk_noprof(gfp_t gfp, int preferred_nid, nodemask_t *nodemask, int nr_pages, struct list_head *page_list, struct page **page_array)
//! proto: 6.14..: unsigned long alloc_pages_bulk_noprof(gfp_t gfp, int preferred_nid, nodemask_t *nodemask, int nr_pages, struct page **page_array)

use core::{
    hint::black_box,
    ptr::{read_volatile, write_volatile},
};

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

/// 64-bit words of the entries of a caller's array that are looked through, one bit each: the NFS
/// server passes up to 1,027 for its largest reads and writes (include/linux/sunrpc/svc.h), all
/// others at most a few hundred.
const WORDS: u32 = 17;
const SCAN: u32 = WORDS * 64;

/// Entries of a caller's array that were filled before the call, one bit each.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Filled {
    words: [u64; WORDS as usize],
    /// Not 0 when one was.
    any: u64,
}

/// Bulk allocations under way whose array was partly filled. By thread id, with bit 32 set in an
/// interrupt.
#[map]
static BULK: HashMap<u64, Filled> = HashMap::with_max_entries(BULK_ENTRIES, 0);

/// Workspace of `alloc_bulk_enter`: too large for the stack.
#[repr(C)]
pub struct Workspace {
    filled: Filled,
    entries: [u64; 64],
}

/// One for each copy of the program: the primary may have been stopped in the middle of its own.
#[map]
static BULK_WORK: PerCpuArray<Workspace> = PerCpuArray::with_max_entries(2, 0);

/// mm/page_alloc.c: looks which entries of the array are filled already.
#[fentry(function = "alloc_pages_bulk_noprof")]
pub fn alloc_bulk_enter(ctx: FEntryContext) -> u32 {
    let irq = in_irq();
    note_filled(Role::Primary, &ctx, irq);
    twin::leave_mark(Twin::AllocBulkEnter, Task::current(), irq);
    0
}

/// The backup copy of `alloc_bulk_enter`.
#[fentry(function = "alloc_pages_bulk_noprof")]
pub fn alloc_bulk_enter_second(ctx: FEntryContext) -> u32 {
    let irq = in_irq();
    if twin::was_skipped(Twin::AllocBulkEnter, Task::current(), irq) {
        note_filled(Role::Backup, &ctx, irq);
    }
    0
}

/// Notes which entries are filled; an array without such entries needs no note, and one of an
/// earlier call that nobody took is removed.
#[inline(always)]
fn note_filled(role: Role, ctx: &FEntryContext, irq: bool) {
    let Some(work) = BULK_WORK.get_ptr_mut(role as u32) else {
        return;
    };
    // SAFETY: a live per-CPU element that only this copy of the program writes; a copy never nests
    // on one CPU.
    let work = unsafe { &mut *work };
    read_filled(ctx, work);
    if work.filled.any == 0 {
        let _ = BULK.remove(key(irq));
    } else if BULK.insert(key(irq), work.filled, 0).is_err() {
        counters::count(Counter::BulkUnscanned, 1);
    }
}

#[inline(always)]
fn read_filled(ctx: &FEntryContext, work: &mut Workspace) {
    let array = argument(ctx, global!(bulk_args) - 1);
    let wanted = argument(ctx, 3) as u32;
    work.filled.any = 0;
    if array == 0 {
        return;
    }
    if wanted > SCAN {
        counters::count(Counter::BulkUnscanned, u64::from(wanted - SCAN));
    }
    for word in 0..WORDS {
        let left = wanted.saturating_sub(word * 64);
        let at = array.wrapping_add(u64::from(word) * 512);
        let filled = if left == 0 {
            0
        } else if left >= 64 {
            // SAFETY: the helper checks the address, and leaves zeros where it cannot read.
            unsafe {
                bpf_probe_read_kernel_raw(work.entries.as_mut_ptr().cast(), 512, at as *const _)
            };
            filled_bits(&work.entries)
        } else {
            // The mask shows the verifier that the buffer is long enough.
            let count = black_box(u64::from(left)) & 63;
            let bytes = (count << 3) as u32;
            // SAFETY: as above.
            unsafe {
                bpf_probe_read_kernel_raw(work.entries.as_mut_ptr().cast(), bytes, at as *const _)
            };
            // Entries behind these are of an earlier call.
            filled_bits(&work.entries) & !(u64::MAX << count)
        };
        // Words in a map, not in registers: there the verifier would follow every combination
        // through the turns of the loop.
        // SAFETY: within the array; a plain store.
        unsafe {
            write_volatile(&raw mut work.filled.words[word as usize], filled);
            let any = read_volatile(&raw const work.filled.any);
            write_volatile(&raw mut work.filled.any, any | filled);
        }
    }
}

/// Returns a bit for each of 64 entries of an array of pointers: the highest bit of the pointer,
/// which is set in every address of the kernel.
#[inline(always)]
fn filled_bits(entries: &[u64; 64]) -> u64 {
    let mut filled = 0;
    for bit in 0..64u32 {
        // SAFETY: within the array.
        let entry = unsafe { read_volatile(&raw const entries[bit as usize]) };
        filled |= entry >> 63 << bit;
    }
    filled
}

/// mm/page_alloc.c: counts the pages that were added, on the node of the first one.
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
    let returned = (returned & 0xffff_ffff) as u32;
    // SAFETY: written at this call's entry, by this task.
    let added = match unsafe { BULK.get(key) } {
        Some(filled) => {
            let added = Added::among(filled, returned);
            let _ = BULK.remove(key);
            added
        }
        None => Added {
            pages: returned,
            first: 0,
        },
    };
    if added.pages == 0 {
        return;
    }
    let page = new_page(ctx, added.first);
    if page != 0 {
        tally(role, ctx, irq, page, u64::from(added.pages));
    }
}

/// Pages that a call added to an array.
struct Added {
    pages: u32,
    /// Index of the first of them: the first entry that was empty.
    first: u32,
}

impl Added {
    /// Returns the entries below `returned`, where the call stopped, that were empty before.
    #[inline(always)]
    fn among(filled: &Filled, returned: u32) -> Self {
        let (mut pages, mut first, mut is_first_found) = (0, 0, 0);
        for word in 0..WORDS {
            let below = returned.saturating_sub(word * 64);
            let reached = if below >= 64 {
                u64::MAX
            } else {
                !(u64::MAX << (below & 63))
            };
            // SAFETY: within the array.
            let empty = unsafe { !read_volatile(&raw const filled.words[word as usize]) };
            pages += (empty & reached).count_ones();
            // Bits instead of branches, which the verifier would multiply.
            let has_empty = ((empty | empty.wrapping_neg()) >> 63) as u32;
            let here = has_empty & !is_first_found & 1;
            first +=
                (word * 64 + (empty.wrapping_neg() & empty).wrapping_sub(1).count_ones()) * here;
            is_first_found |= here;
        }
        // Entries beyond were not looked at.
        pages += returned.saturating_sub(SCAN);
        Self { pages, first }
    }
}

/// Returns the address of a page that was added: of an entry of the array, or at the head of the
/// list that callers pass instead up to 6.13; 0 when it cannot be read.
#[inline(always)]
fn new_page(ctx: &FExitContext, entry: u32) -> u64 {
    let arguments = global!(bulk_args);
    let array = argument(ctx, arguments - 1);
    let (at, back) = if array != 0 {
        (array.wrapping_add(u64::from(entry) * 8), 0)
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

/// Forgets a bulk allocation of a thread that ends.
#[inline(always)]
pub fn forget(task: Task) {
    let _ = BULK.remove(u64::from(task.tid()));
}

/// Returns the key of `BULK`: a task's calls do not nest, but an interrupt's can come on top of
/// them.
#[inline(always)]
fn key(irq: bool) -> u64 {
    u64::from(Task::current().tid()) | u64::from(irq) << 32
}
