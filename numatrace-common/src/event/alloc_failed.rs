//! A page allocation that failed for good, which the kernel warns of in its log.

use bytemuck::{Pod, Zeroable};

use crate::{
    event::NodeSet,
    header::{Header, Record},
    kind::Kind,
};

/// An allocation failed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct AllocFailed {
    /// When and on which CPU.
    pub header: Header,
    /// Start of the thread, ns since boot; 0 with an interrupt.
    pub start_ns: u64,
    /// The thread.
    pub tid: u32,
    /// Its process, or a pseudo owner.
    pub tgid: u32,
    /// Node of the CPU.
    pub cpu_node: u32,
    /// Zero.
    pub reserved: u32,
    /// Nodes of the thread's cpuset.
    pub allowed: NodeSet,
    /// The kernel stack by its number, or a negative error number.
    pub stack: i64,
}

const _: () = assert!(size_of::<AllocFailed>() == 176);

impl Record for AllocFailed {
    const KIND: Kind = Kind::AllocFailed;
}
