//! A thread was told where to run or where to put its memory.

use bytemuck::{Pod, Zeroable};

use crate::{
    header::{Header, Record},
    kind::Kind,
};

/// What was changed.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BindWhat {
    /// Its CPUs, by sched_setaffinity(2).
    Affinity = 0,
    /// Its memory policy, by set_mempolicy(2).
    MemoryPolicy = 1,
    /// The policy of a range of its memory, by mbind(2), without having pages moved that are there.
    RangePolicy = 2,
    /// Its CPUs, by a cpuset that changed or that it was put into.
    CpusetCpus = 3,
    /// The nodes it may use, likewise.
    CpusetMems = 4,
}

impl BindWhat {
    /// Every one, in the order of their numbers.
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
    /// When; its CPU is the caller's, who need not be the thread.
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
