//! Failures: OOM kills, searches for memory, failed allocations, empty huge page pools, refused
//! calls. Each part is `None` where its hook was not in place.

pub mod sentence;

use serde::{Deserialize, Serialize};

use super::{alloc_class::PolicyMode, mapping::Addr, name::Name};
use crate::ids::{NodeId, Pid};

/// Failures of a process or of all in scope.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failures {
    /// Processes killed because memory was short, in order of time.
    pub oom_kills: Option<Vec<OomKill>>,
    /// Searches for memory by threads that needed some.
    pub reclaim: Option<Reclaims>,
    /// Allocations that failed for good and that the kernel warned of, most frequent first.
    pub alloc_failed: Option<Vec<AllocFailed>>,
    /// Huge pages that a pool could not give, most frequent first.
    pub hugetlb: Option<Vec<HugetlbFailed>>,
    /// Refused calls about memory policy and CPU affinity, most frequent first.
    pub refused: Option<Vec<Refused>>,
}

impl Failures {
    /// Returns whether something failed. A search for memory that found some is no failure.
    #[must_use]
    pub fn any(&self) -> bool {
        fn some<T>(list: &Option<Vec<T>>) -> bool {
            list.as_ref().is_some_and(|list| !list.is_empty())
        }
        some(&self.oom_kills)
            || some(&self.alloc_failed)
            || some(&self.hugetlb)
            || some(&self.refused)
    }
}

/// Limit that made memory short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// None: the machine is out of memory.
    None,
    /// The cpuset's nodes are full.
    Cpuset,
    /// The nodes of a memory policy are full.
    MemoryPolicy,
    /// A cgroup's memory limit.
    Memcg,
}

impl Constraint {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Cpuset => "cpuset",
            Self::MemoryPolicy => "memory_policy",
            Self::Memcg => "memcg",
        }
    }

    /// As a person would say it, behind "killed".
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::None => "because the machine was out of memory",
            Self::Cpuset => "because its cpuset's nodes were full",
            Self::MemoryPolicy => "under its memory policy",
            Self::Memcg => "at its cgroup's memory limit",
        }
    }

    /// Do only some nodes count?
    #[must_use]
    pub fn is_of_nodes(self) -> bool {
        matches!(self, Self::Cpuset | Self::MemoryPolicy)
    }
}

/// A process that was killed because memory was short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomKill {
    /// When, ns since boot.
    pub at_ns: u64,
    /// The process.
    pub pid: Pid,
    /// Its name.
    pub comm: Name,
    /// The process whose allocation failed; often the same.
    pub asked_by: Pid,
    /// Limit that made memory short; `None` on the fallback hook.
    pub constraint: Option<Constraint>,
    /// Nodes that the allocation might use, where the constraint is one of nodes; empty otherwise.
    pub nodes: Vec<NodeId>,
    /// Order of the allocation (it wanted 2^order base pages); `None` on the fallback hook.
    pub order: Option<u32>,
    /// Free memory by node; `None` where it was not read (a cgroup's limit).
    pub free: Option<Vec<FreeMemory>>,
    /// The free memory was read after the kill, when the record arrived: the victim's own may
    /// already be in it.
    #[serde(default)]
    pub free_read_late: bool,
}

/// Free memory of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeMemory {
    /// The node.
    pub node: NodeId,
    /// Free memory in KiB.
    pub kb: u64,
}

/// Searches for memory by threads that needed some, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaims {
    /// Direct reclaim: all nodes that the allocation may use are nearly full.
    pub direct: Reclaim,
    /// Reclaim on one node before the next is tried (`vm.zone_reclaim_mode`).
    pub node_reclaim: Reclaim,
    /// Direct compaction, for an allocation of more than one page. It brings no pages.
    pub compaction: Reclaim,
    /// The part of direct reclaim that a memory policy or cpuset confined to some nodes.
    pub confined: Vec<Confined>,
    /// Least free memory by node, among the moments (one a second) at which confined searches were
    /// seen; `None` without such.
    pub free: Option<Vec<FreeMemory>>,
}

/// Searches of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaim {
    /// How many.
    pub count: u64,
    /// Time in them, in ns; threads waited for it.
    pub ns: u64,
    /// Base pages that they brought.
    pub pages: u64,
}

impl Reclaim {
    /// Adds another's.
    pub fn merge(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.ns = self.ns.saturating_add(other.ns);
        self.pages = self.pages.saturating_add(other.pages);
    }
}

impl Reclaims {
    /// Adds another's counts; free memory is of a process alone.
    pub fn merge(&mut self, other: &Self) {
        self.direct.merge(other.direct);
        self.node_reclaim.merge(other.node_reclaim);
        self.compaction.merge(other.compaction);
        for part in &other.confined {
            self.confine(*part);
        }
    }

    /// Adds to the part that was confined alike.
    pub fn confine(&mut self, part: Confined) {
        let alike = |other: &&mut Confined| {
            (other.node, other.several, other.by) == (part.node, part.several, part.by)
        };
        match self.confined.iter_mut().find(alike) {
            Some(same) => {
                same.count = same.count.saturating_add(part.count);
                same.ns = same.ns.saturating_add(part.ns);
            }
            None => self.confined.push(part),
        }
    }

