//! Per-CPU slots: they count events on the way to the totals map.
//!
//! A slot belongs to one thread at a time. While the same thread continues, an event costs a
//! comparison and two additions. A different thread, a new epoch, or a second count key in one bin
//! *flushes* the bin into the totals. Userspace reads slots without stopping anybody, so a slot
//! says whether a flush is under way and how many there were.

use bytemuck::{Pod, Zeroable};

use crate::{count_key::CountKey, event::mapping_run::Area, limits::BINS};

/// One coalesced count.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Bin {
    /// Key of the events; empty when the bin is.
    pub count_key: CountKey,
    /// Events since the last flush.
    pub count: u64,
    /// Sum of their amounts.
    pub amount: u64,
    /// Zero. This field makes a bin 32 bytes long, so that a bin's offset is a shift and a mask,
    /// which every verifier follows.
    pub reserved: u64,
}

/// A per-CPU slot. The words that each event needs are on one cache line.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Slot {
    /// Address of the `task_struct` that holds the slot. Addresses are reused within milliseconds,
    /// so `task_start_ns` belongs to it.
    pub task: u64,
    /// Start time of that task, ns since boot.
    pub task_start_ns: u64,
    /// Epoch of the bins' counts.
    pub epoch: u64,
    /// Node of this CPU.
    pub node: u32,
    /// Not 0 while a count is in two places: a bin and the totals, or a streak and a bin.
    pub flushing: u32,
    /// Address of the page last counted here. The policy hook, which runs right after, finds by it
    /// the allocation that it explains.
    pub last_page: u64,
    /// 1 when the page last counted came from the preferred node.
    pub last_hit: u32,
    /// 1 while a program works on this slot: a program that interrupts it must leave the slot
    /// alone.
    pub busy: u32,
    /// Start time of the owner who is charged, 0 for a pseudo owner.
    pub start_ns: u64,
    /// The owner's thread id.
    pub tid: u32,
    /// The owner's process id or a pseudo owner.
    pub tgid: u32,
    /// Flushes so far.
    pub flushes: u64,
    /// Address of this CPU's preempt count, 0 until looked up.
    pub preempt_count: u64,
    /// A remote allocation whose cause the policy hook may still name. The next event at the latest
    /// moves it into a bin.
    pub pending: Bin,
    /// The counts.
    pub bins: [Bin; BINS],
}

const _: () = assert!(size_of::<Slot>() == 112 + 32 * BINS && size_of::<Bin>() == 32);

/// Bits of [`Fault::page_kind`] that hold a [`TouchKind`](crate::count_key::TouchKind).
pub const FAULT_KIND: u64 = 0xff;

/// Position of the marks ([`TOUCH_COW`](crate::count_key::TOUCH_COW)) in [`Fault::page_kind`].
pub const FAULT_MARKS_SHIFT: u32 = 8;

/// Bit of [`Fault::page_kind`]: there is a fault, and a hook at its end.
pub const FAULT_KNOWN: u64 = 1 << 16;

/// Bit of [`Fault::page_kind`]: it is a hinting fault. The pages it allocates are new places of
/// pages that were touched long ago, so they are no first touches.
pub const FAULT_HINTING: u64 = 1 << 17;

/// Bit of [`Fault::page_kind`]: the memory is of a different process than the task that faults
/// (process_vm_writev(2), ptrace(2), a worker of the kernel). Its pages are first touches of that
/// process.
pub const FAULT_OF_OTHER: u64 = 1 << 18;

/// The page fault that a CPU is in, as far as the allocation program needs it.
///
/// The entry is the fault of `task` as long as that task has not been switched out since; so a
/// stale entry is never taken for a fault. When the task is switched out in the middle, the fault
/// is parked under its thread id until the task continues.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Fault {
    /// Address of the faulting task, 0 when there is no fault.
    pub task: u64,
    /// Its context switches so far.
    pub switches: u64,
    /// Kind of the pages that the fault allocates: [`FAULT_KIND`], marks from [`FAULT_MARKS_SHIFT`]
    /// on, and bits beginning with [`FAULT_KNOWN`]. 0 where only the address is known.
    pub page_kind: u64,
    /// Address of the fault; 0 when only the totals are wanted.
    pub address: u64,
    /// Address of a task whose faults in `area` all have this `page_kind`, apart from the bits that
    /// a fault acquires on its way; 0 when there is none.
    pub kind_holds_for: u64,
    /// Not 0 when the open run of first touches is known to be this task's, and to lie in `area` if
    /// that is known.
    pub in_run: u64,
    /// The first page that the fault allocated: its address, and its order in the bits that are 0
    /// in addresses of a `struct page`. 0 when there is none.
    pub page: u64,
    /// Key of the first touch as which that page is counted.
    pub touch_key: CountKey,
    /// Cause that the open run counted it by: the number of a
    /// [`RemoteCause`](crate::count_key::RemoteCause), 0 for none.
    pub cause: u64,
    /// Start of the thread that the memory is charged to, ns since boot. This field and the next
    /// two are written with [`FAULT_OF_OTHER`] only.
    pub owner_start_ns: u64,
    /// Its thread id.
    pub owner_tid: u32,
    /// Its process id or a pseudo owner.
    pub owner_tgid: u32,
    /// Mapping that the fault is in.
    pub area: Area,
}

const _: () = assert!(size_of::<Fault>() == 136);

/// Slots of a CPU, one for each program that counts: two programs must never share one, because one
/// can interrupt the other.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotIndex {
    /// `page_alloc` in interrupts: a busy network card must not flush the counts of the task it
    /// interrupts. Allocations of tasks are in [`CpuState`](crate::cpu::CpuState).
    AllocIrq = 0,
    /// `alloc_policy`.
    Interleave = 1,
    /// `alloc_bulk`.
    AllocBulk = 2,
    /// First touches, counted by the allocation program.
    FirstTouch = 3,
    /// First touches from the hugetlb pool.
    TouchHugetlb = 4,
    /// `hint_fault`, hinting faults.
    HintFault = 5,
    /// `hint_fault`, pages that hinting faults migrated.
    HintMigrated = 6,
    /// `task_run`, the first of [`RUN_SLOTS`].
    TaskRun = 7,
}

/// Slots of `task_run`, chosen by thread id: of two threads that alternate on a CPU, each usually
/// has a slot of its own, and neither flushes the other's counts.
pub const RUN_SLOTS: u32 = 4;

/// Number of slots of each CPU.
pub const SLOTS: u32 = SlotIndex::TaskRun as u32 + RUN_SLOTS;

impl Slot {
    /// Returns all counts of the slot, the pending one included, without empty bins.
    pub fn counts(&self) -> impl Iterator<Item = Bin> {
        self.bins
            .iter()
            .chain(core::iter::once(&self.pending))
            .filter(|bin| !bin.count_key.is_empty())
            .copied()
    }
}
