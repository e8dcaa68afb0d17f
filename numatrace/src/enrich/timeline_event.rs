//! What a record tells beside names: something that happened at a time to a process that is known by now.

use super::process::ProcessIndex;
use crate::{
    decode::count::{MoveReason, NodePair, Reason},
    ids::{CpuId, Pid, Tid},
};
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// When it happened or began, ns since boot.
    pub time_ns: u64,
    /// To which process.
    pub process: ProcessIndex,
    /// From node, to node.
    pub nodes: NodePair,
    /// What.
    pub what: Happened,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    /// A thread changed its node.
    Move {
        /// The thread.
        tid: Tid,
        /// Its start, ns since boot.
        start_ns: u64,
        /// CPUs: from, to.
        cpus: (CpuId, CpuId),
        /// Why.
        reason: MoveReason,
        /// Its CPU time so far, ns.
        ran_ns: u64,
        /// Its hinting faults on pages of other nodes since its last such move.
        far_faults: u64,
    },
    /// Pages of the process changed their node.
    Pages {
        /// Who asked.
        asker: Pid,
        /// Why.
        reason: Reason,
        /// Base pages.
        pages: u64,
        /// When the last of them moved, ns since boot.
        #[serde(default)]
        until_ns: u64,
    },
}
