//! Slots: per-CPU bins that coalesce counts on their way into the totals map.

use core::ptr::{read_volatile, write_volatile};

use numatrace_common::{
    count_key::CountKey,
    limits::BINS,
    slot::{Bin, RUN_SLOTS, Slot, SlotIndex},
    totals::TotalKey,
};

use super::{totals, twin::Role};
use crate::{control, cpu, kernel::task::Task, maps::SLOTS, who::owner::Owner};

/// An empty bin.
pub const EMPTY: Bin = Bin {
    count_key: CountKey::EMPTY,
    count: 0,
    amount: 0,
    reserved: 0,
};

/// [`Slot::task`] of interrupts. They are one holder, and no task lies at this address.
const INTERRUPTS: u64 = 1;

/// Returns this CPU's slot of an index.
#[inline(always)]
pub fn get(index: SlotIndex) -> Option<&'static mut Slot> {
    get_by_number(index as u32)
}

/// Returns the slot that counts a thread's CPU time on this CPU.
#[inline(always)]
pub fn of_run_time(task: Task) -> Option<&'static mut Slot> {
    get_by_number(SlotIndex::TaskRun as u32 + (task.tid() & (RUN_SLOTS - 1)))
}

#[inline(always)]
fn get_by_number(number: u32) -> Option<&'static mut Slot> {
    SLOTS
        .get_ptr_mut(number)
        // SAFETY: a per-CPU array element lives as long as the program. A program never nests on
        // one CPU (the kernel skips and counts that); two programs that share a slot keep apart by
        // its `busy` word.
        .map(|slot| unsafe { &mut *slot })
}

/// Enters a slot that programs share. Returns false when this program interrupted another one in
/// it: then it must leave the slot alone.
#[inline(always)]
pub fn enter(slot: &mut Slot) -> bool {
    // SAFETY: plain accesses to the slot; volatile, because programs that interrupt this one read
    // the word.
    unsafe {
        if read_volatile(&raw const slot.busy) != 0 {
            return false;
        }
        write_volatile(&raw mut slot.busy, 1);
    }
    true
}

/// Leaves a slot that was entered.
#[inline(always)]
pub fn leave(slot: &mut Slot) {
    // SAFETY: as in `enter`.
    unsafe { write_volatile(&raw mut slot.busy, 0) };
}

/// A holder of slots: a task, or the interrupts of a CPU, in an epoch.
pub struct Holder {
    /// Address of the task, or [`INTERRUPTS`].
    task: u64,
    /// Start of the task, ns since boot.
    task_start_ns: u64,
    /// Epoch of its counts.
    epoch: u64,
    /// The owner who is charged.
    owner: Owner,
}

impl Holder {
    /// Returns a task in an epoch as a holder. Looks its scope up.
    #[inline(always)]
    pub fn of_task(task: Task, epoch: u64) -> Self {
        Self {
            task: task.address(),
            task_start_ns: task.start_ns(),
            epoch,
            owner: Owner::of(task),
        }
    }

    #[inline(always)]
    fn of_interrupts(epoch: u64) -> Self {
        Self {
            task: INTERRUPTS,
            task_start_ns: 0,
            epoch,
            owner: Owner::IRQ,
        }
    }

    #[inline(always)]
    fn of_slot(slot: &Slot) -> Self {
        Self {
            task: slot.task,
            task_start_ns: slot.task_start_ns,
            epoch: slot.epoch,
            owner: owner(slot),
        }
    }

    /// Returns whether the slot must be flushed before this holder counts in it. Holders with one
    /// owner in one epoch share bins: so do all tasks out of scope.
    #[inline(always)]
    pub fn needs_flush(&self, slot: &Slot) -> bool {
        slot.task == 0
            || slot.tgid != self.owner.tgid
            || slot.tid != self.owner.tid
            || slot.start_ns != self.owner.start_ns
            || slot.epoch != self.epoch
    }

    /// Writes this holder into a slot, which has been flushed if it had to be.
    #[inline(always)]
    pub fn write_to(&self, slot: &mut Slot) {
        slot.task = self.task;
        slot.task_start_ns = self.task_start_ns;
        slot.epoch = self.epoch;
        slot.start_ns = self.owner.start_ns;
        slot.tid = self.owner.tid;
        slot.tgid = self.owner.tgid;
        slot.node = cpu::node();
    }
}

/// Gives a slot to `task`, or to the interrupts of this CPU, and flushes the counts of its last
/// holder where needed.
#[inline(always)]
pub fn assign(slot: &mut Slot, task: Task, irq: bool) {
    let epoch = control::epoch();
    if irq {
        if slot.task != INTERRUPTS || slot.epoch != epoch {
            assign_to(slot, &Holder::of_interrupts(epoch));
        }
    } else if !is_held_by(slot, task, epoch) {
        assign_to(slot, &Holder::of_task(task, epoch));
    }
}

/// Gives a slot to the holder of another slot of this CPU, and flushes the counts of its last
/// holder where needed.
#[inline(always)]
pub fn assign_like(slot: &mut Slot, other: &Slot) {
    if slot.task == other.task
        && slot.task_start_ns == other.task_start_ns
        && slot.epoch == other.epoch
    {
        return;
    }
    assign_to(slot, &Holder::of_slot(other));
}