    /// Returns whether there was no search at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let parts = [self.direct, self.node_reclaim, self.compaction];
        parts.iter().all(|part| part.count == 0)
    }
}

/// Direct reclaim that was confined to some nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confined {
    /// The node; the lowest of several.
    pub node: NodeId,
    /// There were more than that one.
    pub several: bool,
    /// By what.
    pub by: Constraint,
    /// How many searches.
    pub count: u64,
    /// Time in them, in ns.
    pub ns: u64,
}

/// Allocations that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocFailed {
    /// Whose; 0 for interrupts.
    pub pid: Pid,
    /// How many.
    pub count: u64,
    /// The first time, ns since boot.
    pub at_ns: u64,
    /// The kernel stack, in `stacks`.
    pub stack: Option<u32>,
}

/// A request to a pool of huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// A page, for a fault: SIGBUS.
    Fault,
    /// A reservation, by mmap(2) or shmget(2): ENOMEM.
    Reserve,
    /// A page for a caller in the kernel.
    Kernel,
}

impl Request {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Reserve => "reserve",
            Self::Kernel => "kernel",
        }
    }
}

/// Requests to a pool that failed, alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HugetlbFailed {
    /// Process concerned.
    pub pid: Pid,
    /// Kind of request; `None` for one that this version does not know.
    pub request: Option<Request>,
    /// Name of the error number.
    pub errno: String,
    /// Size of a page in KiB.
    pub page_kb: u64,
    /// The memory policy in force; `None` without one.
    pub policy: Option<PolicyMode>,
    /// Nodes that the page had to come from, by policy and cpuset; empty for any.
    pub nodes: Vec<NodeId>,
    /// Node of the CPU.
    pub cpu_node: NodeId,
    /// How many requests.
    pub count: u64,
    /// Huge pages asked for.
    pub pages: u64,
    /// Huge pages of the mapping that the first address is in; `None` where it is not known, and
    /// for a reservation.
    #[serde(default)]
    pub mapping_pages: Option<u64>,
    /// The first time, ns since boot.
    pub at_ns: u64,
    /// Address of the first; `None` for a reservation.
    pub address: Option<Addr>,
    /// The pools of that size at the first time, of nodes with memory.
    pub pools: Vec<Pool>,
    /// They were looked up when the record arrived, up to some tenths of a second later: pages that
    /// the process gave back by then are among the free ones.
    #[serde(default)]
    pub pools_read_late: bool,
    /// The user stack, in `stacks`.
    pub stack: Option<u32>,
}

impl HugetlbFailed {
    /// Returns the free pages, at that moment, of the pools that it might take from; 0 where that
    /// is not known. Free pages are still not to be had where a cgroup is limited or others have
    /// reserved them.
    #[must_use]
    pub fn had_free(&self) -> u64 {
        let pools = self.pools.iter().filter(|_| !self.pools_read_late);
        let its = pools.filter(|pool| self.nodes.is_empty() || self.nodes.contains(&pool.node));
        its.map(|pool| pool.free).sum()
    }
}

/// The pool of huge pages on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The node.
    pub node: NodeId,
    /// Pages that it has.
    pub total: u64,
    /// Pages that nobody uses.
    pub free: u64,
}

/// A call about memory policy or CPU affinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyCall {
    /// mbind(2)
    Mbind,
    /// set_mempolicy(2)
    SetMempolicy,
    /// set_mempolicy_home_node(2)
    SetMempolicyHomeNode,
    /// move_pages(2)
    MovePages,
    /// migrate_pages(2)
    MigratePages,
    /// sched_setaffinity(2)
    SchedSetaffinity,
}

impl PolicyCall {
    /// Its name, in JSON and in the manual.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mbind => "mbind",
            Self::SetMempolicy => "set_mempolicy",
            Self::SetMempolicyHomeNode => "set_mempolicy_home_node",
            Self::MovePages => "move_pages",
            Self::MigratePages => "migrate_pages",
            Self::SchedSetaffinity => "sched_setaffinity",
        }
    }
}

/// Refused calls that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Process concerned.
    pub pid: Pid,
    /// The call; `None` for one that this version does not know.
    pub call: Option<PolicyCall>,
    /// Name of the error number.
    pub errno: String,
    /// Cause in words; `None` where the arguments do not tell.
    pub why: Option<String>,
    /// How many.
    pub count: u64,
    /// The first time, ns since boot.
    pub at_ns: u64,
    /// Address that the first was about; `None` for a call that takes none.
    pub address: Option<Addr>,
    /// Nodes that the first asked for.
    pub nodes: Vec<NodeId>,
    /// CPUs that the first asked for, of sched_setaffinity(2), in the kernel's list syntax.
    pub cpus: Option<String>,
    /// The user stack, in `stacks`.
    pub stack: Option<u32>,
}
