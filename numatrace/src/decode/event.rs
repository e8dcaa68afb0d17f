//! Typed events: what a record says, in the types of the later stages.

use numatrace_common::{
    count_key::{MoveReason, REASON_UNKNOWN},
    event::{
        pages_moved::PagesMoved as RawPages,
        task_life::{TaskExec as RawExec, TaskExit as RawExit, TaskFork as RawFork},
        task_moved::TaskMoved as RawMoved,
    },
};

use super::{
    count::{NodePair, Owner, Reason, ThreadId},
    fill_run::FillRun,
    kernel_alloc::KernelAlloc,
    mapping_run::{Area, TaskBind, TouchRun, UseRun},
    move_stack::MoveStack,
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
    /// CPU it was written on.
    pub cpu: u32,
    /// What happened.
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A process was born.
    TaskFork(TaskFork),
    /// A process runs another program.
    TaskExec(TaskExec),
    /// A thread ended.
    TaskExit(TaskExit),
    /// A run of first touches in one mapping.
    TouchRun(TouchRun),
    /// A run of hinting faults in one mapping.
    UseRun(UseRun),
    /// A thread was bound.
    TaskBind(TaskBind),
    /// A task changed its node.
    TaskMoved(TaskMoved),
    /// Pages changed their node.
    PagesMoved(PagesMoved),
    /// Pages came into the page cache.
    FillRun(FillRun),
    /// The kernel took memory for itself.
    KernelAlloc(KernelAlloc),
    /// The kernel stack of a change of CPU.
    MoveStack(MoveStack),
}

/// A task changed its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskMoved {
    /// Who moved.
    pub thread: ThreadId,
    /// CPUs: from, to.
    pub cpus: (CpuId, CpuId),
    /// Nodes: from, to.
    pub nodes: NodePair,
    /// Why.
    pub reason: MoveReason,
    /// Its CPU time so far, ns.
    pub ran_ns: u64,
    /// Its hinting faults on pages of other nodes since its last such move; 0 with the first.
    pub far_faults: u64,
}

/// Pages of one owner changed their node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagesMoved {
    /// Whose.
    pub owner: Owner,
    /// Who asked.
    pub asker: Pid,
    /// Nodes: from, to.
    pub nodes: NodePair,
    /// Why.
    pub reason: Reason,
    /// Base pages.
    pub pages: u64,
    /// Lowest address, and the first one behind the highest page.
    pub range: (u64, u64),
    /// The mapping that had them; not [known](Area::known) where addresses were not wanted.
    pub area: Area,
}

/// A process was born.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFork {
    /// The child.
    pub pid: Pid,
    /// Start of the child, ns since boot.
    pub start_ns: u64,
    /// Its parent.
    pub parent: Pid,
    /// A kernel thread.
    pub kthread: bool,
    /// Its name.
    pub comm: Name,
}

/// A process runs another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskExec {
    /// The process.
    pub pid: Pid,
    /// Its start, ns since boot.
    pub start_ns: u64,
    /// Its name from now on.
    pub comm: Name,
    /// The path given to exec; `None` when the kernel would not let it be read.
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
    /// A kernel thread.
    pub kthread: bool,
    /// It was the last one of its process.
    pub group_dead: bool,
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
            thread: ThreadId {
                pid: Pid(tgid),
                tid: Tid(tid),
                start_ns,
            },
            cpus: (CpuId(from_cpu), CpuId(to_cpu)),
            nodes: (NodeId(from), NodeId(to)),
            reason: MoveReason::ALL
                .get(usize::from(reason))
                .copied()
                .unwrap_or(MoveReason::Unknown),
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
            group_dead: group_dead != 0,
            comm: Name::from_nul_padded(&comm),
        })
    }
}
