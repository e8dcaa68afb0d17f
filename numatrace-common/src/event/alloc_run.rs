//! A run of page allocations: one thread, one CPU, one [`Cell`], counted until something of it changed.

use bytemuck::{Pod, Zeroable};

use crate::{
    cell::Cell,
    header::{Header, Record},
    kind::Kind,
};

/// Allocations that a per-CPU slot coalesced. The totals hold the same counts: a lost run loses detail, never a number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct AllocRun {
    /// Time of the end of the run.
    pub header: Header,
    /// Start time of the thread (`task_struct.start_boottime`, ns since boot).
    pub start_ns: u64,
    /// Thread id in the initial PID namespace, or one of [`crate::totals`]' pseudo owners.
    pub tid: u32,
    /// Process id likewise.
    pub tgid: u32,
    /// Nodes, class and cause shared by the run.
    pub cell: Cell,
    /// Allocations in the run.
    pub count: u64,
    /// Base pages in the run.
    pub pages: u64,
}

const _: () = assert!(size_of::<AllocRun>() == 56);

impl Record for AllocRun {
    const KIND: Kind = Kind::AllocRun;
}
