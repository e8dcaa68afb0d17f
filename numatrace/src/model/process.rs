//! Processes and threads with their counts.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::alloc::Alloc;
use super::balancer::{BalancerWork, Balancing};
use super::failure::Failures;
use super::first_touch::FirstTouch;
use super::hint_fault::HintFaults;
use super::kernel_memory::KernelMemory;
use super::mapping::{Addr, Mapping, MappingKind};
use super::matrix::PerNode;
use super::name::Name;
use super::page_cache::FilledFile;
use super::page_migration::PageMigrations;
use super::placement;
use super::residency::Residency;
use super::task_move::TaskMoves;
use crate::ids::{NodeId, Pid, Tid};

/// Placement mismatch below which CPU time on memory of other nodes does not decide a ranking: some
/// memory of every process lies elsewhere.
const NOISE: f64 = 0.1;

/// Unit of that time in a ranking, ns.
const RANKED_NS: u64 = 100_000_000;

/// Signals that are sent to end a program in order: `SIGHUP`, `SIGINT`, `SIGPIPE`, `SIGTERM`.
pub const ORDERLY: [u8; 4] = [1, 2, 13, 15];

/// One process, or one of the buckets that complete the sums. `(pid, start_ns)` identifies it: PIDs
/// are reused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// PID in the initial PID namespace; 0 for buckets.
    pub pid: Pid,
    /// PID in the process's own PID namespace.
    #[serde(default)]
    pub ns_pid: Option<Pid>,
    /// Start of the process: nanoseconds of boot time.
    pub start_ns: u64,
    /// Last name.
    pub comm: Name,
    /// Earlier names, oldest first.
    #[serde(default)]
    pub comms: Vec<Name>,
    /// Executable.
    #[serde(default)]
    pub exe: Option<Name>,
    /// Its arguments, the name it was started by first; `None` when they could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<Name>>,
    /// True when `args` lacks the last ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_cut: Option<bool>,
    /// Cgroup (v2 path).
    #[serde(default)]
    pub cgroup: Option<Name>,
    /// Time of its last exec, or of its fork where it runs the program of its parent, ns since
    /// boot; `None` when that was before the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec_ns: Option<u64>,
    /// Whether it had ended when the report was made; `None` when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<bool>,
    /// How many ended processes this entry adds up; `None` for a process, and for other buckets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<u64>,
    /// Kind of the entry.
    pub kind: ProcessKind,
    /// Page allocations.
    pub alloc: Option<Alloc>,
    /// User pages that it faulted in.
    pub first_touch: Option<FirstTouch>,
    /// Sampled accesses.
    pub hint_faults: Option<HintFaults>,
    /// Migrations of its pages between nodes.
    pub page_migrations: Option<PageMigrations>,
    /// Moves of its threads between CPUs.
    pub task_moves: Option<TaskMoves>,
    /// CPU time of its threads per node, in nanoseconds.
    pub run_ns: Option<PerNode>,
    /// Node that holds more than half of the memory it got in the session; `None` when no node
    /// does, or nothing is known of its memory.
    #[serde(default)]
    pub home_node: Option<NodeId>,
    /// CPU time on nodes other than `home_node`, in nanoseconds.
    #[serde(default)]
    pub away_ns: Option<u64>,
    /// Where its memory lies; `None` when nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residency: Option<Residency>,
    /// Half the sum over nodes of |share of CPU time − share of resident memory|, files left out: 0
    /// where its memory is where it runs, 1 where all of it is elsewhere. `None` when either is not
    /// known.
    #[serde(default)]
    pub placement_mismatch: Option<f64>,
    /// Work of NUMA balancing, and whether it helped.
    #[serde(default)]
    pub balancer: Option<Balancing>,
    /// Threads that have entries of their own in the totals.
    pub threads: Vec<Thread>,
    /// Mappings with touches, accesses, migrations or residency.
    pub mappings: Vec<Mapping>,
    /// Page cache that it filled in the session, file by file, most pages first; `None` where that
    /// was not measured.
    #[serde(default)]
    pub page_cache: Option<Vec<FilledFile>>,
    /// Kernel memory allocated on its behalf, by kernel stack, most first: a sample, with
    /// `--kernel-stacks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_memory: Option<Vec<KernelMemory>>,
    /// Number of the signal that killed it; `None` when it lives, ended by itself, or nobody saw
    /// it. Of an entry that adds up several: of one of them, rather one that no orderly end sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub killed_by: Option<u8>,
    /// Failures in it; `None` when there were none. The report's own say what was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
    /// Whether a seccomp filter checks its system calls; `None` when it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<bool>,
}

