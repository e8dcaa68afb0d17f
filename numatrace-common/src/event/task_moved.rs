//! Moves of a task to a different node.

use bytemuck::{Pod, Zeroable};

use crate::{
    header::{Header, Record},
    kind::Kind,
};

/// One cross-node move. The totals count it too: a lost record loses the moment, never the number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct TaskMoved {
    /// Time of the move; its CPU is that of the code that moved it.
    pub header: Header,
    /// Start time of the thread that moved, ns since boot.
    pub start_ns: u64,
    /// The thread.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// CPU that it left.
    pub from_cpu: u32,
    /// CPU that it was put on.
    pub to_cpu: u32,
    /// Node that it left.
    pub from: u16,
    /// Node that it was put on.
    pub to: u16,
    /// A [`crate::count_key::MoveReason`].
    pub reason: u16,
    /// Zero.
    pub reserved: u16,
    /// CPU time of the thread so far, ns (`se.sum_exec_runtime`).
    pub ran_ns: u64,
    /// Its hinting faults on pages of other nodes since its last cross-node move; 0 for the first
    /// move.
    pub remote_faults: u64,
}

const _: () = assert!(size_of::<TaskMoved>() == 64);

impl Record for TaskMoved {
    const KIND: Kind = Kind::TaskMoved;
}
