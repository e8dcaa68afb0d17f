//! Typed runs of page-cache pages that came in.

use numatrace_common::event::fill_run::FillRun as Raw;

use super::{
    count::{NodePair, ThreadId},
    mapping_run::FileId,
};
use crate::ids::{NodeId, Pid, Tid};

/// Pages that one thread brought into the page cache for one file, onto one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillRun {
    /// Who.
    pub thread: ThreadId,
    /// Node of the thread, node of the pages.
    pub nodes: NodePair,
    /// Which file.
    pub file: FileId,
    /// Base pages.
    pub pages: u64,
    /// A page fault asked for them, not a system call.
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
