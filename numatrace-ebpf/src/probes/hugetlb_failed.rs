//! Huge pages that the pool could not give: a fault gets SIGBUS, mmap(2) ENOMEM.
//!
//! mmap(2) reserves from the pool of the whole machine. Whether the nodes that a policy or cpuset
//! allows have a free page turns out at the fault, in a function that is hooked for first touches
//! already: its program comes here with an error, and the one below is for sessions without it.
//!
//! proto: 6.1..6.3: struct page *alloc_huge_page(struct vm_area_struct *vma, unsigned long addr, int avoid_reserve)
//! proto: 6.3..6.14: struct folio *alloc_hugetlb_folio(struct vm_area_struct *vma, unsigned long addr, int avoid_reserve)
//! proto: 6.12..: struct folio *alloc_hugetlb_folio(struct vm_area_struct *vma, unsigned long addr, bool cow_from_owner)
//! proto: 6.1..6.17: bool hugetlb_reserve_pages(struct inode *inode, long from, long to, struct vm_area_struct *vma, vm_flags_t vm_flags)
//! proto: 6.17..6.19: long hugetlb_reserve_pages(struct inode *inode, long from, long to, struct vm_area_struct *vma, vm_flags_t vm_flags)
//! proto: 6.19..7.0: long hugetlb_reserve_pages(struct inode *inode, long from, long to, struct vm_area_desc *desc, vm_flags_t vm_flags)
//! proto: 7.0..: long hugetlb_reserve_pages(struct inode *inode, long from, long to, struct vm_area_struct *vma, vma_flags_t vma_flags)

use aya_ebpf::{
    EbpfContext as _,
    bindings::BPF_F_USER_STACK,
    helpers::generated::bpf_get_func_ret,
    macros::fexit,
    programs::{FExitContext, tracing::StackIdContext as _},
};
use numatrace_common::event::hugetlb_failed::{HugetlbFailed, HugetlbRequest};

use crate::{
    cpu,
    globals::{enabled, global},
    kernel::{hstate, load, mempolicy::Mempolicy, task::Task, vma},
    maps::STACKS,
    record::{
        emit::{emit_with, header},
        limit,
    },
    who::scope,
};

/// `ENOMEM`
const ENOMEM: u32 = 12;
/// The last page of the address space holds error numbers, no folios (include/linux/err.h).
const FIRST_ERROR: u64 = u64::MAX - 4094;

/// mm/hugetlb.c
#[fexit(function = "alloc_hugetlb_folio")]
pub fn hugetlb_failed_fault(ctx: FExitContext) -> u32 {
    if is_error(ctx.arg(3)) {
        fault(&ctx);
    }
    0
}

/// mm/hugetlb.c; a reservation of the whole machine, so of no node.
#[fexit(function = "hugetlb_reserve_pages")]
pub fn hugetlb_failed_reserve(ctx: FExitContext) -> u32 {
    let refused = if enabled!(reserve_is_long) {
        ctx.arg::<i64>(5) < 0
    } else {
        // A bool is one byte.
        ctx.arg::<u64>(5) & 0xff == 0
    };
    let task = Task::current();
    if refused && scope::in_scope(task) {
        let inode: *const u8 = ctx.arg(0);
        // SAFETY: a BTF-typed argument; the offset is `u8 i_blkbits`, of hugetlbfs the page's.
        let size_bits: u8 = unsafe { load(inode, global!(offsets.inode_blkbits)) };
        let (from, to): (i64, i64) = (ctx.arg(1), ctx.arg(2));
        Failed {
            task,
            policy: task.mempolicy(),
            request: HugetlbRequest::Reserve,
            errno: ENOMEM,
            address: 0,
            size_bits: u32::from(size_bits),
            pages: to.wrapping_sub(from) as u64,
            // SAFETY: as above; the offset is `struct super_block *i_sb`.
            super_block: unsafe { load(inode, global!(offsets.inode_sb)) },
        }
        .tell(&ctx);
    }
    0
}

/// Returns whether a folio is an error number.
#[inline(always)]
pub fn is_error(folio: u64) -> bool {
    folio >= FIRST_ERROR
}

/// Tells of a page that [`is_error`]: the context is that of `alloc_hugetlb_folio`. Not inlined: it
/// is seldom, and takes much of a program's stack.
#[inline(never)]
pub fn fault(ctx: &FExitContext) {
    let task = Task::current();
    if !scope::in_scope(task) {
        return;
    }
    let mapping: *const u8 = ctx.arg(0);
    let own = vma::policy(mapping);
    Failed {
        task,
        policy: if own.chosen_mode() != 0 {
            own
        } else {
            task.mempolicy()
        },
        request: if task.in_user_exception() {
            HugetlbRequest::Fault
        } else {
            HugetlbRequest::Kernel
        },
        errno: error_number(ctx),
        address: ctx.arg(1),
        size_bits: vma::hugetlb_bits(mapping),
        pages: 1,
        super_block: vma::hugetlbfs(mapping),
    }
    .tell(ctx);
}

/// The error number that a function returned as a pointer, positive: a pointer cannot be negated.
#[inline(always)]
fn error_number(ctx: &FExitContext) -> u32 {
    let mut result = 0u64;
    // SAFETY: the context is this program's; the helper writes eight bytes.
    unsafe { bpf_get_func_ret(ctx.as_ptr(), &raw mut result) };
    result.wrapping_neg() as u32
}

/// A request that failed.
struct Failed {
    task: Task,
    policy: Mempolicy,
    request: HugetlbRequest,
    errno: u32,
    address: u64,
    size_bits: u32,
    pages: u64,
    /// The hugetlbfs that the pages are of.
    super_block: *const u8,
}

impl Failed {
    #[inline(always)]
    fn tell(self, ctx: &FExitContext) {
        if !limit::may_emit::<HugetlbFailed>() {
            return;
        }
        emit_with(|record: &mut HugetlbFailed| {
            record.header = header::<HugetlbFailed>();
            record.start_ns = self.task.start_ns();
            record.tid = self.task.tid();
            record.tgid = self.task.tgid();
            record.address = self.address;
            record.request = self.request as u32;
            record.errno = self.errno;
            record.size_bits = self.size_bits;
            record.policy_mode = u32::from(self.policy.chosen_mode());
            record.pages = self.pages;
            record.cpu_node = cpu::node();
            let (free, total) = (&mut record.free, &mut record.total);
            (*free, *total) = ([[0; 32]; 2], [[0; 32]; 2]);
            record.pools_known = u32::from(hstate::pages(self.super_block, free, total));
            self.policy.nodes(&mut record.nodes);
            self.task.mems_allowed(&mut record.allowed);
            record.stack = ctx
                .get_stackid(&STACKS, u64::from(BPF_F_USER_STACK))
                .unwrap_or_else(i64::from);
        });
    }
}
