//! Moves one by one, as a recording has them: of every process, with the CPUs and to the nanosecond.

use super::task_move::MoveReason;
use crate::ids::{CpuId, NodeId, Pid, Tid};

/// A task or pages that changed their node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// When: nanoseconds of boot time.
    pub time_ns: u64,
    /// The process; `None` for memory without one and for what is outside the session's scope.
    pub pid: Option<Pid>,
    /// From node, to node.
    pub nodes: (NodeId, NodeId),
    /// What it was.
    pub what: RecordedWhat,
}

/// What changed its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedWhat {
    /// A thread.
    Task {
        /// The thread.
        tid: Tid,
        /// From CPU, to CPU.
        cpus: (CpuId, CpuId),
        /// Why.
        reason: MoveReason,
    },
    /// Memory.
    Pages {
        /// Who asked.
        moved_by: Pid,
        /// Base pages.
        pages: u64,
    },
}
