//! Typed samples of memory that the kernel allocates for itself.

use numatrace_common::event::kernel_alloc::KernelAlloc as Raw;

use super::count::{NodePair, ThreadId, nodes_of};

/// A sampled allocation, which stands for several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelAlloc {
    /// The thread that the kernel worked for.
    pub thread: ThreadId,
    /// Node of the thread, node of the page.
    pub nodes: NodePair,
    /// The number of base pages that it stands for.
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
            thread: ThreadId::new(tgid, tid, start_ns),
            nodes: nodes_of(count_key),
            pages,
            stack: u32::try_from(stack).ok(),
        }
    }
}
