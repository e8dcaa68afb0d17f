//! Moves of tasks between CPUs and nodes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::matrix::Matrix;
use crate::ids::CpuId;

/// Moves of one thread, of a process's threads, or of the whole system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskMoves {
    /// Every change of CPU, including within a node.
    pub total: Option<u64>,
    /// Changes of CPU within a node that changed the last-level cache; `None` where each node has
    /// one such cache, where the cache of a CPU is not known, and in reports of earlier versions.
    #[serde(default)]
    pub cross_llc: Option<u64>,
    /// Changes of CPU that changed the node. The fields below count only these.
    pub cross_node: Option<u64>,
    /// `cross_node` per second of the session.
    #[serde(default)]
    pub cross_node_per_s: Option<f64>,
    /// Moves, `[from][to]`; the diagonal is 0.
    pub matrix: Option<Matrix>,
    /// Moves by reason; each cross-node move has one reason.
    pub by_reason: Option<BTreeMap<MoveReason, u64>>,
    /// Moves A→B→A, counted overlapping.
    pub ping_pong: Option<u64>,
    /// Wake-ups among `cross_node` whose waker ran on the destination node.
    #[serde(default)]
    pub to_waker: Option<u64>,
    /// Time between leaving and return, over the moves of `ping_pong`; `None` when there were none.
    #[serde(default)]
    pub stay_ms: Option<Stay>,
    /// Every change of CPU, by pair of CPUs; only in a session with a scope.
    #[serde(default)]
    pub cpus: Option<Vec<CpuMoves>>,
}

/// Milliseconds between leaving a node and the return to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stay {
    /// Shortest time.
    pub shortest: f64,
    /// Median.
    pub median: f64,
}

/// Moves from one CPU to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuMoves {
    /// Old CPU.
    pub from: CpuId,
    /// New CPU.
    pub to: CpuId,
    /// Moves from old to new.
    pub moves: u64,
}

/// Reason why a task changed its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveReason {
    /// The task was woken on a different node.
    Wakeup,
    /// Load balancing pulled the task.
    LoadBalance,
    /// Active load balancing stopped the running task and pushed it.
    ActiveBalance,
    /// NUMA balancing moved the task to its memory.
    NumaMove,
    /// NUMA balancing swapped the task with another.
    NumaSwap,
    /// The scheduler placed the task at exec.
    Exec,
    /// The scheduler placed the task at fork.
    Fork,
    /// `sched_setaffinity` took the task's CPU away.
    Affinity,
    /// Any other change of the CPU mask: cpuset, kernel.
    Cpuset,
    /// The task's CPU went offline.
    Hotplug,
    /// The real-time or deadline class pushed or pulled the task.
    RtDl,
    /// None of these reasons could be shown.
    Unknown,
    /// A scheduler of sched_ext dispatched the task to a different CPU.
    SchedExt,
}

impl MoveReason {
    /// Returns the name in JSON.
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
            Self::SchedExt => "sched_ext",
        }
    }
}
