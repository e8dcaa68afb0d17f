//! Runs by mapping: first touches and hinting faults of one thread in one mapping, counted until
//! thread, mapping, kind or node changes.
//!
//! A run carries a description of its mapping, which identifies it after the process is gone.

use bytemuck::{Pod, Zeroable};

use crate::{
    count_key::{CountKey, RemoteCause},
    header::{Header, Record},
    kind::Kind,
};

/// A mapping as the kernel has it (`struct vm_area_struct`) at the time of a fault in it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Area {
    /// First address; start and end are 0 when only the address of the fault is known.
    pub start: u64,
    /// First address behind the mapping.
    pub end: u64,
    /// `VM_*` (include/linux/mm.h).
    pub flags: u64,
    /// Offset of the start in the file, in pages; meaningless without a file.
    pub pgoff: u64,
    /// Inode number of the file, 0 without one.
    pub ino: u64,
    /// Device of the file as the kernel keeps it, `major << 20 | minor`.
    pub dev: u32,
    /// Process id of a different process that touched the memory; 0 when its own process did.
    pub toucher: u32,
}

const _: () = assert!(size_of::<Area>() == 48);

/// First touches of one thread in one mapping, of one kind, on one node. The totals hold the same
/// pages: a lost run loses detail, never a number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct TouchRun {
    /// Time of writing; the run ended at the latest then.
    pub header: Header,
    /// Time at which it began, ns since boot.
    pub began_ns: u64,
    /// Start time of the thread, ns since boot.
    pub start_ns: u64,
    /// Thread id in the initial PID namespace.
    pub tid: u32,
    /// Process id likewise.
    pub tgid: u32,
    /// Nodes, kind and marks shared by the run; its epoch is 0.
    pub count_key: CountKey,
    /// Lowest address touched.
    pub low: u64,
    /// First address behind the highest page.
    pub high: u64,
    /// Base pages.
    pub pages: u64,
    /// The thread's stack pointer in user mode when the run began, 0 when unknown: it distinguishes
    /// the thread's stack from other memory.
    pub sp: u64,
    /// The mapping as it was when the run began.
    pub area: Area,
    /// Number of the user stack in the stack map; negative when there is none: an errno, or -1 when
    /// none was wanted.
    pub stack: i64,
    /// Base pages that are remote or missed the preferred node, by the number of a [`RemoteCause`],
    /// as far as the cause was known while the run was open.
    pub causes: [u32; RemoteCause::ALL.len()],
}

const _: () = assert!(size_of::<TouchRun>() == 168);

impl Record for TouchRun {
    const KIND: Kind = Kind::TouchRun;
}

/// Hinting faults of one thread in one mapping, from a CPU of one node to pages of one node.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct UseRun {
    /// Time of writing; the run ended at the latest then.
    pub header: Header,
    /// Time at which it began, ns since boot.
    pub began_ns: u64,
    /// Start time of the thread, ns since boot.
    pub start_ns: u64,
    /// Thread id in the initial PID namespace.
    pub tid: u32,
    /// Process id likewise.
    pub tgid: u32,
    /// Nodes of thread and pages; its epoch is 0.
    pub count_key: CountKey,
    /// Lowest address.
    pub low: u64,
    /// First address behind the highest page.
    pub high: u64,
    /// Faults.
    pub faults: u64,
    /// Base pages that the balancer moved to the thread's node in answer to them.
    pub migrated: u64,
    /// The mapping as it was when the run began.
    pub area: Area,
}

const _: () = assert!(size_of::<UseRun>() == 128);

impl Record for UseRun {
    const KIND: Kind = Kind::UseRun;
}

/// The open run of first touches of a CPU. Userspace reads it when a session ends.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct OpenTouch {
    /// Address of the `task_struct`, 0 when there is no run or one is being written.
    pub task: u64,
    /// Pages until the next stack is taken.
    pub until_stack: u64,
    /// The record as it will be written, but for its header.
    pub run: TouchRun,
}

/// The open run of hinting faults of a CPU. Userspace reads it when a session ends.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct OpenUse {
    /// Address of the `task_struct`, 0 when there is no run or one is being written.
    pub task: u64,
    /// The record as it will be written, but for its header.
    pub run: UseRun,
}
