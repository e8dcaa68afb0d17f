//! Kernel memory allocated on behalf of a process, by allocating code: a sample, on request.

use serde::{Deserialize, Serialize};

/// Kernel memory allocated from one kernel stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelMemory {
    /// Id of the stack in the report's `stacks`; `None` when it was not kept.
    pub stack: Option<u32>,
    /// Samples with this stack.
    pub samples: u64,
    /// Base pages that the samples stand for.
    pub pages: u64,
    /// Part of `pages` from samples whose page was on a different node from the thread.
    pub remote_pages: u64,
}
