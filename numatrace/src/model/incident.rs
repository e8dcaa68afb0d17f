//! Incidents: a thread that left the node of its memory, and what became of it.

use serde::{Deserialize, Serialize};

use super::name::Name;
use super::task_move::MoveReason;
use crate::ids::{NodeId, Pid, Tid};

/// One absence of a thread from its process's home node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The process.
    pub pid: Pid,
    /// The thread.
    pub tid: Tid,
    /// The thread's name.
    pub comm: Name,
    /// The node it left: its process's home node.
    pub from: NodeId,
    /// The node it went to.
    pub to: NodeId,
    /// Why it went.
    pub reason: MoveReason,
    /// When it went, seconds since the session began.
    pub at_s: f64,
    /// How long it was away, milliseconds; up to the end of the session when it did not come back.
    pub away_ms: f64,
    /// CPU time of the thread while it was away, milliseconds; `None` when it is not known.
    #[serde(default)]
    pub run_ms: Option<f64>,
    /// Its hinting faults on pages of other nodes while it was away; `None` where they were not measured.
    #[serde(default)]
    pub remote_hint_faults: Option<u64>,
    /// Base pages of its process on the home node when it went, as far as the session knows them.
    pub pages_left: u64,
    /// Base pages of its process that were moved from the home node to where it was, meanwhile.
    pub pages_followed: u64,
    /// Why it came back; `None` when it did not.
    pub back: Option<MoveReason>,
    /// Whether the thread ended while it was away.
    #[serde(default)]
    pub ended: bool,
}

/// One moment of a process, for `--timeline`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds since the session began.
    pub at_s: f64,
    /// From node.
    pub from: NodeId,
    /// To node.
    pub to: NodeId,
    /// What it was.
    #[serde(flatten)]
    pub what: MomentKind,
}

/// What a moment was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MomentKind {
    /// A thread changed its node.
    TaskMove {
        /// The thread.
        tid: Tid,
        /// Why.
        reason: MoveReason,
    },
    /// Pages changed their node.
    PageMigration {
        /// Who asked.
        moved_by: Pid,
        /// Base pages.
        pages: u64,
        /// Why, as `by_reason` of page migrations has it.
        #[serde(default)]
        reason: String,
        /// When the last of them moved, seconds since the session began: they moved without a pause.
        #[serde(default)]
        until_s: Option<f64>,
    },
}
