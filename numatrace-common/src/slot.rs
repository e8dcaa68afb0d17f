//! Per-CPU run slots: where events are counted before they reach the totals map.
//!
//! A slot belongs to one thread at a time. While the same thread goes on, an event costs a comparison and two additions;
//! when another thread comes, the epoch changes, or two count keys meet in one bin, the bin is *flushed* into the totals.
//! Userspace reads slots without stopping anybody, so a slot tells when a flush is under way and how many there were.

use bytemuck::{Pod, Zeroable};

use crate::{count_key::CountKey, event::mapping_run::Area, limits::BINS};

/// One coalesced count.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Bin {
    /// What is counted; empty when nothing is.
    pub count_key: CountKey,
    /// Events since the last flush.
    pub count: u64,
    /// What they add up to.
    pub amount: u64,
    /// Zero. It makes a bin 32 bytes long, so that a bin's offset is a shift and a mask, which every verifier follows.
    pub reserved: u64,
}

/// A per-CPU slot. What each event needs is on one line of the cache.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Slot {
    /// Address of the `task_struct` that owns the bins. Addresses are reused within milliseconds, so `task_start_ns` belongs to it.
    pub task: u64,
    /// Start time of that task, ns since boot.
    pub task_start_ns: u64,
    /// Epoch of the bins' counts.
    pub epoch: u64,
    /// Node of this CPU.
    pub node: u32,
    /// Not 0 while something is on its way: a bin into the totals, or a streak into a bin.
    pub flushing: u32,
    /// Address of the page last counted here. The policy hook, which runs right after, finds by it what it explains.
    pub last_page: u64,
    /// 1 when the page last counted came from the preferred node.
    pub last_hit: u32,
    /// 1 while a program works on this slot: another one that interrupts it must leave the slot alone.
    pub busy: u32,
    /// The owner as it is charged: start time, 0 for a pseudo owner.
    pub start_ns: u64,
    /// The owner's thread id.
    pub tid: u32,
    /// The owner's process id or a pseudo owner.
    pub tgid: u32,
    /// Flushes so far.
    pub flushes: u64,
    /// Address of this CPU's preempt count, 0 until looked up.
    pub preempt_count: u64,
    /// A remote allocation whose cause the policy hook may still give; it becomes a bin's count with the next event at the latest.
    pub pending: Bin,
    /// The counts.
    pub bins: [Bin; BINS],
}

const _: () = assert!(size_of::<Slot>() == 112 + 32 * BINS && size_of::<Bin>() == 32);

/// The [`TouchKind`](crate::count_key::TouchKind) in [`Fault::what`].
pub const FAULT_KIND: u64 = 0xff;

/// Where the marks begin in [`Fault::what`].
pub const FAULT_MARKS_SHIFT: u32 = 8;

/// Bit of [`Fault::what`]: there is a fault, and its end will be told.
pub const FAULT_KNOWN: u64 = 1 << 16;

/// Bit of [`Fault::what`]: it is a hinting fault. What it allocates are the new places of pages that were touched long ago.
pub const FAULT_MOVES: u64 = 1 << 17;

/// The page fault a CPU is in, as far as the allocation program needs it.
///
/// It is the fault of `task` as long as that task has not been switched out since: so nothing stale is ever taken for a fault. When it is
/// switched out in the middle, the fault is parked with its thread id until it goes on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Fault {
    /// Address of the faulting task, 0 when there is no fault.
    pub task: u64,
    /// Its context switches so far.
    pub switches: u64,
    /// What its pages are: in the lowest byte a [`crate::count key::TouchKind`], above it their marks, and bits beginning with [`FAULT_KNOWN`].
    /// 0 where only the address is known.
    pub what: u64,
    /// Where it happened; 0 when only the totals are wanted.
    pub address: u64,
    /// Address of a task: `what` holds for any fault of it in `area`, but for what the fault itself turns out to be; 0 when it does not.
    pub alike: u64,
    /// Not 0 when the open run of first touches is known to be this task's, and in `area` if that is known.
    pub in_run: u64,
    /// The mapping it happened in.
    pub area: Area,
}

const _: () = assert!(size_of::<Fault>() == 96);

/// Slots per CPU: two programs must never share one, because one can interrupt the other.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotIndex {
    /// `page_alloc` in interrupts: a busy network card must not flush the task under it. Tasks' allocations are in
    /// [`CpuState`](crate::cpu::CpuState).
    AllocIrq = 0,
    /// `alloc_policy`.
    Interleave = 1,
    /// `alloc_bulk`.
    AllocBulk = 2,
    /// First touches, counted by the allocation program.
    FirstTouch = 3,
    /// First touches from the hugetlb pool.
    TouchHugetlb = 4,
    /// `hint_fault`.
    HintFault = 5,
    /// `hint_fault`, of what was migrated.
    HintMigrated = 6,
    /// `task_run`, and as many more as there are [`RUN_SLOTS`].
    TaskRun = 7,
}

/// Slots of `task_run`, shared out by thread id: two threads that take turns on a CPU flush each other's counts in one and not in two.
pub const RUN_SLOTS: u32 = 4;

/// How many slots each CPU has.
pub const SLOTS: u32 = SlotIndex::TaskRun as u32 + RUN_SLOTS;

impl Slot {
    /// All counts of the slot, the pending one included. Empty bins are passed over.
    pub fn counts(&self) -> impl Iterator<Item = Bin> {
        self.bins
            .iter()
            .chain(core::iter::once(&self.pending))
            .filter(|bin| !bin.count_key.is_empty())
            .copied()
    }
}