impl Process {
    /// A process without any measured quantity.
    #[must_use]
    pub fn new(pid: Pid, start_ns: u64, comm: impl Into<Name>, kind: ProcessKind) -> Self {
        Self {
            pid,
            ns_pid: None,
            start_ns,
            comm: comm.into(),
            comms: Vec::new(),
            exe: None,
            args: None,
            args_cut: None,
            cgroup: None,
            exec_ns: None,
            ended: None,
            stands_for: None,
            kind,
            alloc: None,
            first_touch: None,
            hint_faults: None,
            page_migrations: None,
            task_moves: None,
            run_ns: None,
            home_node: None,
            away_ns: None,
            residency: None,
            placement_mismatch: None,
            balancer: None,
            threads: Vec::new(),
            mappings: Vec::new(),
            page_cache: None,
            kernel_memory: None,
            killed_by: None,
            failures: None,
            seccomp: None,
        }
    }

    /// Returns the base pages of its memory on each node, as far as the session knows them: by
    /// residency if it was read, else by first touches and the migrations after them.
    #[must_use]
    pub fn pages(&self) -> Option<PerNode> {
        self.resident().or_else(|| self.touched())
    }

    /// Returns its resident base pages on each node at the last reading. Files are left out: their
    /// pages are on the node of whichever process brought them in.
    #[must_use]
    pub fn resident(&self) -> Option<PerNode> {
        let last = self.residency.as_ref().and_then(|seen| seen.last.as_ref());
        if let Some(last) = last {
            return (last.pages.total() > 0).then(|| last.pages.clone());
        }
        // Reports from before processes had a residency of their own.
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

    /// Returns its placement mismatch; see [`Process::placement_mismatch`].
    #[must_use]
    pub fn mismatch(&self) -> Option<f64> {
        placement::mismatch(&self.run_ns.as_ref()?.0, &self.resident()?.0)
    }

    /// Returns the CPU time that it spent, so to speak, on memory of other nodes: all of its CPU
    /// time times its placement mismatch, ns. `None` when either is not known.
    #[must_use]
    pub fn misplaced_ns(&self) -> Option<u64> {
        let ran = self.run_ns.as_ref()?.total();
        Some(placement::part(ran, self.placement_mismatch?))
    }

    /// Returns the pages that it touched first, by node after migrations.
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

    /// The bucket for interrupts: they run in the context of any task, which does not cause them.
    #[must_use]
    pub fn irq() -> Self {
        Self::new(Pid(0), 0, "[irq]", ProcessKind::Irq)
    }

    /// The bucket for processes outside the session's scope.
    #[must_use]
    pub fn out_of_scope() -> Self {
        Self::new(Pid(0), 0, "[out of scope]", ProcessKind::Other)
    }

    /// The bucket for events whose owner the totals table had no room for.
    #[must_use]
    pub fn overflow() -> Self {
        Self::new(Pid(0), 0, "[overflow]", ProcessKind::Other)
    }

    /// The bucket for memory that no process has mapped.
    #[must_use]
    pub fn nobody() -> Self {
        Self::new(Pid(0), 0, "[no owner]", ProcessKind::Other)
    }

    /// The bucket for `stands_for` processes of one command that ended, and of which only sums are
    /// kept; `None` for those of many commands.
    #[must_use]
    pub fn folded(command: Option<&Name>, stands_for: u64) -> Self {
        let comm = match command {
            Some(command) => [b"[ended: ", command.as_bytes(), b"]"].concat(),
            None => b"[ended]".to_vec(),
        };
        Self {
            ended: Some(true),
            stands_for: Some(stands_for),
            ..Self::new(Pid(0), 0, comm, ProcessKind::Other)
        }
    }

    /// Returns whether its CPU time on memory of other nodes decides its rank.
    #[must_use]
    pub fn is_misplaced(&self) -> bool {
        self.ranked_misplaced() > 0
    }

    fn ranked_misplaced(&self) -> u64 {
        let misplaced = self.placement_mismatch.is_some_and(|part| part >= NOISE);
        let misplaced_ns = self.misplaced_ns().filter(|_| misplaced).unwrap_or(0);
        misplaced_ns / RANKED_NS
    }

    /// Returns whether it is a bucket that completes the sums, and not a program: entries that add
    /// up processes of one command rank among them.
    #[must_use]
    pub fn is_bucket(&self) -> bool {
        self.kind == ProcessKind::Other && self.stands_for.is_none()
    }

    /// Returns the key of every ranking: CPU time on memory of other nodes, in tenths of a second
    /// and where the placement mismatch is no noise; then remote allocations, misses, cross-node
    /// moves and pages, most first; then PID and start, so that equal processes keep their order
    /// from session to session. Buckets come after processes.
    #[must_use]
    pub fn rank_key(&self) -> impl Ord + use<> {
        let alloc = self.alloc.as_ref();
        (
            self.is_bucket(),
            Reverse(self.ranked_misplaced()),
            Reverse(alloc.and_then(Alloc::remote)),
            Reverse(alloc.and_then(Alloc::misses)),
            Reverse(self.task_moves.as_ref().and_then(|moves| moves.cross_node)),
            Reverse(alloc.and_then(Alloc::page_total)),
            self.pid,
            self.start_ns,
        )
    }
}

/// Kind of an entry of `processes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessKind {
    /// A program.
    User,
    /// A kernel thread.
    Kthread,
    /// Interrupts and softirqs.
    Irq,
    /// A bucket: `[out of scope]`, `[overflow]`, `[no owner]`, `[ended: COMMAND]`.
    Other,
}

