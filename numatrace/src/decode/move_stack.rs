//! A CPU change with the kernel stack that led to it.

use numatrace_common::{
    count_key::MoveReason, event::move_stack::MoveStack as Raw, limits::MOVE_FRAMES,
};

use super::count::{ThreadId, move_reason};

/// One CPU change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveStack {
    /// The thread that moved.
    pub thread: ThreadId,
    /// The reason that the kernel side decided on.
    pub reason: MoveReason,
    /// True if it had to leave its CPU: the mask forbade it, or the CPU went offline.
    pub forced: bool,
    /// Return addresses, innermost first; empty when the kernel gave none.
    pub stack: Vec<u64>,
}

impl From<Raw> for MoveStack {
    fn from(raw: Raw) -> Self {
        let Raw {
            header: _,
            start_ns,
            tid,
            tgid,
            from_cpu: _,
            to_cpu: _,
            reason,
            forced,
            frames,
            stack,
        } = raw;
        let frames = usize::try_from(frames).unwrap_or(0) / size_of::<u64>();
        Self {
            thread: ThreadId::new(tgid, tid, start_ns),
            reason: move_reason(reason),
            forced: forced != 0,
            stack: stack
                .into_iter()
                .take(frames.min(MOVE_FRAMES))
                .filter(|address| *address != 0)
                .collect(),
        }
    }
}
