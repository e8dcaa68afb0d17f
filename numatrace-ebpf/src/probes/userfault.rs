//! Copies by userfaultfd(2): a system call (`UFFDIO_COPY`) puts a page into memory, of its own
//! process or of a different one, and no fault allocates it. So these are first touches too: live
//! migration of virtual machines and restored checkpoints fill memory in this way.
//!
//! Only private memory is counted here: pages that join a file of shared memory are `shmem_fill`'s,
//! and pages of the hugetlb pool `page_fault_hugetlb`'s. The zero page, which `UFFDIO_ZEROPAGE`
//! maps, is nobody's.
//!
//! Before 6.4 the function that maps a copy has more arguments than a program can be passed. There
//! the page is counted where the policy's hook sees it allocated in the call.
//!
//! proto: 6.4..7.3: int mfill_atomic_install_pte(pmd_t *dst_pmd, struct vm_area_struct *dst_vma, unsigned long dst_addr, struct page *page, bool newly_allocated, uffd_flags_t flags)
//! proto: 7.3..: int mfill_atomic_install_pte(pmd_t *dst_pmd, struct vm_area_struct *dst_vma, unsigned long dst_addr, struct page *page, uffd_flags_t flags)
//! proto: 6.1..6.4: ssize_t mcopy_atomic(struct mm_struct *dst_mm, unsigned long dst_start, unsigned long src_start, unsigned long len, atomic_t *mmap_changing, __u64 mode)

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::bpf_get_func_ret,
    macros::{fentry, fexit, map},
    maps::{Array, HashMap},
    programs::{FEntryContext, FExitContext},
};
use numatrace_common::limits::PARKED_ENTRIES;

use crate::{
    atomic,
    globals::enabled,
    kernel::{page, task::Task, vma},
    record::{touch_outside, touch_run},
    who::fault,
};

/// Threads that are in a copy, by thread id.
#[map]
static COPYING: HashMap<u32, u32> = HashMap::with_max_entries(PARKED_ENTRIES, 0);

/// Number of these threads, modulo 2^64: while it is zero, no program looks for one.
#[map]
static COPIES: Array<u64> = Array::with_max_entries(1, 0);

/// mm/userfaultfd.c: 0 when the page is mapped.
#[fexit(function = "mfill_atomic_install_pte")]
pub fn userfault_copy(ctx: FExitContext) -> u32 {
    let mut error = 0u64;
    // SAFETY: writes eight bytes to `error`.
    let unknown = unsafe { bpf_get_func_ret(ctx.as_ptr(), &raw mut error) } != 0;
    let mapping: *const u8 = ctx.arg(1);
    if enabled!(first_touch) && !unknown && error as u32 == 0 && !vma::is_shared(mapping) {
        let page: *const u8 = ctx.arg(3);
        let open = touch_run::of_userfault();
        touch_outside::count_in_mapping(&ctx, open, mapping, ctx.arg(2), page::node(page));
    }
    0
}

/// mm/userfaultfd.c, before 6.4: a copy begins.
#[fentry(function = "mcopy_atomic")]
pub fn userfault_enter(_ctx: FEntryContext) -> u32 {
    if COPYING.insert(Task::current().tid(), 1, 0).is_ok() {
        change_copies(1);
    }
    0
}

/// mm/userfaultfd.c, before 6.4: the copy has ended.
#[fexit(function = "mcopy_atomic")]
pub fn userfault_leave(_ctx: FExitContext) -> u32 {
    if COPYING.remove(Task::current().tid()).is_ok() {
        change_copies(u64::MAX);
    }
    0
}

/// Counts a page that was allocated for an address of a mapping, if the current task is in a copy
/// and in no fault. For the program at `vma_alloc_folio`.
#[inline(always)]
pub fn allocated(ctx: &FExitContext, mapping: *const u8, address: u64, page: *const u8) {
    let is_any = COPIES.get(0).is_some_and(|copies| *copies != 0);
    if !enabled!(first_touch) || !is_any {
        return;
    }
    let task = Task::current();
    // SAFETY: only the thread itself writes and removes its entry.
    let is_in_copy = unsafe { COPYING.get(task.tid()) }.is_some();
    // The memory that is copied from can fault too.
    if is_in_copy && fault::fault_of(task).is_none() {
        let open = touch_run::of_userfault();
        touch_outside::count_in_mapping(ctx, open, mapping, address, page::node(page));
    }
}

#[inline(always)]
fn change_copies(by: u64) {
    if let Some(copies) = COPIES.get_ptr_mut(0) {
        // SAFETY: a live array element.
        unsafe { atomic::add(copies, by) };
    }
}
