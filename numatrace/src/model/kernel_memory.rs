//! Memory that the kernel took for itself on a process's behalf, by the code that asked for it: a sample, on request.

use serde::{Deserialize, Serialize};

/// One kernel stack's part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelMemory {
    /// Its id in the report's `stacks`; `None` when it was not kept.
    pub stack: Option<u32>,
    /// Samples that were taken there.
    pub samples: u64,
    /// Base pages they stand for.
    pub pages: u64,
    /// Those of samples whose page was on another node than the thread.
    pub remote_pages: u64,
}
