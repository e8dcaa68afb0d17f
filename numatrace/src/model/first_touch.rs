//! First touch: user pages faulted in, by node of the faulting thread and node of the page, charged
//! to the process that has the memory.

use serde::{Deserialize, Serialize};

use super::{
    matrix::{ByDistance, Matrix},
    name::Name,
};
use crate::ids::Pid;

/// User pages that were faulted in, by node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstTouch {
    /// Base pages, `[task node][page node]`; off the diagonal are remote touches.
    pub pages: Option<Matrix>,
    /// Base pages on other nodes than the thread's, by firmware's distance; `None` where all other
    /// nodes are equally far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_by_distance: Option<ByDistance>,
    /// `pages` by kind of mapping: a partition.
    pub by_kind: Option<ByKind>,
    /// Parts of `pages` with a property; a page can be in several.
    pub marks: Option<Marks>,
    /// Part of `pages` that other processes touched, most pages first; empty where none did, and
    /// where only the process's own faults are seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_others: Vec<TouchedBy>,
}

/// A process that touched first the memory of a different one: by process_vm_writev(2) or
/// ptrace(2), or as a worker of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedBy {
    /// The process, in the initial PID namespace.
    pub pid: Pid,
    /// Name; `None` when the process ended before it could be read.
    pub comm: Option<Name>,
    /// Base pages that it touched.
    pub pages: u64,
}

/// Base pages by kind of mapping. A file with a path is `file`, on tmpfs too; shared memory without
/// a path is `shmem`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByKind {
    /// Private anonymous memory that is neither heap nor stack.
    pub anon: Option<u64>,
    /// The `brk` heap.
    pub heap: Option<u64>,
    /// Stacks of the main thread and of others.
    pub stack: Option<u64>,
    /// Pages of files with a path.
    pub file: Option<u64>,
    /// memfd, System V, POSIX and anonymous shared memory.
    pub shmem: Option<u64>,
    /// Pages of a hugetlb pool.
    pub hugetlb: Option<u64>,
}

/// Base pages with a property, of any kind of mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Copied on write.
    pub cow: Option<u64>,
    /// Part of a transparent huge page.
    pub thp: Option<u64>,
}
