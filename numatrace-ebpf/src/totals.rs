//! The counting lane: per-CPU slots, flushed into the totals map.

use core::{
    intrinsics::{AtomicOrdering, atomic_xadd},
    ptr::{read_volatile, write_volatile},
};

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated::bpf_get_numa_node_id, maps::HashMap};
use numatrace_common::{
    cell::Cell,
    control::Control,
    counters::Counter,
    event::alloc_run::AllocRun,
    limits::LANES,
    slot::{Lane, RUN_SLOTS, Slot, SlotIndex},
    totals::{OVERFLOW, TotalKey, TotalValue},
};

use crate::{
    emit::{count, emit, header},
    globals::enabled,
    kernel::task::Task,
    maps::{CONTROL_WORD, OVERFLOWED, SLOTS, TOTALS},
    owner::Owner,
    twin::Copy,
};

/// A lane without anything in it.
pub const EMPTY: Lane = Lane {
    cell: Cell(0),
    count: 0,
    amount: 0,
    reserved: 0,
};

/// The control word; zeros until userspace has set it up.
#[inline(always)]
pub fn control() -> Control {
    CONTROL_WORD.get(0).map_or(
        Control {
            epoch: 0,
            fold_epoch: 0,
            folds: 0,
            attached: 0,
            reduced: 0,
            reserved: 0,
        },
        |control| *control,
    )
}

/// This CPU's slot of an index.
#[inline(always)]
pub fn slot(index: SlotIndex) -> Option<&'static mut Slot> {
    slot_number(index as u32)
}

/// The slot in which a thread's time on this CPU is counted.
#[inline(always)]
pub fn run_slot(task: Task) -> Option<&'static mut Slot> {
    slot_number(SlotIndex::TaskRun as u32 + (task.tid() & (RUN_SLOTS - 1)))
}

#[inline(always)]
fn slot_number(number: u32) -> Option<&'static mut Slot> {
    SLOTS
        .get_ptr_mut(number)
        // SAFETY: a per-CPU array element lives as long as the program. A program never nests on one CPU (the kernel skips and counts
        // that); two programs that share a slot keep apart by its `busy` word.
        .map(|slot| unsafe { &mut *slot })
}

/// Takes a slot for this program. False when another program was interrupted at it: then it must be left alone.
#[inline(always)]
pub fn enter(slot: &mut Slot) -> bool {
    // SAFETY: plain accesses to the slot; volatile, because the word speaks to programs that interrupt this one.
    unsafe {
        if read_volatile(&raw const slot.busy) != 0 {
            return false;
        }
        write_volatile(&raw mut slot.busy, 1);
    }
    true
}

/// Gives a slot back.
#[inline(always)]
pub fn leave(slot: &mut Slot) {
    // SAFETY: as in `enter`.
    unsafe { write_volatile(&raw mut slot.busy, 0) };
}

/// Makes `task`, or the interrupts of this CPU, the owner of a slot, flushing what its last owner counted.
#[inline(always)]
pub fn own(slot: &mut Slot, task: Task, irq: bool) {
    let epoch = CONTROL_WORD.get(0).map_or(0, |control| control.epoch);
    // Interrupts are one owner, whatever task they interrupt. No task lies at address 1.
    let (address, start) = if irq {
        (1, 0)
    } else {
        (task.address(), task.start_ns())
    };
    if slot.task == address && slot.task_start_ns == start && slot.epoch == epoch {
        return;
    }
    let owner = if irq { Owner::IRQ } else { Owner::of(task) };
    // Everybody out of scope is one owner: their counts go on in the same lanes.
    let same = slot.task != 0
        && slot.tgid == owner.tgid
        && slot.tid == owner.tid
        && slot.start_ns == owner.start_ns;
    if !same || slot.epoch != epoch {
        flush(slot);
    }
    slot.task = address;
    slot.task_start_ns = start;
    slot.epoch = epoch;
    slot.start_ns = owner.start_ns;
    slot.tid = owner.tid;
    slot.tgid = owner.tgid;
    slot.node = cpu_node();
}

/// Node of this CPU.
#[inline(always)]
pub fn cpu_node() -> u32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_numa_node_id() as u32 }
}

