//! The kernel stack of a change of CPU, for `--verify-reasons`.

use bytemuck::{Pod, Zeroable};

use crate::{
    header::{Header, Record},
    kind::Kind,
    limits::MOVE_FRAMES,
};

/// One change of CPU, with the reason that marks and states gave and the kernel stack of the move.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct MoveStack {
    /// Time of the move.
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
    /// A [`crate::count_key::MoveReason`].
    pub reason: u32,
    /// 1 when the thread was no longer allowed on the CPU that it left, or that CPU was on its way
    /// offline.
    pub forced: u32,
    /// Bytes of `stack` that the kernel stored (bpf_get_stack); negative when there is none, an
    /// errno.
    pub frames: i64,
    /// Return addresses, innermost first.
    pub stack: [u64; MOVE_FRAMES],
}

const _: () = assert!(size_of::<MoveStack>() == 56 + 8 * MOVE_FRAMES);

impl Record for MoveStack {
    const KIND: Kind = Kind::MoveStack;
}
