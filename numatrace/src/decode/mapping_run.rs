//! Typed runs by mapping: first touches and hinting faults of one thread in one mapping.

use numatrace_common::{
    count_key::{RemoteCause, TOUCH_COW, TOUCH_THP, TouchKind},
    event::{
        mapping_run::{Area as RawArea, TouchRun as RawTouch, UseRun as RawUse},
        task_bind::{BindWhat, TaskBind as RawBind},
    },
};
use serde::{Deserialize, Serialize};

use super::count::{NodePair, ThreadId, nodes_of};
use crate::ids::Pid;

/// A file, by the numbers that identify it in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId {
    /// Device, `major << 20 | minor`.
    pub dev: u32,
    /// Inode number.
    pub ino: u64,
}

/// The kernel's mapping at the time when a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// `VM_*` (include/linux/mm.h).
    pub flags: u64,
    /// Offset of the start in the file, in pages.
    pub pgoff: u64,
    /// Its file.
    pub file: Option<FileId>,
}

impl Area {
    /// `VM_WRITE`, `VM_EXEC`, `VM_SHARED`, `VM_GROWSDOWN`, `VM_HUGETLB` (include/linux/mm.h), the
    /// same on all kernels.
    const WRITE: u64 = 0x2;
    const EXEC: u64 = 0x4;
    const SHARED: u64 = 0x8;
    const GROWS_DOWN: u64 = 0x100;
    const HUGETLB: u64 = 0x40_0000;

    /// Returns whether it may be written.
    pub fn writable(&self) -> bool {
        self.flags & Self::WRITE != 0
    }

    /// Returns whether code in it may be executed.
    pub fn executable(&self) -> bool {
        self.flags & Self::EXEC != 0
    }

    /// Returns whether other processes see writes to it.
    pub fn shared(&self) -> bool {
        self.flags & Self::SHARED != 0
    }

    /// Returns whether it is the main thread's stack.
    pub fn main_stack(&self) -> bool {
        self.flags & Self::GROWS_DOWN != 0
    }

    /// Returns whether its pages come from the hugetlb pool.
    pub fn hugetlb(&self) -> bool {
        self.flags & Self::HUGETLB != 0
    }

    /// Returns whether the range is known; false when the hook only knew an address.
    pub fn known(&self) -> bool {
        self.end > self.start
    }
}

impl From<RawArea> for Area {
    fn from(raw: RawArea) -> Self {
        let RawArea {
            start,
            end,
            flags,
            pgoff,
            ino,
            dev,
            toucher: _,
        } = raw;
        Self {
            start,
            end,
            flags,
            pgoff,
            file: (ino != 0).then_some(FileId { dev, ino }),
        }
    }
}

/// First touches of one thread in one mapping, of one kind, onto one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TouchRun {
    /// The thread.
    pub thread: ThreadId,
    /// When it began, ns since boot.
    pub began_ns: u64,
    /// Node of the thread, node of the pages.
    pub nodes: NodePair,
    /// Kind of the mapping; `None` for a number unknown to this version, and without a known range.
    pub kind: Option<TouchKind>,
    /// True for private copies of shared pages.
    pub cow: bool,
    /// True for transparent huge pages.
    pub thp: bool,
    /// Lowest address.
    pub low: u64,
    /// First address after the highest page.
    pub high: u64,
    /// The number of base pages.
    pub pages: u64,
    /// The thread's stack pointer when the run began.
    pub sp: Option<u64>,
    /// The mapping.
    pub area: Area,
    /// Number of the first user stack of the run.
    pub stack: Option<u32>,
    /// The process that touched the pages, if it is not the one that has them. The thread is then
    /// one of the owner.
    pub toucher: Option<Pid>,
    /// Base pages by the number of their [`RemoteCause`].
    pub causes: [u32; RemoteCause::ALL.len()],
}

/// Hinting faults of one thread in one mapping, from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseRun {
    /// The thread.
    pub thread: ThreadId,
    /// When it began, ns since boot.
    pub began_ns: u64,
    /// Node of the thread, node of the pages before any migration.
    pub nodes: NodePair,
    /// Lowest address.
    pub low: u64,
    /// First address after the highest page.
    pub high: u64,
    /// The number of faults.
    pub faults: u64,
    /// The number of base pages that the faults moved.
    pub migrated: u64,
    /// The mapping.
    pub area: Area,
}

#[cfg(test)]
impl TouchRun {
    /// Returns a run of base pages on `node`, of thread 7 on node 0, in memory with a known address
    /// only.
    pub fn example(low: u64, pages: u64, node: crate::ids::NodeId) -> Self {
        Self {
            thread: ThreadId::new(7, 7, 5),
            began_ns: 10,
            nodes: (crate::ids::NodeId(0), node),
            kind: None,
            toucher: None,
            causes: Default::default(),
            cow: false,
            thp: false,
            low,
            high: low + pages * 4096,
            pages,
            sp: None,
            area: Area {
                start: 0,
                end: 0,
                flags: 0,
                pgoff: 0,
                file: None,
            },
            stack: None,
        }
    }
}

impl From<RawTouch> for TouchRun {
    fn from(raw: RawTouch) -> Self {
        let RawTouch {
            header: _,
            began_ns,
            start_ns,
            tid,
            tgid,
            count_key,
            low,
            high,
            pages,
            sp,
            area,
            stack,
            causes,
        } = raw;
        Self {
            thread: ThreadId::new(tgid, tid, start_ns),
            began_ns,
            nodes: nodes_of(count_key),
            // Without a known range the kind is a guess of the hook.
            kind: TouchKind::ALL
                .get(usize::from(count_key.class()))
                .copied()
                .filter(|_| area.end > area.start),
            cow: count_key.mark() & TOUCH_COW != 0,
            thp: count_key.mark() & TOUCH_THP != 0,
            low,
            high: high.max(low),
            pages,
            sp: (sp != 0).then_some(sp),
            toucher: (area.toucher != 0).then_some(Pid(area.toucher)),
            area: area.into(),
            stack: u32::try_from(stack).ok(),
            causes,
        }
    }
}

impl From<RawUse> for UseRun {
    fn from(raw: RawUse) -> Self {
        let RawUse {
            header: _,
            began_ns,
            start_ns,
            tid,
            tgid,
            count_key,
            low,
            high,
            faults,
            migrated,
            area,
        } = raw;
        Self {
            thread: ThreadId::new(tgid, tid, start_ns),
            began_ns,
            nodes: nodes_of(count_key),
            low,
            high: high.max(low),
            faults,
            migrated,
            area: area.into(),
        }
    }
}

/// A thread was bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskBind {
    /// The bound thread.
    pub thread: ThreadId,
    /// The kind of binding; `None` for a number unknown to this version.
    pub what: Option<BindWhat>,
    /// The range of memory that was bound; `None` for a binding of the whole thread.
    pub range: Option<(u64, u64)>,
}

impl From<RawBind> for TaskBind {
    fn from(raw: RawBind) -> Self {
        let RawBind {
            header: _,
            start_ns,
            tid,
            tgid,
            what,
            reserved: _,
            low,
            high,
        } = raw;
        let what = usize::try_from(what).ok();
        Self {
            thread: ThreadId::new(tgid, tid, start_ns),
            what: what.and_then(|what| BindWhat::ALL.get(what)).copied(),
            range: (low < high).then_some((low, high)),
        }
    }
}
