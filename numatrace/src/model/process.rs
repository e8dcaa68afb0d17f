//! Processes and threads with what was counted for them.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::alloc::Alloc;
use super::balancer::{BalancerWork, Balancing};
use super::first_touch::FirstTouch;
use super::hint_fault::HintFaults;
use super::kernel_memory::KernelMemory;
use super::mapping::{Addr, Mapping, MappingKind};
use super::matrix::PerNode;
use super::name::Name;
use super::page_cache::FilledFile;
use super::page_migration::PageMigrations;
use super::task_move::TaskMoves;
use crate::ids::{NodeId, Pid, Tid};

/// One process, or one of the buckets that keep the sums whole. Its identity is `(pid, start_ns)`: pids are reused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// In the initial PID namespace; 0 for buckets.
    pub pid: Pid,
    /// In the process's own PID namespace.
    #[serde(default)]
    pub ns_pid: Option<Pid>,
    /// When it started: nanoseconds of boot time.
    pub start_ns: u64,
    /// Its last name.
    pub comm: Name,
    /// Earlier names, first one first.
    #[serde(default)]
    pub comms: Vec<Name>,
    /// Its executable.
    #[serde(default)]
    pub exe: Option<Name>,
    /// Its cgroup (v2 path).
    #[serde(default)]
    pub cgroup: Option<Name>,
    /// What sort of thing this entry is.
    pub kind: ProcessKind,
    /// What the page allocator gave it.
    pub alloc: Option<Alloc>,
    /// The user pages it touched first.
    pub first_touch: Option<FirstTouch>,
    /// Its sampled accesses.
    pub hint_faults: Option<HintFaults>,
    /// Moves of its pages between nodes.
    pub page_migrations: Option<PageMigrations>,
    /// Moves of its threads between CPUs.
    pub task_moves: Option<TaskMoves>,
    /// CPU time of its threads per node, in nanoseconds.
    pub run_ns: Option<PerNode>,
    /// The node that holds more than half of the memory it got in the session; `None` when no node does, or nothing is known of it.
    #[serde(default)]
    pub home_node: Option<NodeId>,
    /// CPU time on other nodes than that, in nanoseconds.
    #[serde(default)]
    pub away_ns: Option<u64>,
    /// What NUMA balancing did for it, and whether that helped.
    #[serde(default)]
    pub balancer: Option<Balancing>,
    /// Its threads, those that had a name of their own in the tables.
    pub threads: Vec<Thread>,
    /// Its mappings, those with something to tell.
    pub mappings: Vec<Mapping>,
    /// The page cache it filled in the session, file by file, most pages first; `None` where that was not measured.
    #[serde(default)]
    pub page_cache: Option<Vec<FilledFile>>,
    /// Memory the kernel took for itself on its behalf, by kernel stack, most first: a sample, with `--kernel-stacks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_memory: Option<Vec<KernelMemory>>,
}

impl Process {
    /// A process of which nothing has been measured yet.
    #[must_use]
    pub fn new(pid: Pid, start_ns: u64, comm: impl Into<Name>, kind: ProcessKind) -> Self {
        Self {
            pid,
            ns_pid: None,
            start_ns,
            comm: comm.into(),
            comms: Vec::new(),
            exe: None,
            cgroup: None,
            kind,
            alloc: None,
            first_touch: None,
            hint_faults: None,
            page_migrations: None,
            task_moves: None,
            run_ns: None,
            home_node: None,
            away_ns: None,
            balancer: None,
            threads: Vec::new(),
            mappings: Vec::new(),
            page_cache: None,
            kernel_memory: None,
        }
    }

    /// Base pages of its memory on each node, as far as the session knows them: where they lay when they were looked at, else those it touched first, after all
    /// migrations.
    #[must_use]
    pub fn pages(&self) -> Option<PerNode> {
        self.resident().or_else(|| self.touched())
    }

    /// Where its memory lay when it was looked at, with `--residency`. Files are left out: their pages lie where somebody brought them in.
    #[must_use]
    pub fn resident(&self) -> Option<PerNode> {
        let own = self
            .mappings
            .iter()
            .filter(|mapping| mapping.kind != MappingKind::File);
        let seen = own.filter_map(|mapping| mapping.residency.as_ref());
        let sum = seen.fold(PerNode::default(), |mut sum, pages| {
            sum.add(pages);
            sum
        });
        (sum.total() > 0).then_some(sum)
    }

    /// Pages that it touched first, by the node that migrations left them on.
    fn touched(&self) -> Option<PerNode> {
        let mut pages = self.first_touch.as_ref()?.pages.as_ref()?.by_to();
        let moved = self.page_migrations.as_ref();
        if let Some(matrix) = moved.and_then(|moved| moved.matrix.as_ref()) {
            pages.add(&matrix.by_to());
            for (position, left) in matrix.by_from().0.iter().enumerate() {
                if let Some(here) = pages.0.get_mut(position) {
                    *here = here.saturating_sub(*left);
                }
            }
        }
        Some(pages)
    }

    /// The bucket for interrupts: they borrow whatever task they interrupt, and are not its doing.
    #[must_use]
    pub fn irq() -> Self {
        Self::new(Pid(0), 0, "[irq]", ProcessKind::Irq)
    }

    /// The bucket for everything outside the session's scope.
    #[must_use]
    pub fn out_of_scope() -> Self {
        Self::new(Pid(0), 0, "[out of scope]", ProcessKind::Other)
    }

