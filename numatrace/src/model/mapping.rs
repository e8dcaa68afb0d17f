//! Mappings: address ranges of a process, with the threads that placed and use their pages.

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde::{Deserialize as DeriveDeserialize, Serialize as DeriveSerialize};

use super::first_touch::TouchedBy;
use super::hint_fault::HintFaults;
use super::matrix::{Matrix, PerNode};
use super::name::Name;
use super::remote_by_cause::RemoteByCause;
use crate::ids::{NodeId, Tid};

/// A virtual address; `"0x…"` in JSON, because readers that keep numbers as doubles would lose the
/// low bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr(pub u64);

impl Serialize for Addr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Addr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_prefix("0x")
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or_else(|| {
                de::Error::invalid_value(
                    de::Unexpected::Str(&text),
                    &"an address such as 0x7f0000000000",
                )
            })
    }
}

/// One range of addresses that was one mapping while its pages were touched.
#[derive(Clone, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct Mapping {
    /// First address.
    pub start: Addr,
    /// Address after the last byte.
    pub end: Addr,
    /// Kind of memory.
    pub kind: MappingKind,
    /// Name: `[heap]`, `/usr/lib/libfoo.so`, `[anon:name]`.
    pub name: Name,
    /// First touches of its pages.
    pub first_touch: Option<MappingFirstTouch>,
    /// Sampled accesses to its pages.
    pub hint_faults: Option<HintFaults>,
    /// Migrations of its pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_migrations: Option<MappingMigrations>,
    /// The threads that use its pages, most hinting faults first.
    #[serde(default)]
    pub users: Vec<TidFaults>,
    /// Base pages used remotely: the threads that use them run on a different node from the one
    /// that first touch placed them on. 0 for memory that many processes share by design (page
    /// cache, program text).
    #[serde(default)]
    pub surprise_pages: Option<u64>,
    /// Base pages used remotely of page cache and program text, where the process is not to blame.
    #[serde(default)]
    pub shared_elsewhere_pages: Option<u64>,
    /// Base pages on each node when residency was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residency: Option<PerNode>,
    /// Type of the file system that its file is on: `ext4`, `tmpfs`; `None` for small files, for
    /// memory without a file, and where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_system: Option<String>,
}

impl Mapping {
    /// Returns the pages touched first, `[task node][page node]`, where they were measured.
    #[must_use]
    pub fn touches(&self) -> Option<&Matrix> {
        self.first_touch.as_ref()?.pages.as_ref()
    }

    /// Returns the sampled accesses, `[task node][page node]`, where they were measured.
    #[must_use]
    pub fn accesses(&self) -> Option<&Matrix> {
        self.hint_faults.as_ref()?.matrix.as_ref()
    }

    /// Returns the base pages touched first, 0 where they were not measured.
    #[must_use]
    pub fn touched(&self) -> u64 {
        self.touches().map_or(0, Matrix::total)
    }

    /// Returns the position of the node with most of the pages: by first touch, else by the sampled
    /// remote accesses.
    #[must_use]
    pub fn home(&self) -> Option<usize> {
        let touches = self.touches().filter(|pages| pages.total() > 0);
        if let Some(pages) = touches {
            return pages.by_to().most();
        }
        let accesses = self.accesses()?;
        let mut remote = accesses.by_to();
        for (position, count) in remote.0.iter_mut().enumerate() {
            *count = count.saturating_sub(accesses.at(position, position));
        }
        remote.most()
    }

    /// Returns the position of the node with most of the sampled accesses, its home included.
    #[must_use]
    pub fn user(&self) -> Option<usize> {
        self.accesses()?.by_from().most()
    }

    /// Returns the base pages on each node at the end: by residency if it was read, else by first
    /// touches and the migrations after them. `None` where neither is known.
    #[must_use]
    pub fn at_end(&self) -> Option<PerNode> {
        if let Some(pages) = &self.residency {
            return Some(pages.clone());
        }
        let mut pages = self.touches()?.by_to();
        if let Some(moved) = &self.page_migrations {
            pages.add(&moved.matrix.by_to());
            for (position, left) in moved.matrix.by_from().0.iter().enumerate() {
                if let Some(here) = pages.0.get_mut(position) {
                    *here = here.saturating_sub(*left);
                }
            }
        }
        Some(pages)
    }
}

