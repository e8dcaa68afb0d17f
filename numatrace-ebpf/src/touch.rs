//! First touch: which allocations are user pages that a fault makes.
//!
//! `probes/page_fault.rs` notes the fault each CPU is in; the allocation program asks here.

use numatrace_common::{
    cell::{Cell, Stem, TOUCH_THP},
    slot::{Fault, SlotIndex},
};

use crate::{
    globals::{enabled, global},
    kernel::task::Task,
    maps::FAULTS,
    totals,
};

/// The fault `task` is in on this CPU, if it has not been switched out since it began.
#[inline(always)]
pub fn fault_of(task: Task) -> Option<Fault> {
    let fault = *FAULTS.get(0)?;
    (fault.task == task.address() && fault.switches == task.switches()).then_some(fault)
}

/// Counts a page of a fault. Page tables and other kernel memory are told by their flags: only movable pages are mapped.
#[inline(always)]
pub fn tally(task: Task, gfp: u32, order: u32, node: u16) {
    if !enabled!(first_touch) || gfp & global!(gfp.movable) == 0 {
        return;
    }
    let Some(fault) = fault_of(task) else { return };
    let thp = if order >= global!(pmd_order) {
        TOUCH_THP
    } else {
        0
    };
    tally_in(
        SlotIndex::FirstTouch,
        task,
        fault.kind as u8,
        fault.marks as u8 | thp,
        node,
        order,
    );
}

/// Counts a folio in a slot.
#[inline(always)]
pub fn tally_in(index: SlotIndex, task: Task, kind: u8, marks: u8, node: u16, order: u32) {
    let Some(slot) = totals::slot(index) else {
        return;
    };
    totals::own(slot, task, false);
    let cell = Cell::new(Stem::FirstTouch)
        .with_page_node(node)
        .with_class(kind)
        .with_mark(marks);
    totals::tally(slot, cell, 1, 1 << (order & 31));
}
