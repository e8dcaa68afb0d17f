//! Changes of where a thread may run or where its memory goes.

use bytemuck::{Pod, Zeroable};

use crate::{
    header::{Header, Record},
    kind::Kind,
};

/// Property that was changed.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BindWhat {
    /// The thread's CPUs, by sched_setaffinity(2).
    Affinity = 0,
    /// The thread's memory policy, by set_mempolicy(2).
    MemoryPolicy = 1,
    /// The policy of a range of the process's memory, by mbind(2) without moving the pages that are
    /// there.
    RangePolicy = 2,
    /// The thread's CPUs, by a cpuset that changed or that it was put into.
    CpusetCpus = 3,
    /// The nodes that the thread may use, likewise.
    CpusetMems = 4,
}

impl BindWhat {
    /// Every property, in the order of their numbers.
    pub const ALL: [BindWhat; 5] = [
        BindWhat::Affinity,
        BindWhat::MemoryPolicy,
        BindWhat::RangePolicy,
        BindWhat::CpusetCpus,
        BindWhat::CpusetMems,
    ];
}

/// A change that succeeded.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct TaskBind {
    /// Time of the change; its CPU is the caller's, who need not be the thread.
    pub header: Header,
    /// Start time of the thread, ns since boot.
    pub start_ns: u64,
    /// The thread.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// A [`BindWhat`].
    pub what: u32,
    /// Zero.
    pub reserved: u32,
    /// First address of the range, 0 when all of its memory is meant.
    pub low: u64,
    /// First address behind it, or 0.
    pub high: u64,
}

const _: () = assert!(size_of::<TaskBind>() == 56);

impl Record for TaskBind {
    const KIND: Kind = Kind::TaskBind;
}
