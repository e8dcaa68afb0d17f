//! Runs of page-cache pages that one thread brought in for one file, on one node, by a fault or by
//! a system call.

use bytemuck::{Pod, Zeroable};

use crate::{
    count_key::CountKey,
    header::{Header, Record},
    kind::Kind,
};

/// Pages brought into the page cache.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct FillRun {
    /// Time of writing; the run ended at the latest then.
    pub header: Header,
    /// Start time of the thread, ns since boot.
    pub start_ns: u64,
    /// Thread id in the initial PID namespace.
    pub tid: u32,
    /// Process id likewise.
    pub tgid: u32,
    /// Nodes of thread and pages; its epoch is 0.
    pub count_key: CountKey,
    /// Base pages.
    pub pages: u64,
    /// Inode number of the file.
    pub ino: u64,
    /// Device of the file as the kernel keeps it, `major << 20 | minor`.
    pub dev: u32,
    /// 1 when a page fault asked for them, 0 for read(2), write(2) and their like.
    pub by_fault: u32,
}

const _: () = assert!(size_of::<FillRun>() == 64);

impl Record for FillRun {
    const KIND: Kind = Kind::FillRun;
}

/// The open run of a CPU. Userspace reads it when a session ends.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct OpenFill {
    /// Address of the `task_struct`, 0 when there is no run or one is being written.
    pub task: u64,
    /// The record as it will be written, but for its header.
    pub run: FillRun,
}
