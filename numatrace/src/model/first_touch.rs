//! First touch: the faults that made user pages exist, by node of the thread and node of the page.

use serde::{Deserialize, Serialize};

use super::matrix::Matrix;

/// User pages by who touched them first and where they were put.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstTouch {
    /// Base pages, `[task node][page node]`; off the diagonal is memory placed away from its first user.
    pub pages: Option<Matrix>,
    /// The same pages by kind of mapping: a partition of `pages`.
    pub by_kind: Option<ByKind>,
    /// Some of the same pages counted again by a property.
    pub marks: Option<Marks>,
}

/// Base pages by kind of mapping. A file with a path is `file`, on tmpfs too; memory shared without a path is `shmem`.
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

/// Base pages that have a property, whatever their kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Copied on write.
    pub cow: Option<u64>,
    /// Part of a transparent huge page.
    pub thp: Option<u64>,
}
