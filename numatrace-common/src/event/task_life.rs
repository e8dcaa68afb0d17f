//! Birth, exec and death of tasks.

use bytemuck::{Pod, Zeroable};

use crate::{
    header::{Header, Record},
    kind::Kind,
    limits::{COMM_LEN, FILENAME_LEN},
};

/// A process was forked. Threads are not announced: their totals carry their process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct TaskFork {
    /// Time of the fork; its CPU is the parent's.
    pub header: Header,
    /// Start time of the child, ns since boot.
    pub start_ns: u64,
    /// The child.
    pub pid: u32,
    /// Its parent.
    pub parent: u32,
    /// The child's `task_struct.flags` (`PF_KTHREAD` and others).
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// The child's name: its parent's at this moment.
    pub comm: [u8; COMM_LEN],
}

/// A process began to run a different program.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct TaskExec {
    /// Time of the exec, after the new program's memory is in place.
    pub header: Header,
    /// Start time of the process, ns since boot: an exec does not change it.
    pub start_ns: u64,
    /// The process.
    pub pid: u32,
    /// Zero.
    pub reserved: u32,
    /// Its name from now on.
    pub comm: [u8; COMM_LEN],
    /// The path given to exec, cut to its first bytes and padded with zeros; empty when the kernel
    /// refused the read.
    pub filename: [u8; FILENAME_LEN],
}

/// A thread ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct TaskExit {
    /// Time of the exit.
    pub header: Header,
    /// Start time of the thread, ns since boot.
    pub start_ns: u64,
    /// Start time of its process, ns since boot.
    pub process_start_ns: u64,
    /// The thread.
    pub tid: u32,
    /// Its process.
    pub pid: u32,
    /// The thread's `task_struct.flags`.
    pub flags: u32,
    /// 0 for a thread that others of its process outlive; else 1, and from bit 8 on the number of
    /// the signal that killed the process, 0 for none. Recordings of earlier versions have no
    /// signal.
    pub group_dead: u32,
    /// Its last name.
    pub comm: [u8; COMM_LEN],
}

const _: () = assert!(size_of::<TaskFork>() == 56);
const _: () = assert!(size_of::<TaskExec>() == 48 + FILENAME_LEN);
const _: () = assert!(size_of::<TaskExit>() == 64);

impl Record for TaskFork {
    const KIND: Kind = Kind::TaskFork;
}
impl Record for TaskExec {
    const KIND: Kind = Kind::TaskExec;
}
impl Record for TaskExit {
    const KIND: Kind = Kind::TaskExit;
}
