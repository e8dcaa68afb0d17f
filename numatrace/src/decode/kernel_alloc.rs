//! Typed samples of memory that the kernel takes for itself.

use numatrace_common::event::kernel_alloc::KernelAlloc as Raw;

use super::count::{NodePair, ThreadId};
use crate::ids::{NodeId, Pid, Tid};

/// One allocation out of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelAlloc {
    /// On whose behalf.
    pub thread: ThreadId,
    /// Node of the thread, node of the page.
    pub nodes: NodePair,
    /// Base pages it stands for.
    pub pages: u64,
    /// Number of its kernel stack.
    pub stack: Option<u32>,
}

impl From<Raw> for KernelAlloc {
    fn from(raw: Raw) -> Self {
        let Raw {
            header: _,
            start_ns,
            tid,
            tgid,
            count_key,
            pages,
            stack,
        } = raw;
        Self {
            thread: ThreadId {
                pid: Pid(tgid),
                tid: Tid(tid),
                start_ns,
            },
            nodes: (NodeId(count_key.task_node()), NodeId(count_key.page_node())),
            pages,
            stack: u32::try_from(stack).ok(),
        }
    }
}
