//! Typed runs of page-cache fills.

use numatrace_common::event::fill_run::FillRun as Raw;

use super::{
    count::{NodePair, ThreadId, nodes_of},
    mapping_run::FileId,
};

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
            thread: ThreadId::new(tgid, tid, start_ns),
            nodes: nodes_of(count_key),
            file: FileId { dev, ino },
            pages,
            by_fault: by_fault != 0,
        }
    }
}
