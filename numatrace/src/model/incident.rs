//! Incidents: absences of threads from the memory of their process. And, for `--timeline`, the
//! moves of one process in order of time.

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
    /// Why it left.
    pub reason: MoveReason,
    /// When it left, seconds since the session began.
    pub at_s: f64,
    /// How long it was away, milliseconds; up to the end of the session when it neither came back
    /// nor ended.
    pub away_ms: f64,
    /// CPU time of the thread while it was away, milliseconds; `None` where it was not measured.
    #[serde(default)]
    pub run_ms: Option<f64>,
    /// Its hinting faults on pages of other nodes while it was away; `None` where they were not
    /// measured.
    #[serde(default)]
    pub remote_hint_faults: Option<u64>,
    /// Base pages of its process on the home node when it left, as far as the session knows them,
    /// with those that were touched in the same second.
    pub pages_left: u64,
    /// Base pages of these that were there before that second; `None` when that is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages_left_least: Option<u64>,
    /// Base pages of its process that were moved from the home node to the node it went to, while
    /// it was away.
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
    /// The kind of move.
    #[serde(flatten)]
    pub what: MomentKind,
}

/// The kind of a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MomentKind {
    /// A thread moved between nodes.
    TaskMove {
        /// The thread.
        tid: Tid,
        /// Why.
        reason: MoveReason,
    },
    /// Pages moved between nodes.
    PageMigration {
        /// The process that asked for it.
        moved_by: Pid,
        /// Base pages.
        pages: u64,
        /// The reason, as in `by_reason` of page migrations.
        #[serde(default)]
        reason: String,
        /// When the last of them moved, seconds since the session began: they moved without a
        /// pause.
        #[serde(default)]
        until_s: Option<f64>,
    },
}
