//! Tasks that changed their CPU, and the node with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::matrix::Matrix;
use crate::ids::CpuId;

/// Moves of one thread, of a process's threads, or of the whole system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskMoves {
    /// Every change of CPU, within a node too.
    pub total: Option<u64>,
    /// Changes of CPU that changed the node. The fields below count only these.
    pub cross_node: Option<u64>,
    /// `cross_node` by second of the session.
    #[serde(default)]
    pub cross_node_per_s: Option<f64>,
    /// `[from][to]`; the diagonal is 0.
    pub matrix: Option<Matrix>,
    /// Why: one reason per cross-node move.
    pub by_reason: Option<BTreeMap<MoveReason, u64>>,
    /// Moves A→B→A, overlapping ones counted each.
    pub ping_pong: Option<u64>,
    /// Wake-ups among these whose waker ran on the node that the thread was put on.
    #[serde(default)]
    pub to_waker: Option<u64>,
    /// How long the threads stayed before they went back, over the moves of `ping_pong`; `None` when there were none.
    #[serde(default)]
    pub stay_ms: Option<Stay>,
    /// Every change of CPU, from and to; only of processes in a session with a scope.
    #[serde(default)]
    pub cpus: Option<Vec<CpuMoves>>,
}

/// Milliseconds on a node between leaving another one and going back to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stay {
    /// The shortest.
    pub shortest: f64,
    /// Half of them were no longer.
    pub median: f64,
}

/// Moves from one CPU to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuMoves {
    /// CPU left.
    pub from: CpuId,
    /// CPU taken.
    pub to: CpuId,
    /// How often.
    pub moves: u64,
}

/// What made a task change its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveReason {
    /// It was woken on another node.
    Wakeup,
    /// A load balancer pulled it.
    LoadBalance,
    /// A load balancer stopped it while it ran, and pushed it.
    ActiveBalance,
    /// The NUMA balancer moved it to its memory.
    NumaMove,
    /// The NUMA balancer swapped it with another task.
    NumaSwap,
    /// Placed at exec.
    Exec,
    /// Placed at fork.
    Fork,
    /// `sched_setaffinity` took its CPU away.
    Affinity,
    /// Any other change of its mask: cpuset, kernel.
    Cpuset,
    /// Its CPU went offline.
    Hotplug,
    /// Pushed or pulled by the real-time or deadline class.
    RtDl,
    /// None of these could be shown.
    Unknown,
}

impl MoveReason {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wakeup => "wakeup",
            Self::LoadBalance => "load_balance",
            Self::ActiveBalance => "active_balance",
            Self::NumaMove => "numa_move",
            Self::NumaSwap => "numa_swap",
            Self::Exec => "exec",
            Self::Fork => "fork",
            Self::Affinity => "affinity",
            Self::Cpuset => "cpuset",
            Self::Hotplug => "hotplug",
            Self::RtDl => "rt_dl",
            Self::Unknown => "unknown",
        }
    }
}