    /// The bucket for what no table had room for.
    #[must_use]
    pub fn overflow() -> Self {
        Self::new(Pid(0), 0, "[overflow]", ProcessKind::Other)
    }

    /// The bucket for memory that no process has mapped.
    #[must_use]
    pub fn nobody() -> Self {
        Self::new(Pid(0), 0, "[no owner]", ProcessKind::Other)
    }

    /// The order of every ranking: remote allocations, then misses, then cross-node moves, then pages, most first; then pid and
    /// start, so that equal ones keep their places from run to run. Buckets come after processes.
    #[must_use]
    pub fn rank_key(&self) -> impl Ord + use<> {
        let alloc = self.alloc.as_ref();
        (
            self.kind == ProcessKind::Other,
            Reverse(alloc.and_then(Alloc::remote)),
            Reverse(alloc.and_then(Alloc::misses)),
            Reverse(self.task_moves.as_ref().and_then(|moves| moves.cross_node)),
            Reverse(alloc.and_then(Alloc::page_total)),
            self.pid,
            self.start_ns,
        )
    }
}

/// What sort of thing an entry of `processes` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessKind {
    /// A program.
    User,
    /// A kernel thread.
    Kthread,
    /// Interrupts and softirqs.
    Irq,
    /// A bucket: `[out of scope]`, `[overflow]`, `[no owner]`.
    Other,
}

/// One thread of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// In the initial PID namespace.
    pub tid: Tid,
    /// Its last name.
    pub comm: Name,
    /// When it started: nanoseconds of boot time; tells a reused tid from the one before.
    #[serde(default)]
    pub start_ns: Option<u64>,
    /// What the page allocator gave it.
    #[serde(default)]
    pub alloc: Option<Alloc>,
    /// The user pages it touched first.
    #[serde(default)]
    pub first_touch: Option<FirstTouch>,
    /// Its sampled accesses.
    #[serde(default)]
    pub hint_faults: Option<HintFaults>,
    /// Its moves between CPUs.
    #[serde(default)]
    pub task_moves: Option<TaskMoves>,
    /// Its CPU time per node, in nanoseconds.
    #[serde(default)]
    pub run_ns: Option<PerNode>,
    /// Its CPU time on other nodes than its process's home node, in nanoseconds.
    #[serde(default)]
    pub away_ns: Option<u64>,
    /// What NUMA balancing did in it.
    #[serde(default)]
    pub balancer: Option<BalancerWork>,
    /// When it was bound, the first and the last few times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<Bind>,
}

/// A thread was told where to run, or where to put its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// What was changed.
    pub what: BindWhat,
    /// When: nanoseconds of boot time.
    pub time_ns: u64,
    /// When, counted from the start of the thread, in nanoseconds.
    pub after_ns: u64,
    /// The range of memory it is about (first address, first behind it), when it is not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[Addr; 2]>,
}

/// What a bind changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindWhat {
    /// The CPUs it may run on.
    Affinity,
    /// Its memory policy.
    MemoryPolicy,
    /// The memory policy of a range.
    RangePolicy,
    /// The CPUs it may run on, by its cpuset.
    CpusetCpus,
    /// The nodes it may use, by its cpuset.
    CpusetMems,
}

impl BindWhat {
    /// What does it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BindWhat::Affinity => "sched_setaffinity(2)",
            BindWhat::MemoryPolicy => "set_mempolicy(2)",
            BindWhat::RangePolicy => "mbind(2)",
            BindWhat::CpusetCpus => "its cpuset (cpuset.cpus)",
            BindWhat::CpusetMems => "its cpuset (cpuset.mems)",
        }
    }
}

impl Thread {
    /// A thread of which nothing has been measured yet.
    #[must_use]
    pub fn new(tid: Tid, comm: impl Into<Name>) -> Self {
        Self {
            tid,
            comm: comm.into(),
            start_ns: None,
            alloc: None,
            first_touch: None,
            hint_faults: None,
            task_moves: None,
            run_ns: None,
            away_ns: None,
            balancer: None,
            binds: Vec::new(),
        }
    }

    /// The order of a ranking of threads: remote allocations, then pages, most first; then tid.
    #[must_use]
    pub fn rank_key(&self) -> impl Ord + use<> {
        let alloc = self.alloc.as_ref();
        (
            Reverse(alloc.and_then(Alloc::remote)),
            Reverse(alloc.and_then(Alloc::page_total)),
            self.tid,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, remote: u64) -> Process {
        let alloc = Alloc {
            other_node: Some(PerNode(vec![remote])),
            ..Alloc::zeros(1)
        };
        Process {
            alloc: Some(alloc),
            ..Process::new(Pid(pid), 0, "p", ProcessKind::User)
        }
    }

    #[test]
    fn most_remote_comes_first_and_buckets_last() {
        let bucket = Process {
            alloc: process(0, 1000).alloc,
            ..Process::out_of_scope()
        };
        let unmeasured = Process::new(Pid(1), 0, "p", ProcessKind::User);
        let mut all = [
            bucket,
            unmeasured,
            process(7, 5),
            process(3, 5),
            process(4, 50),
        ];
        all.sort_by_key(Process::rank_key);
        assert_eq!(all.map(|p| p.pid.0), [4, 3, 7, 1, 0]);
    }
}
