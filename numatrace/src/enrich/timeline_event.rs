//! Events of the timeline: a record about a move, with its process.

use serde::{Deserialize, Serialize};

use super::process::ProcessIndex;
use crate::{
    decode::count::{MoveReason, NodePair, Reason},
    ids::{CpuId, Pid, Tid},
};

/// One event of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// Time of the event or of its start, ns since boot.
    pub time_ns: u64,
    /// The process.
    pub process: ProcessIndex,
    /// From node, to node.
    pub nodes: NodePair,
    /// The kind of event.
    pub what: TimelineKind,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimelineKind {
    /// A thread moved to a different node.
    Move {
        /// The thread.
        tid: Tid,
        /// Its start, ns since boot.
        start_ns: u64,
        /// CPUs: from, to.
        cpus: (CpuId, CpuId),
        /// Why it moved.
        reason: MoveReason,
        /// Its CPU time so far, ns.
        ran_ns: u64,
        /// Its hinting faults on pages of other nodes since its previous cross-node move.
        far_faults: u64,
    },
    /// Pages of the process moved to a different node.
    Pages {
        /// The process that asked for the move.
        asker: Pid,
        /// Why they moved.
        reason: Reason,
        /// The number of base pages.
        pages: u64,
        /// Time at which the last of them moved, ns since boot.
        #[serde(default)]
        until_ns: u64,
    },
}
