//! A sample of the memory that the kernel allocates for itself on behalf of a thread, with the
//! kernel stack that asked for it.

use bytemuck::{Pod, Zeroable};

use crate::{
    count_key::CountKey,
    header::{Header, Record},
    kind::Kind,
};

/// One allocation out of many.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct KernelAlloc {
    /// Time of the allocation.
    pub header: Header,
    /// Start time of the thread, ns since boot.
    pub start_ns: u64,
    /// Thread id in the initial PID namespace.
    pub tid: u32,
    /// Process id likewise.
    pub tgid: u32,
    /// Nodes of thread and page; its epoch is 0.
    pub count_key: CountKey,
    /// Base pages since the last sample on this CPU, this allocation's included: the sample stands
    /// for all of them.
    pub pages: u64,
    /// Number of the kernel stack in the stack map, negative when there is none.
    pub stack: i64,
}

const _: () = assert!(size_of::<KernelAlloc>() == 56);

impl Record for KernelAlloc {
    const KIND: Kind = Kind::KernelAlloc;
}
