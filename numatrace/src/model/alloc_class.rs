//! Allocations by size and use, and the modes of the memory policies behind remote ones.

use numatrace_common::count_key::BIND_SEVERAL;
use serde::{Deserialize, Serialize};

/// Allocations by size and use, a partition of all of them; order and flags of the request decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByClass {
    /// One base page that user space may map: anonymous memory, page cache.
    pub user_4k: ClassTally,
    /// A folio for user space between a base page and a huge page.
    pub user_large: ClassTally,
    /// A transparent huge page.
    pub thp: ClassTally,
    /// A huge page for the hugetlb pool.
    pub hugetlb: ClassTally,
    /// A user page table.
    pub page_table: ClassTally,
    /// The kernel's own memory: slabs, stacks, buffers.
    pub kernel: ClassTally,
}

/// Allocations of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassTally {
    /// Satisfied requests.
    pub allocations: u64,
    /// Base pages of these requests.
    pub pages: u64,
}

impl ClassTally {
    /// Adds counts, saturating.
    pub fn add(&mut self, allocations: u64, pages: u64) {
        self.allocations = self.allocations.saturating_add(allocations);
        self.pages = self.pages.saturating_add(pages);
    }
}

impl ByClass {
    /// Returns the classes by field name, from user pages to kernel memory.
    #[must_use]
    pub fn named(&self) -> [(&'static str, ClassTally); 6] {
        let Self {
            user_4k,
            user_large,
            thp,
            hugetlb,
            page_table,
            kernel,
        } = *self;
        [
            ("user_4k", user_4k),
            ("user_large", user_large),
            ("thp", thp),
            ("hugetlb", hugetlb),
            ("page_table", page_table),
            ("kernel", kernel),
        ]
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        let Self {
            user_4k,
            user_large,
            thp,
            hugetlb,
            page_table,
            kernel,
        } = other;
        for (sum, more) in [
            (&mut self.user_4k, user_4k),
            (&mut self.user_large, user_large),
            (&mut self.thp, thp),
            (&mut self.hugetlb, hugetlb),
            (&mut self.page_table, page_table),
            (&mut self.kernel, kernel),
        ] {
            sum.add(more.allocations, more.pages);
        }
    }
}

/// A memory policy's mode (include/uapi/linux/mempolicy.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyMode {
    /// `MPOL_PREFERRED`: this node, others when it is full.
    Preferred,
    /// `MPOL_BIND`: these nodes only.
    Bind,
    /// `MPOL_INTERLEAVE`: page by page over these nodes.
    Interleave,
    /// `MPOL_PREFERRED_MANY`: these nodes, others when they are full.
    PreferredMany,
    /// `MPOL_WEIGHTED_INTERLEAVE`: over these nodes by weight.
    WeightedInterleave,
    /// A policy took effect, but its mode was not seen.
    Unknown,
}

impl PolicyMode {
    /// Returns whether policies of this mode always have several nodes: memory on any of them is
    /// meant.
    #[must_use]
    pub fn has_several_nodes(self) -> bool {
        match self {
            Self::Interleave | Self::WeightedInterleave | Self::PreferredMany => true,
            Self::Preferred | Self::Bind | Self::Unknown => false,
        }
    }

    /// Returns whether a policy of this mode spreads memory over its nodes in turn.
    #[must_use]
    pub fn spreads(self) -> bool {
        matches!(self, Self::Interleave | Self::WeightedInterleave)
    }

    /// Returns the mode for the mark of a count key: the kernel's number (`MPOL_*`), or
    /// [`BIND_SEVERAL`].
    #[must_use]
    pub fn of(number: u8) -> Self {
        match number {
            1 => Self::Preferred,
            2 | BIND_SEVERAL => Self::Bind,
            3 => Self::Interleave,
            5 => Self::PreferredMany,
            6 => Self::WeightedInterleave,
            _ => Self::Unknown,
        }
    }

    /// Returns the mode in words.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Preferred => "preferred",
            Self::Bind => "bind",
            Self::Interleave => "interleave",
            Self::PreferredMany => "preferred many",
            Self::WeightedInterleave => "weighted interleave",
            Self::Unknown => "mode unknown",
        }
    }
}
