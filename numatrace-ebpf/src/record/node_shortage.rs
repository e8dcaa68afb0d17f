//! A node that could not give a page: the state of its zone at that moment, which alone tells a
//! full node from a fragmented one.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use numatrace_common::event::node_shortage::{NodeShortage, SHORTAGE_KINDS};

use super::emit::{emit_with, header};
use crate::{
    clock,
    globals::global,
    kernel::{task::Task, zone},
};

/// By kind of request: the second (of 2^30 ns) of this CPU's last record, and one.
#[map]
static SHORTAGES: PerCpuArray<u64> = PerCpuArray::with_max_entries(SHORTAGE_KINDS, 0);

/// Records that the preferred zone, of `node`, did not give a page of `order`.
#[inline(always)]
pub fn note(preferred: *const u8, node: u16, order: u32, gfp: u32) {
    let movable = gfp & global!(gfp.movable) != 0;
    let Some(last) = SHORTAGES.get_ptr_mut(u32::from(movable) * 2 + u32::from(order > 0)) else {
        return;
    };
    let now = (clock::now() >> 30) + 1;
    // SAFETY: a live per-CPU element. One program that interrupts another may write a record more.
    unsafe {
        if *last == now {
            return;
        }
        *last = now;
    }
    let free = zone::free(preferred, order);
    let low_pages = zone::kept_back(preferred);
    emit_with(|record: &mut NodeShortage| {
        record.header = header::<NodeShortage>();
        record.node = u32::from(node);
        record.order = order;
        record.movable = u32::from(movable);
        record.reserved = 0;
        record.free_pages = free.pages;
        record.blocks = free.blocks;
        record.low_pages = low_pages;
        Task::current().mems_allowed(&mut record.allowed);
    });
}