/// Migrations of the pages of one mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct MappingMigrations {
    /// Base pages, `[from][to]`.
    pub matrix: Matrix,
    /// Base pages moved back to a node that they had been migrated from, counted each time.
    pub bounced: u64,
}

/// Kinds of memory, one for each field of [`ByKind`](super::ByKind).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveSerialize, DeriveDeserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum MappingKind {
    /// Private anonymous memory.
    Anon,
    /// The `brk` heap.
    Heap,
    /// A stack.
    Stack,
    /// A file with a path.
    File,
    /// Shared memory without a path.
    Shmem,
    /// Pages of a hugetlb pool.
    Hugetlb,
}

impl MappingKind {
    /// Returns the name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Anon => "anon",
            Self::Heap => "heap",
            Self::Stack => "stack",
            Self::File => "file",
            Self::Shmem => "shmem",
            Self::Hugetlb => "hugetlb",
        }
    }
}

/// First touch of one mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct MappingFirstTouch {
    /// Base pages, `[task node][page node]`.
    pub pages: Option<Matrix>,
    /// Part of `pages` that came as transparent huge pages.
    #[serde(default)]
    pub thp: Option<u64>,
    /// Remote or missed part of `pages`, by cause; `None` where causes are not known.
    #[serde(default)]
    pub remote_by_cause: Option<RemoteByCause>,
    /// The threads that touched the pages, most pages first.
    #[serde(default)]
    pub by_tid: Vec<TidPages>,
    /// Other processes that touched pages, most pages first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_others: Vec<TouchedBy>,
    /// The stacks that touched the pages: ids in the report's `stacks`, most pages first.
    #[serde(default)]
    pub stacks: Vec<u32>,
    /// Pages by stack, most pages first.
    #[serde(default)]
    pub by_stack: Vec<StackPages>,
}

/// Pages touched from one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct StackPages {
    /// Id of the stack in the report's `stacks`.
    pub id: u32,
    /// Base pages of the runs in which the stack was taken.
    pub pages: u64,
    /// Part of `pages` placed on a different node from the thread.
    pub remote: u64,
}

/// Pages of a mapping or file that one thread touched first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct TidPages {
    /// The thread, in the initial PID namespace.
    pub tid: Tid,
    /// Base pages that the thread touched first.
    pub pages: u64,
    /// Part of `pages` placed on a different node from the thread.
    #[serde(default)]
    pub remote: Option<u64>,
    /// Node on which the thread touched most of them.
    #[serde(default)]
    pub node: Option<NodeId>,
    /// Start of the last run of touches on that node: nanoseconds of boot time.
    #[serde(default)]
    pub last_ns: Option<u64>,
}

/// Sampled accesses of one thread to a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct TidFaults {
    /// The thread, in the initial PID namespace.
    pub tid: Tid,
    /// Hinting faults of the thread.
    pub faults: u64,
    /// Part of `faults` to pages on a different node.
    pub remote: u64,
    /// Node that most of the faults came from.
    #[serde(default)]
    pub node: Option<NodeId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_json_to_the_last_bit() {
        let addr = Addr(0xffff_ffff_ffff_ffff);
        let text = serde_json::to_string(&addr).unwrap();
        assert_eq!(text, "\"0xffffffffffffffff\"");
        assert_eq!(serde_json::from_str::<Addr>(&text).unwrap(), addr);
    }

    #[test]
    fn an_address_without_its_prefix_is_refused_with_an_example() {
        let error = serde_json::from_str::<Addr>("\"7f00\"")
            .unwrap_err()
            .to_string();
        assert!(error.contains("0x7f0000000000"), "{error}");
    }
}
