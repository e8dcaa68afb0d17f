//! Typed runs of page-cache fills.

use numatrace_common::event::fill_run::FillRun as Raw;

use super::{
    count::{NodePair, ThreadId},
    mapping_run::FileId,
};
use crate::ids::{NodeId, Pid, Tid};

/// Pages of one file that one thread added to the page cache, on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillRun {
    /// The thread.
    pub thread: ThreadId,
    /// Node of the thread, node of the pages.
    pub nodes: NodePair,
    /// The file.
    pub file: FileId,
    /// The number of base pages.
    pub pages: u64,
    /// True if a page fault added them, false for a system call.
    pub by_fault: bool,
}

impl From<Raw> for FillRun {
    fn from(raw: Raw) -> Self {
        let Raw {
            header: _,
            start_ns,
            tid,
            tgid,
            count_key,
            pages,
            ino,
            dev,
            by_fault,
        } = raw;
        Self {
            thread: ThreadId {
                pid: Pid(tgid),
                tid: Tid(tid),
                start_ns,
            },
            nodes: (NodeId(count_key.task_node()), NodeId(count_key.page_node())),
            file: FileId { dev, ino },
            pages,
            by_fault: by_fault != 0,
        }
    }
}
