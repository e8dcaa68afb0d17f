//! A page that a hugetlb pool could not give.

use bytemuck::{Pod, Zeroable};

use crate::{
    event::NodeSet,
    header::{Header, Record},
    kind::Kind,
};

/// Request that the pool turned down.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum HugetlbRequest {
    /// A page, for a fault: the process gets SIGBUS unless the fault can be solved otherwise.
    Fault = 0,
    /// A reservation, by mmap(2) or shmget(2), which fail with ENOMEM.
    Reserve = 1,
    /// A page for a caller in the kernel: fallocate(2), userfaultfd(2), a device.
    Kernel = 2,
}

impl HugetlbRequest {
    /// Every request, in the order of their numbers.
    pub const ALL: [HugetlbRequest; 3] = [
        HugetlbRequest::Fault,
        HugetlbRequest::Reserve,
        HugetlbRequest::Kernel,
    ];
}

/// Huge pages by node, up to number 63 (two halves, because `Default` ends at arrays of 32).
pub type PoolPages = [[u32; 32]; 2];

/// A request failed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct HugetlbFailed {
    /// When and on which CPU.
    pub header: Header,
    /// Start of the thread, ns since boot.
    pub start_ns: u64,
    /// The thread.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// Address that faulted; 0 for a reservation.
    pub address: u64,
    /// A [`HugetlbRequest`].
    pub request: u32,
    /// Error number, positive.
    pub errno: u32,
    /// log2 of the page size in bytes.
    pub size_bits: u32,
    /// Mode of the memory policy of the mapping, or of the thread (`MPOL_*`,
    /// include/uapi/linux/mempolicy.h); 0 for none.
    pub policy_mode: u32,
    /// Huge pages asked for.
    pub pages: u64,
    /// Node of the CPU.
    pub cpu_node: u32,
    /// 1 when `free` and `total` were read, else 0.
    pub pools_known: u32,
    /// Nodes of that policy.
    pub nodes: NodeSet,
    /// Nodes of the thread's cpuset.
    pub allowed: NodeSet,
    /// The user stack by its number, or a negative error number.
    pub stack: i64,
    /// Free pages of the pool at this moment.
    pub free: PoolPages,
    /// All pages of the pool.
    pub total: PoolPages,
}

const _: () = assert!(size_of::<HugetlbFailed>() == 848);

impl Record for HugetlbFailed {
    const KIND: Kind = Kind::HugetlbFailed;
}
