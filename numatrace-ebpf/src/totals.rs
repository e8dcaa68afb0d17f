//! The counting lane: per-CPU slots, flushed into the totals map.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{bindings::BPF_NOEXIST, maps::HashMap};
use numatrace_common::{
    cell::Cell,
    counters::Counter,
    event::alloc_run::AllocRun,
    slot::{Lane, Slot, SlotIndex},
    totals::{OVERFLOW, TotalKey, TotalValue},
};

use crate::{
    emit::{count, emit, header},
    globals::enabled,
    kernel::task::Task,
    maps::{CONTROL_WORD, OVERFLOWED, RUN_SLOTS, TOTALS},
    owner::Owner,
};

/// Current epoch. 0 until userspace has set the control word up.
#[inline(always)]
pub fn epoch() -> u64 {
    CONTROL_WORD.get(0).map_or(0, |control| control.epoch)
}

/// This CPU's slot of an index.
#[inline(always)]
pub fn slot(index: SlotIndex) -> Option<&'static mut Slot> {
    // SAFETY: a program never nests on one CPU (the kernel skips and counts that), and no two programs share a slot.
    RUN_SLOTS
        .get_ptr_mut(index as u32)
        .map(|slot| unsafe { &mut *slot })
}

/// Makes `task` (or the interrupt that runs on top of it) the owner of a slot, flushing what its last owner counted.
#[inline(always)]
pub fn own(slot: &mut Slot, task: Task, irq: bool) {
    let epoch = epoch();
    let start = task.start_ns();
    if slot.task == task.address() && slot.task_start_ns == start && slot.epoch == epoch {
        return;
    }
    flush(slot);
    let owner = if irq { Owner::IRQ } else { Owner::of(task) };
    slot.task = task.address();
    slot.task_start_ns = start;
    slot.epoch = epoch;
    slot.start_ns = owner.start_ns;
    slot.tid = owner.tid;
    slot.tgid = owner.tgid;
    // SAFETY: the helper has no preconditions.
    slot.node = unsafe { aya_ebpf::helpers::generated::bpf_get_numa_node_id() } as u32;
}

/// Counts `n` events of a cell for the slot's owner. Task node and epoch are the slot's.
#[inline(always)]
pub fn tally(slot: &mut Slot, cell: Cell, n: u64, amount: u64) {
    let cell = cell
        .with_epoch(slot.epoch as u16)
        .with_task_node(slot.node as u16);
    let index = cell.lane();
    if slot.lanes[index].cell != cell {
        flush_lane(slot, index);
        slot.lanes[index].cell = cell;
    }
    slot.lanes[index].count += n;
    slot.lanes[index].amount += amount;
}

/// Sends all lanes of a slot into the totals.
#[inline(always)]
fn flush(slot: &mut Slot) {
    for index in 0..slot.lanes.len() {
        if !slot.lanes[index].cell.is_empty() {
            flush_lane(slot, index);
        }
    }
}

/// Sends one lane into the totals and as a run to the ring. Not inlined: it stands in for eight copies of itself.
#[inline(never)]
fn flush_lane(slot: &mut Slot, index: usize) {
    let index = index & (slot.lanes.len() - 1);
    let Lane {
        cell,
        count: events,
        amount,
    } = slot.lanes[index];
    if events == 0 {
        return;
    }
    // Whoever reads this slot from userspace must not count the lane twice: the flag is up while it is in both places.
    // SAFETY: plain stores to the slot; volatile keeps their order.
    unsafe { core::ptr::write_volatile(&raw mut slot.flushing, 1) };
    let key = TotalKey {
        start_ns: slot.start_ns,
        tid: slot.tid,
        tgid: slot.tgid,
        cell,
    };
    add_total(&key, events, amount);
    slot.lanes[index] = Lane {
        cell: Cell(0),
        count: 0,
        amount: 0,
    };
    slot.flushes += 1;
    // SAFETY: as above.
    unsafe { core::ptr::write_volatile(&raw mut slot.flushing, 0) };
    if enabled!(stream_runs) {
        emit(AllocRun {
            header: header::<AllocRun>(),
            start_ns: key.start_ns,
            tid: key.tid,
            tgid: key.tgid,
            cell,
            count: events,
            pages: amount,
        });
    }
}

/// Adds to an owner's total; to `[overflow]` when the map has no room; to the loss counter when not even that works.
#[inline(always)]
pub fn add_total(key: &TotalKey, events: u64, amount: u64) {
    if add_to(&TOTALS, key, events, amount) {
        return;
    }
    let nobody = TotalKey {
        start_ns: 0,
        tid: 0,
        tgid: OVERFLOW,
        cell: key.cell,
    };
    if add_to(&OVERFLOWED, &nobody, events, amount) {
        count(Counter::Overflowed, events);
    } else {
        count(Counter::LostTotals, events);
    }
}

#[inline(always)]
fn add_to(map: &HashMap<TotalKey, TotalValue>, key: &TotalKey, events: u64, amount: u64) -> bool {
    if add_existing(map, key, events, amount) {
        return true;
    }
    let value = TotalValue {
        count: events,
        amount,
    };
    // Another CPU may have inserted the key in between: then there is something to add to.
    map.insert(key, value, u64::from(BPF_NOEXIST)).is_ok() || add_existing(map, key, events, amount)
}

#[inline(always)]
fn add_existing(
    map: &HashMap<TotalKey, TotalValue>,
    key: &TotalKey,
    events: u64,
    amount: u64,
) -> bool {
    let Some(value) = map.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: userspace removes an entry only when no CPU can still add to its epoch, so the element is this key's.
    unsafe {
        add(&raw mut (*value).count, events);
        add(&raw mut (*value).amount, amount);
    }
    true
}

/// Atomic addition, the one atomic operation the BPF target offers on all kernels.
///
/// # Safety
/// `target` must point into a live map element, eight-byte aligned.
#[inline(always)]
pub unsafe fn add(target: *mut u64, n: u64) {
    // SAFETY: the caller's promise.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(target, n) };
}
