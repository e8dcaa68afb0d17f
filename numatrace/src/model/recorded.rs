//! Single moves, as a recording has them: of every process, with CPUs and to the nanosecond.

use super::task_move::MoveReason;
use crate::ids::{CpuId, NodeId, Pid, Tid};

/// A move of a task or of pages to a different node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Time of the move: nanoseconds of boot time.
    pub time_ns: u64,
    /// The process; `None` for memory without a process and for processes outside the scope.
    pub pid: Option<Pid>,
    /// From node, to node.
    pub nodes: (NodeId, NodeId),
    /// The thread or the pages.
    pub what: RecordedWhat,
}

/// The thing that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedWhat {
    /// A thread.
    Task {
        /// The thread.
        tid: Tid,
        /// From CPU, to CPU.
        cpus: (CpuId, CpuId),
        /// Reason of the move.
        reason: MoveReason,
    },
    /// Memory.
    Pages {
        /// The process that requested the migration.
        moved_by: Pid,
        /// Base pages.
        pages: u64,
    },
}
