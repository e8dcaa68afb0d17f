//! The counting bin: per-CPU slots, flushed into the totals map.

use core::ptr::{read_volatile, write_volatile};

use numatrace_common::{
    count_key::CountKey,
    limits::BINS,
    slot::{Bin, RUN_SLOTS, Slot, SlotIndex},
    totals::TotalKey,
};

use super::{totals, twin::Copy};
use crate::{control, cpu, kernel::task::Task, maps::SLOTS, who::owner::Owner};

/// A bin without anything in it.
pub const EMPTY: Bin = Bin {
    count_key: CountKey(0),
    count: 0,
    amount: 0,
    reserved: 0,
};

/// This CPU's slot of an index.
#[inline(always)]
pub fn get(index: SlotIndex) -> Option<&'static mut Slot> {
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

/// Whose a slot is.
pub struct Holder {
    /// Address of the task. Interrupts are one owner, whatever task they interrupt: no task lies at address 1.
    pub task: u64,
    /// Its start, ns since boot.
    pub task_start_ns: u64,
    /// The epoch it counts in.
    pub epoch: u64,
    /// Who is charged.
    pub owner: Owner,
}

impl Holder {
    /// A task, in an epoch. Looks its scope up.
    #[inline(always)]
    pub fn task(task: Task, epoch: u64) -> Self {
        Self {
            task: task.address(),
            task_start_ns: task.start_ns(),
            epoch,
            owner: Owner::of(task),
        }
    }

    /// The interrupts of this CPU.
    #[inline(always)]
    fn interrupts(epoch: u64) -> Self {
        Self {
            task: 1,
            task_start_ns: 0,
            epoch,
            owner: Owner::IRQ,
        }
    }

    /// Must what the slot has counted go before this one counts in it? Everybody out of scope is one owner: their counts go on in the same bins.
    #[inline(always)]
    pub fn is_other(&self, slot: &Slot) -> bool {
        slot.task == 0
            || slot.tgid != self.owner.tgid
            || slot.tid != self.owner.tid
            || slot.start_ns != self.owner.start_ns
            || slot.epoch != self.epoch
    }

    /// Takes the slot, which has been flushed if it had to be.
    #[inline(always)]
    pub fn take(&self, slot: &mut Slot) {
        slot.task = self.task;
        slot.task_start_ns = self.task_start_ns;
        slot.epoch = self.epoch;
        slot.start_ns = self.owner.start_ns;
        slot.tid = self.owner.tid;
        slot.tgid = self.owner.tgid;
        slot.node = cpu::node();
    }
}

/// Makes `task`, or the interrupts of this CPU, the owner of a slot, flushing what its last owner counted.
#[inline(always)]
pub fn own(slot: &mut Slot, task: Task, irq: bool) {
    let epoch = control::epoch();
    if irq {
        if slot.task != 1 || slot.epoch != epoch {
            hand_over(slot, &Holder::interrupts(epoch));
        }
    } else if !is_held(slot, task, epoch) {
        hand_over(slot, &Holder::task(task, epoch));
    }
}

/// Has the task counted in this slot last, in this epoch?
#[inline(always)]
pub fn is_held(slot: &Slot, task: Task, epoch: u64) -> bool {
    slot.task == task.address() && slot.task_start_ns == task.start_ns() && slot.epoch == epoch
}

/// Makes the holder of one slot that of another, flushing what its last owner counted.
#[inline(always)]
pub fn own_alike(slot: &mut Slot, other: &Slot) {
    if slot.task == other.task
        && slot.task_start_ns == other.task_start_ns
        && slot.epoch == other.epoch
    {
        return;
    }
    if slot.tgid != other.tgid
        || slot.tid != other.tid
        || slot.start_ns != other.start_ns
        || slot.epoch != other.epoch
    {
        flush(slot);
    }
    slot.task = other.task;
    slot.task_start_ns = other.task_start_ns;
    slot.epoch = other.epoch;
    slot.start_ns = other.start_ns;
    slot.tid = other.tid;
    slot.tgid = other.tgid;
    slot.node = other.node;
}