#[inline(always)]
fn assign_to(slot: &mut Slot, holder: &Holder) {
    if holder.needs_flush(slot) {
        flush(slot);
    }
    holder.write_to(slot);
}

/// Returns whether the task holds the slot in this epoch.
#[inline(always)]
pub fn is_held_by(slot: &Slot, task: Task, epoch: u64) -> bool {
    slot.task == task.address() && slot.task_start_ns == task.start_ns() && slot.epoch == epoch
}

/// Returns the owner who is charged for the counts of a slot.
#[inline(always)]
pub fn owner(slot: &Slot) -> Owner {
    Owner {
        start_ns: slot.start_ns,
        tid: slot.tid,
        tgid: slot.tgid,
    }
}

/// Counts `n` events of a key for the slot's owner, on the slot's node and in its epoch.
#[inline(always)]
pub fn tally(slot: &mut Slot, count_key: CountKey, n: u64, amount: u64) {
    let count_key = key_in(slot, count_key);
    let index = count_key.bin();
    if bin(slot, index).count_key != count_key {
        flush_bin(slot, index);
        bin(slot, index).count_key = count_key;
    }
    let bin = bin(slot, index);
    bin.count += n;
    bin.amount += amount;
}

/// Returns a bin by number.
///
/// The mask stands right before the addition and the compiler must not move it: the verifiers of
/// older kernels forget the bounds of an index once it has been on the stack.
#[inline(always)]
fn bin(slot: &mut Slot, index: usize) -> &mut Bin {
    let offset = core::hint::black_box(index) & (BINS - 1);
    // SAFETY: below BINS after the mask.
    unsafe { slot.bins.get_unchecked_mut(offset) }
}

/// Returns a key with the slot's epoch and node.
#[inline(always)]
pub fn key_in(slot: &Slot, count_key: CountKey) -> CountKey {
    count_key
        .with_epoch(slot.epoch as u16)
        .with_task_node(slot.node as u16)
}

/// Counts `n` events straight into the totals, and returns the owner who was charged: for the rare
/// moment at which the slot belongs to a program that was interrupted.
#[inline(always)]
pub fn count_without_slot(
    task: Task,
    irq: bool,
    count_key: CountKey,
    n: u64,
    amount: u64,
) -> Owner {
    let owner = if irq { Owner::IRQ } else { Owner::of(task) };
    let mut key = TotalKey {
        start_ns: owner.start_ns,
        tid: owner.tid,
        tgid: owner.tgid,
        count_key: count_key
            .with_epoch(control::epoch() as u16)
            .with_task_node(cpu::node() as u16),
    };
    totals::add(&mut key, n, amount);
    owner
}

/// Counts `n` events of a task, and returns the owner who was charged: the primary copy counts in
/// the slot, which no other program uses, the backup copy past it.
#[inline(always)]
pub fn count_as(
    role: Role,
    index: SlotIndex,
    task: Task,
    count_key: CountKey,
    n: u64,
    amount: u64,
) -> Owner {
    match role {
        Role::Primary => {
            let Some(slot) = get(index) else {
                return Owner::NOBODY;
            };
            assign(slot, task, false);
            tally(slot, count_key, n, amount);
            owner(slot)
        }
        Role::Backup => count_without_slot(task, false, count_key, n, amount),
    }
}

/// Moves the pending allocation into its bin, with the cause that it has so far.
#[inline(always)]
pub fn tally_pending(slot: &mut Slot) {
    let Bin {
        count_key,
        count,
        amount,
        ..
    } = slot.pending;
    if !count_key.is_empty() {
        slot.pending = EMPTY;
        tally(slot, count_key, count, amount);
    }
}

/// Moves all counts of a slot into the totals.
#[inline(always)]
pub fn flush(slot: &mut Slot) {
    tally_pending(slot);
    for index in 0..BINS {
        if !slot.bins[index].count_key.is_empty() {
            flush_bin(slot, index);
        }
    }
}

/// Moves the count of one bin into the totals.
///
/// Not inlined: it stands in for eight copies of itself.
#[inline(never)]
fn flush_bin(slot: &mut Slot, index: usize) {
    let Bin {
        count_key,
        count,
        amount,
        ..
    } = *bin(slot, index);
    if count == 0 {
        return;
    }
    begin_flush(slot);
    let mut key = TotalKey {
        start_ns: slot.start_ns,
        tid: slot.tid,
        tgid: slot.tgid,
        count_key,
    };
    totals::add(&mut key, count, amount);
    *bin(slot, index) = EMPTY;
    slot.flushes += 1;
    end_flush(slot);
}

/// Says that from here on a count is in two places, so that userspace, which reads slots at any
/// time, does not count it twice.
#[inline(always)]
pub fn begin_flush(slot: &mut Slot) {
    change_flushing(slot, 1);
}

/// Says that the count is in one place again.
#[inline(always)]
pub fn end_flush(slot: &mut Slot) {
    change_flushing(slot, u32::MAX);
}

#[inline(always)]
fn change_flushing(slot: &mut Slot, by: u32) {
    let flushing = &raw mut slot.flushing;
    // SAFETY: plain accesses to the slot; volatile keeps their order among the others.
    unsafe { write_volatile(flushing, read_volatile(flushing).wrapping_add(by)) };
}
