//! Totals: the count of each [`CountKey`] for each thread.

use bytemuck::{Pod, Zeroable};

use crate::count_key::CountKey;

/// Key of the totals map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct TotalKey {
    /// Start time of the thread, ns since boot; 0 for a pseudo owner.
    pub start_ns: u64,
    /// Thread id in the initial PID namespace; 0 for a pseudo owner.
    pub tid: u32,
    /// Process id, or [`IRQ`], [`OUT_OF_SCOPE`], [`OVERFLOW`], [`NO_OWNER`].
    pub tgid: u32,
    /// Key of the events.
    pub count_key: CountKey,
}

/// Value of the totals map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct TotalValue {
    /// Events.
    pub count: u64,
    /// Sum of their amounts, in the unit that [`Stem`](crate::count_key::Stem) states (pages, ns,
    /// entries).
    pub amount: u64,
}

/// `tgid` of allocations in interrupts: the number of the idle task, which never allocates in task
/// context.
pub const IRQ: u32 = 0;
/// `tgid` of everything outside a session's scope. Linux pids end at 2^22.
pub const OUT_OF_SCOPE: u32 = u32::MAX;
/// `tgid` of counts for which the totals map had no room.
pub const OVERFLOW: u32 = u32::MAX - 1;
/// `tgid` of memory that no process has mapped (page cache), or whose process the kernel does not
/// name.
pub const NO_OWNER: u32 = u32::MAX - 2;

const _: () = assert!(size_of::<TotalKey>() == 24 && size_of::<TotalValue>() == 16);