/// Who is charged for what a slot counts.
#[inline(always)]
pub fn owner(slot: &Slot) -> Owner {
    Owner {
        start_ns: slot.start_ns,
        tid: slot.tid,
        tgid: slot.tgid,
    }
}

#[inline(always)]
fn hand_over(slot: &mut Slot, holder: &Holder) {
    if holder.is_other(slot) {
        flush(slot);
    }
    holder.take(slot);
}

/// Counts `n` events of a count key for the slot's owner. Task node and epoch are the slot's.
#[inline(always)]
pub fn tally(slot: &mut Slot, count_key: CountKey, n: u64, amount: u64) {
    let count_key = placed(slot, count_key);
    let index = count_key.bin();
    if bin(slot, index).count_key != count_key {
        flush_bin(slot, index);
        bin(slot, index).count_key = count_key;
    }
    let bin = bin(slot, index);
    bin.count += n;
    bin.amount += amount;
}

/// A bin by number. The mask stands right before the addition and the compiler must not move it: the verifiers of older kernels forget
/// what they knew of an index once it has been on the stack.
#[inline(always)]
fn bin(slot: &mut Slot, index: usize) -> &mut Bin {
    let offset = core::hint::black_box(index) & (BINS - 1);
    // SAFETY: below LANES after the mask.
    unsafe { slot.bins.get_unchecked_mut(offset) }
}

/// The count key with the slot's epoch and node.
#[inline(always)]
pub fn placed(slot: &Slot, count_key: CountKey) -> CountKey {
    count_key
        .with_epoch(slot.epoch as u16)
        .with_task_node(slot.node as u16)
}

/// Counts an event without a slot: for the rare moment at which the slot belongs to a program that was interrupted. Returns who was
/// charged.
#[inline(always)]
pub fn tally_directly(task: Task, irq: bool, count_key: CountKey, n: u64, amount: u64) -> Owner {
    let owner = if irq { Owner::IRQ } else { Owner::of(task) };
    let mut key = TotalKey {
        start_ns: owner.start_ns,
        tid: owner.tid,
        tgid: owner.tgid,
        count_key: count_key
            .with_epoch(control::epoch() as u16)
            .with_task_node(cpu::node() as u16),
    };
    totals::add_total(&mut key, n, amount);
    owner
}

/// Counts `n` events of a task in a slot that one program alone uses, or past it. Returns who was charged.
#[inline(always)]
pub fn tally_in(
    copy: Copy,
    index: SlotIndex,
    task: Task,
    count_key: CountKey,
    n: u64,
    amount: u64,
) -> Owner {
    match copy {
        Copy::First => {
            let Some(slot) = get(index) else {
                return Owner::NOBODY;
            };
            own(slot, task, false);
            tally(slot, count_key, n, amount);
            owner(slot)
        }
        Copy::Second => tally_directly(task, false, count_key, n, amount),
    }
}

/// Counts the pending allocation with the cause it has so far.
#[inline(always)]
pub fn settle(slot: &mut Slot) {
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

/// Sends everything a slot holds into the totals.
#[inline(always)]
pub fn flush(slot: &mut Slot) {
    settle(slot);
    for index in 0..BINS {
        if !slot.bins[index].count_key.is_empty() {
            flush_bin(slot, index);
        }
    }
}

/// Sends one bin into the totals. Not inlined: it stands in for eight copies of itself.
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
    on_the_way(slot, 1);
    let mut key = TotalKey {
        start_ns: slot.start_ns,
        tid: slot.tid,
        tgid: slot.tgid,
        count_key,
    };
    totals::add_total(&mut key, count, amount);
    *bin(slot, index) = EMPTY;
    slot.flushes += 1;
    on_the_way(slot, u32::MAX);
}

/// Something is in two places from here on (1), or in one again (`u32::MAX`): whoever reads the slot from userspace must not count it twice.
#[inline(always)]
pub fn on_the_way(slot: &mut Slot, by: u32) {
    let flushing = &raw mut slot.flushing;
    // SAFETY: plain accesses to the slot; volatile keeps their order among the others.
    unsafe { write_volatile(flushing, read_volatile(flushing).wrapping_add(by)) };
}
