//! The class of an allocation, and the cause of a remote one.

use numatrace_common::{
    count_key::{AllocClass, RemoteCause},
    globals::ServedFrom,
};

use crate::{
    globals::{GLOBALS, global, read},
    kernel::{alloc_context::AllocContext, task::Task},
};

/// Returns the class of an allocation, as far as order and flags determine it
/// (include/linux/gfp_types.h).
#[inline(always)]
pub fn class(gfp: u32, order: u32) -> AllocClass {
    if gfp & global!(gfp.movable) == 0 {
        // GFP_PGTABLE_USER is GFP_KERNEL | __GFP_ZERO | __GFP_ACCOUNT; a slab of accounted objects
        // adds __GFP_NOWARN.
        let table = global!(gfp.zero) | global!(gfp.account);
        return if order == 0 && gfp & (table | global!(gfp.nowarn)) == table {
            AllocClass::PageTable
        } else {
            AllocClass::Kernel
        };
    }
    if order == 0 {
        AllocClass::User4k
    } else if order < global!(pmd_order) {
        AllocClass::UserLarge
    } else if gfp & global!(gfp.nomemalloc) != 0 {
        AllocClass::Thp
    } else {
        AllocClass::Hugetlb
    }
}

/// Returns why a page on node `page` is not on the CPU's node `here`, or missed the preferred node,
/// as far as the allocator itself knows.
///
/// `Policy` and `KernelNode` are provisional: only the policy hook, which runs right after, can
/// distinguish them. In an interrupt no cpuset counts (`irq`).
#[inline(always)]
pub fn remote(
    page: u16,
    preferred: u16,
    here: u16,
    gfp: u32,
    ac: AllocContext,
    task: Task,
    irq: bool,
) -> RemoteCause {
    if page != preferred {
        // When nothing is free at once, the kernel forgets the cpuset while it looks for the
        // preferred zone (mm/page_alloc.c, `__alloc_pages_slowpath`).
        return if irq || task.allows_memory_of(u32::from(preferred)) {
            RemoteCause::Fallback
        } else {
            RemoteCause::Cpuset
        };
    }
    if page == here {
        return RemoteCause::None;
    }
    if !can_serve(here, gfp) {
        return RemoteCause::Memoryless;
    }
    match ac.nodemask() {
        Some(mask) if !mask.contains(here) => {
            if mask.is_cpuset_of(task) {
                RemoteCause::Cpuset
            } else if task.has_policy() {
                RemoteCause::Policy
            } else {
                RemoteCause::KernelNode
            }
        }
        _ => RemoteCause::KernelNode,
    }
}

/// Returns whether a node has memory of the kind asked for. Movable-only nodes serve user pages
/// only, and memory for devices with short addresses lies on one node or few.
#[inline(always)]
fn can_serve(node: u16, gfp: u32) -> bool {
    let word = usize::from(node >> 6 & 15);
    let (dma, dma32, movable) = (global!(gfp.dma), global!(gfp.dma32), global!(gfp.movable));
    let nodes = match ServedFrom::of(gfp, dma, dma32, movable) {
        ServedFrom::Dma => read(&GLOBALS.has_dma_memory[word]),
        ServedFrom::Dma32 => read(&GLOBALS.has_dma32_memory[word]),
        ServedFrom::Movable => read(&GLOBALS.has_memory[word]),
        ServedFrom::Normal => read(&GLOBALS.has_normal_memory[word]),
    };
    nodes >> (node & 63) & 1 != 0
}