/// One thread of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// TID in the initial PID namespace.
    pub tid: Tid,
    /// Last name.
    pub comm: Name,
    /// How many ended threads this entry adds up; `None` for a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<u64>,
    /// Start of the thread: nanoseconds of boot time; TIDs are reused.
    #[serde(default)]
    pub start_ns: Option<u64>,
    /// Page allocations.
    #[serde(default)]
    pub alloc: Option<Alloc>,
    /// User pages that it faulted in.
    #[serde(default)]
    pub first_touch: Option<FirstTouch>,
    /// Sampled accesses.
    #[serde(default)]
    pub hint_faults: Option<HintFaults>,
    /// Moves between CPUs.
    #[serde(default)]
    pub task_moves: Option<TaskMoves>,
    /// CPU time per node, in nanoseconds.
    #[serde(default)]
    pub run_ns: Option<PerNode>,
    /// CPU time on nodes other than the process's home node, in nanoseconds.
    #[serde(default)]
    pub away_ns: Option<u64>,
    /// Work of NUMA balancing in this thread.
    #[serde(default)]
    pub balancer: Option<BalancerWork>,
    /// Changes of CPU mask or memory policy: the first and the last few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<Bind>,
}

/// A change of the CPUs that a thread may run on, or of the nodes that its memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The changed setting.
    pub what: BindWhat,
    /// Time of the change: nanoseconds of boot time.
    pub time_ns: u64,
    /// Time of the change since the start of the thread, in nanoseconds.
    pub after_ns: u64,
    /// The range of memory (first address, address after the last), when it is not all memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[Addr; 2]>,
}

/// The setting that a bind changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindWhat {
    /// The CPU mask of the thread.
    Affinity,
    /// The memory policy of the thread.
    MemoryPolicy,
    /// The memory policy of a range.
    RangePolicy,
    /// The CPUs of the thread's cpuset.
    CpusetCpus,
    /// The memory nodes of the thread's cpuset.
    CpusetMems,
}

impl BindWhat {
    /// Returns the system call or file that changes the setting.
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
    /// A thread without any measured quantity.
    #[must_use]
    pub fn new(tid: Tid, comm: impl Into<Name>) -> Self {
        Self {
            tid,
            comm: comm.into(),
            stands_for: None,
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

    /// The entry for `stands_for` threads that ended, and of which only sums are kept.
    #[must_use]
    pub fn folded(stands_for: u64) -> Self {
        Self {
            stands_for: Some(stands_for),
            ..Self::new(Tid(0), "[ended]")
        }
    }

    /// Returns the key of a ranking of threads: remote allocations, then pages, most first; then
    /// TID.
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
