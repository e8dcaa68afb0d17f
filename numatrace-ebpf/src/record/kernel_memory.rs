//! Samples of kernel memory: on request, one kernel stack after each so many pages that the kernel
//! allocates for itself.

use aya_ebpf::{macros::map, maps::PerCpuArray, programs::tracing::StackIdContext};
use numatrace_common::{
    control::NO_STACKS,
    count_key::{CountKey, Stem},
    event::kernel_alloc::KernelAlloc,
};

use super::emit::{emit, header};
use crate::{control, cpu, globals::global, kernel::task::Task, maps::STACKS, who::owner::Owner};

/// Base pages of kernel memory since the last sample on each CPU.
#[map]
static SINCE_SAMPLE: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Counts pages of kernel memory of `task`, and takes a sample when one is due.
///
/// Not inlined: a record takes much of a program's stack.
#[inline(never)]
pub fn sample<C: StackIdContext>(ctx: &C, task: Task, pages: u64, node: u16) {
    let owner = Owner::of(task);
    let Some(since) = SINCE_SAMPLE.get_ptr_mut(0) else {
        return;
    };
    if !owner.is_thread() {
        return;
    }
    // SAFETY: a live per-CPU element; allocations of interrupts may come between, and are not
    // counted here.
    let since = unsafe { &mut *since };
    *since += pages;
    if *since < u64::from(global!(kernel_stack_every)) || control::is_reduced(NO_STACKS) {
        return;
    }
    let pages = core::mem::take(since);
    emit(KernelAlloc {
        header: header::<KernelAlloc>(),
        start_ns: owner.start_ns,
        tid: owner.tid,
        tgid: owner.tgid,
        count_key: CountKey::new(Stem::PageAlloc)
            .with_page_node(node)
            .with_task_node(cpu::node() as u16),
        pages,
        stack: ctx.get_stackid(&STACKS, 0).unwrap_or_else(i64::from),
    });
}
