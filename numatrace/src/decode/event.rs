//! Typed events: records of the ring in the types of the later stages.

use numatrace_common::{
    count_key::{MoveReason, REASON_UNKNOWN},
    event::{
        pages_moved::PagesMoved as RawPages,
        task_life::{TaskExec as RawExec, TaskExit as RawExit, TaskFork as RawFork},
        task_moved::TaskMoved as RawMoved,
    },
};

use super::{
    count::{NodePair, Owner, Reason, ThreadId, move_reason},
    failure::{AllocFailed, HugetlbFailed, NodeShortage, OomKill},
    fill_run::FillRun,
    kernel_alloc::KernelAlloc,
    mapping_run::{Area, TaskBind, TouchRun, UseRun},
    move_stack::MoveStack,
    policy_refused::PolicyRefused,
};
use crate::{
    ids::{CpuId, NodeId, Pid, Tid},
    model::Name,
};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Nanoseconds since boot.
    pub time_ns: u64,
    /// The CPU that wrote it.
    pub cpu: u32,
    /// The event itself.
    pub body: Body,
}

/// An event of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A process was forked.
    TaskFork(TaskFork),
    /// A process began to run a different program.
    TaskExec(TaskExec),
    /// A thread ended.
    TaskExit(TaskExit),
    /// A run of first touches in one mapping.
    TouchRun(TouchRun),
    /// A run of hinting faults in one mapping.
    UseRun(UseRun),
    /// A thread was bound.
    TaskBind(TaskBind),
    /// A task moved to a different node.
    TaskMoved(TaskMoved),
    /// Pages moved to a different node.
    PagesMoved(PagesMoved),
    /// Pages were added to the page cache.
    FillRun(FillRun),
    /// The kernel allocated memory for itself.
    KernelAlloc(KernelAlloc),
    /// The kernel stack of a CPU change.
    MoveStack(MoveStack),
    /// A process was killed because memory was short.
    OomKill(Box<OomKill>),
    /// A huge page that the pool could not give.
    HugetlbFailed(Box<HugetlbFailed>),
    /// A call about memory policy or CPU affinity was refused.
    PolicyRefused(Box<PolicyRefused>),
    /// An allocation failed for good.
    AllocFailed(AllocFailed),
    /// A node could not give a page that was wanted of it.
    NodeShortage(NodeShortage),
}

/// A task moved to a different node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskMoved {
    /// The thread that moved.
    pub thread: ThreadId,
    /// CPUs: from, to.
    pub cpus: (CpuId, CpuId),
    /// Nodes: from, to.
    pub nodes: NodePair,
    /// Why it moved.
    pub reason: MoveReason,
    /// Its CPU time so far, ns.
    pub ran_ns: u64,
    /// Its hinting faults on pages of other nodes since its previous cross-node move; 0 for the
    /// first one.
    pub far_faults: u64,
}

/// Pages of one owner moved to a different node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagesMoved {
    /// The owner of the pages.
    pub owner: Owner,
    /// The process that asked for the move.
    pub asker: Pid,
    /// Nodes: from, to.
    pub nodes: NodePair,
    /// Why they moved.
    pub reason: Reason,
    /// The number of base pages.
    pub pages: u64,
    /// Lowest address, and first address after the highest page.
    pub range: (u64, u64),
    /// Their mapping; not [known](Area::known) in sessions that do not record addresses.
    pub area: Area,
}

/// A process was forked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFork {
    /// The child.
    pub pid: Pid,
    /// Start of the child, ns since boot.
    pub start_ns: u64,
    /// Its parent.
    pub parent: Pid,
    /// True for a kernel thread.
    pub kthread: bool,
    /// Its name.
    pub comm: Name,
}

/// A process began to run a different program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskExec {
    /// The process.
    pub pid: Pid,
    /// Its start, ns since boot.
    pub start_ns: u64,
    /// Its new name.
    pub comm: Name,
    /// The path passed to exec; `None` when it could not be read.
    pub filename: Option<Name>,
}

/// A thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskExit {
    /// The thread.
    pub tid: Tid,
    /// Its start, ns since boot.
    pub start_ns: u64,
    /// Its process.
    pub pid: Pid,
    /// Start of the process, ns since boot.
    pub process_start_ns: u64,
    /// True for a kernel thread.
    pub kthread: bool,
    /// True for the last thread of its process.
    pub group_dead: bool,
    /// Number of the signal that killed the process.
    pub signal: Option<u8>,
    /// Its last name.
    pub comm: Name,
}

/// `PF_KTHREAD` (include/linux/sched.h), the same on all kernels.
const PF_KTHREAD: u32 = 0x0020_0000;

impl From<RawMoved> for Body {
    fn from(raw: RawMoved) -> Self {
        let RawMoved {
            header: _,
            start_ns,
            tid,
            tgid,
            from_cpu,
            to_cpu,
            from,
            to,
            reason,
            reserved: _,
            ran_ns,
            remote_faults: far_faults,
        } = raw;
        Body::TaskMoved(TaskMoved {
            thread: ThreadId::new(tgid, tid, start_ns),
            cpus: (CpuId(from_cpu), CpuId(to_cpu)),
            nodes: (NodeId(from), NodeId(to)),
            reason: move_reason(reason.into()),
            ran_ns,
            far_faults,
        })
    }
}

impl From<RawPages> for Body {
    fn from(raw: RawPages) -> Self {
        let RawPages {
            header: _,
            start_ns,
            tid,
            tgid,
            asker,
            from,
            to,
            reason,
            folios: _,
            pages,
            low,
            high,
            area,
        } = raw;
        Body::PagesMoved(PagesMoved {
            owner: Owner::new(tgid, tid, start_ns),
            asker: Pid(asker),
            nodes: (NodeId(from), NodeId(to)),
            reason: Reason::try_from(reason).unwrap_or(REASON_UNKNOWN),
            pages,
            range: (low, high.max(low)),
            area: area.into(),
        })
    }
}

impl From<RawFork> for Body {
    fn from(raw: RawFork) -> Self {
        let RawFork {
            header: _,
            start_ns,
            pid,
            parent,
            flags,
            reserved: _,
            comm,
        } = raw;
        Body::TaskFork(TaskFork {
            pid: Pid(pid),
            start_ns,
            parent: Pid(parent),
            kthread: flags & PF_KTHREAD != 0,
            comm: Name::from_nul_padded(&comm),
        })
    }
}

impl From<RawExec> for Body {
    fn from(raw: RawExec) -> Self {
        let RawExec {
            header: _,
            start_ns,
            pid,
            reserved: _,
            comm,
            filename,
        } = raw;
        let filename = Name::from_nul_padded(&filename);
        Body::TaskExec(TaskExec {
            pid: Pid(pid),
            start_ns,
            comm: Name::from_nul_padded(&comm),
            filename: (!filename.is_empty()).then_some(filename),
        })
    }
}

impl From<RawExit> for Body {
    fn from(raw: RawExit) -> Self {
        let RawExit {
            header: _,
            start_ns,
            process_start_ns,
            tid,
            pid,
            flags,
            group_dead,
            comm,
        } = raw;
        Body::TaskExit(TaskExit {
            tid: Tid(tid),
            start_ns,
            pid: Pid(pid),
            process_start_ns,
            kthread: flags & PF_KTHREAD != 0,
            group_dead: group_dead & 1 != 0,
            signal: u8::try_from(group_dead >> 8)
                .ok()
                .filter(|signal| *signal != 0),
            comm: Name::from_nul_padded(&comm),
        })
    }
}