/// Counts `n` events of a cell for the slot's owner. Task node and epoch are the slot's.
#[inline(always)]
pub fn tally(slot: &mut Slot, cell: Cell, n: u64, amount: u64) {
    let cell = placed(slot, cell);
    let index = cell.lane();
    if lane(slot, index).cell != cell {
        flush_lane(slot, index);
        lane(slot, index).cell = cell;
    }
    let lane = lane(slot, index);
    lane.count += n;
    lane.amount += amount;
}

/// A lane by number. The mask stands right before the addition and the compiler must not move it: the verifiers of older kernels forget
/// what they knew of an index once it has been on the stack.
#[inline(always)]
fn lane(slot: &mut Slot, index: usize) -> &mut Lane {
    let offset = core::hint::black_box(index) & (LANES - 1);
    // SAFETY: below LANES after the mask.
    unsafe { slot.lanes.get_unchecked_mut(offset) }
}

/// The cell with the slot's epoch and node.
#[inline(always)]
pub fn placed(slot: &Slot, cell: Cell) -> Cell {
    cell.with_epoch(slot.epoch as u16)
        .with_task_node(slot.node as u16)
}

/// Counts an event without a slot: for the rare moment at which the slot belongs to a program that was interrupted. Returns who was
/// charged.
#[inline(always)]
pub fn tally_directly(task: Task, irq: bool, cell: Cell, n: u64, amount: u64) -> Owner {
    let owner = if irq { Owner::IRQ } else { Owner::of(task) };
    let key = TotalKey {
        start_ns: owner.start_ns,
        tid: owner.tid,
        tgid: owner.tgid,
        cell: cell
            .with_epoch(control().epoch as u16)
            .with_task_node(cpu_node() as u16),
    };
    add_total(&key, n, amount);
    owner
}

/// Counts `n` events of a task in a slot that one program alone uses, or past it. Returns who was charged.
#[inline(always)]
pub fn tally_in(
    copy: Copy,
    index: SlotIndex,
    task: Task,
    cell: Cell,
    n: u64,
    amount: u64,
) -> Owner {
    match copy {
        Copy::First => {
            let Some(slot) = slot(index) else {
                return Owner::NOBODY;
            };
            own(slot, task, false);
            tally(slot, cell, n, amount);
            Owner {
                start_ns: slot.start_ns,
                tid: slot.tid,
                tgid: slot.tgid,
            }
        }
        Copy::Second => tally_directly(task, false, cell, n, amount),
    }
}

/// Counts the pending allocation with the cause it has so far.
#[inline(always)]
pub fn settle(slot: &mut Slot) {
    let Lane {
        cell,
        count,
        amount,
        ..
    } = slot.pending;
    if !cell.is_empty() {
        slot.pending = EMPTY;
        tally(slot, cell, count, amount);
    }
}

/// Sends everything a slot holds into the totals.
#[inline(always)]
fn flush(slot: &mut Slot) {
    settle(slot);
    for index in 0..LANES {
        if !slot.lanes[index].cell.is_empty() {
            flush_lane(slot, index);
        }
    }
}

/// Sends one lane into the totals and as a run to the ring. Not inlined: it stands in for eight copies of itself.
#[inline(never)]
fn flush_lane(slot: &mut Slot, index: usize) {
    let Lane {
        cell,
        count: events,
        amount,
        ..
    } = *lane(slot, index);
    if events == 0 {
        return;
    }
    // Whoever reads this slot from userspace must not count the lane twice: the flag is up while it is in both places.
    // SAFETY: plain stores to the slot; volatile keeps their order.
    unsafe { write_volatile(&raw mut slot.flushing, 1) };
    let key = TotalKey {
        start_ns: slot.start_ns,
        tid: slot.tid,
        tgid: slot.tgid,
        cell,
    };
    add_total(&key, events, amount);
    *lane(slot, index) = EMPTY;
    slot.flushes += 1;
    // SAFETY: as above.
    unsafe { write_volatile(&raw mut slot.flushing, 0) };
    if enabled!(stream_runs) && cell.stem() == numatrace_common::cell::Stem::PageAlloc as u8 {
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
