//! The kernel killed a process because memory was short.

use bytemuck::{Pod, Zeroable};

use crate::{
    event::NodeSet,
    header::{Header, Record},
    kind::Kind,
    limits::COMM_LEN,
};

/// Zones whose free memory a record carries: the nearest ones, in the order in which the kernel
/// falls back. A node has one or two, the first one up to four.
pub const FREE_ZONES: usize = 32;

/// Limit that made memory short (`enum oom_constraint`, include/linux/oom.h, the same numbers on
/// all kernels).
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum OomConstraint {
    /// None: the machine is out of memory.
    None = 0,
    /// The cpuset's nodes are full.
    Cpuset = 1,
    /// The nodes of a memory policy are full.
    MemoryPolicy = 2,
    /// The memory limit of a cgroup.
    Memcg = 3,
}

impl OomConstraint {
    /// Every constraint, in the order of their numbers.
    pub const ALL: [OomConstraint; 4] = [
        OomConstraint::None,
        OomConstraint::Cpuset,
        OomConstraint::MemoryPolicy,
        OomConstraint::Memcg,
    ];
}

/// A value of [`OomContext::constraint`]: the hook that knows it is not in place.
pub const CONSTRAINT_UNKNOWN: u32 = u32::MAX;

/// Free memory of a zone.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct ZoneFree {
    /// Its node.
    pub node: u32,
    /// 1 when this entry says something, 0 behind the last one.
    pub known: u32,
    /// Free base pages.
    pub pages: u64,
}

/// The situation in which the kernel chooses a victim, from `struct oom_control`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct OomContext {
    /// An [`OomConstraint`], or [`CONSTRAINT_UNKNOWN`].
    pub constraint: u32,
    /// Order of the allocation that failed.
    pub order: u32,
    /// Its flags.
    pub gfp: u32,
    /// Node of the CPU that it was made on.
    pub cpu_node: u32,
    /// Nodes that the allocation may use; none where it may use all, or that is not known.
    pub nodes: NodeSet,
    /// Free memory at this moment, nearest zone first, of zones that the allocation may use by
    /// their kind; nothing known for a cgroup's limit.
    pub free: [ZoneFree; FREE_ZONES],
}

const _: () = assert!(size_of::<OomContext>() == 656);

/// A process is killed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct OomKill {
    /// When; its CPU is that of the allocating thread.
    pub header: Header,
    /// Start of the thread that is marked as the victim, ns since boot.
    pub start_ns: u64,
    /// That thread.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// Start of the thread whose allocation failed, ns since boot.
    pub asker_start_ns: u64,
    /// That thread.
    pub asker_tid: u32,
    /// Its process.
    pub asker_tgid: u32,
    /// Name of the victim.
    pub comm: [u8; COMM_LEN],
    /// Why memory was short.
    pub context: OomContext,
}

const _: () = assert!(size_of::<OomKill>() == 720);

impl Record for OomKill {
    const KIND: Kind = Kind::OomKill;
}
