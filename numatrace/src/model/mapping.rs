//! Mappings: the address ranges of one process with who placed their pages and who uses them.

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde::{Deserialize as DeriveDeserialize, Serialize as DeriveSerialize};

use super::alloc::RemoteByCause;
use super::hint_fault::HintFaults;
use super::matrix::{Matrix, PerNode};
use super::name::Name;
use crate::ids::{NodeId, Tid};

/// A virtual address; `"0x…"` in JSON, because readers keep numbers as doubles and would lose its low bits.
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

/// One run of addresses that was one mapping while its pages were touched.
#[derive(Clone, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct Mapping {
    /// First address.
    pub start: Addr,
    /// First address behind it.
    pub end: Addr,
    /// What kind of memory it is.
    pub kind: MappingKind,
    /// As a person knows it: `[heap]`, `/usr/lib/libfoo.so`, `[anon:name]`.
    pub name: Name,
    /// Who placed its pages.
    pub first_touch: Option<MappingFirstTouch>,
    /// Who uses them.
    pub hint_faults: Option<HintFaults>,
    /// Its pages that changed their node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_migrations: Option<MappingMigrations>,
    /// The threads that use them, most hinting faults first.
    #[serde(default)]
    pub users: Vec<TidFaults>,
    /// Base pages whose users sit on another node than first touch gave them. 0 for what is shared by nature (page cache, program text).
    #[serde(default)]
    pub surprise_pages: Option<u64>,
    /// The same of what is shared by nature: nobody's fault here, and yet remote.
    #[serde(default)]
    pub shared_elsewhere_pages: Option<u64>,
    /// Base pages on each node when it was last looked at, with `--residency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residency: Option<PerNode>,
}

/// Pages of one mapping that changed their node.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct MappingMigrations {
    /// Base pages, `[from][to]`.
    pub matrix: Matrix,
    /// Base pages that went back to a node they had been moved from, as often as they did.
    pub bounced: u64,
}

/// The kinds of memory; the same as the fields of [`ByKind`](super::ByKind).
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
    /// A hugetlb pool's pages.
    Hugetlb,
}

impl MappingKind {
    /// Its name in JSON.
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
    /// Base pages among them that came as transparent huge pages.
    #[serde(default)]
    pub thp: Option<u64>,
    /// Base pages among them that are remote, or that missed the node that was preferred, by cause; `None` where causes are not known.
    #[serde(default)]
    pub remote_by_cause: Option<RemoteByCause>,
    /// The threads that touched them, most pages first.
    #[serde(default)]
    pub by_tid: Vec<TidPages>,
    /// The stacks they did it from: ids in the report's `stacks`, most pages first.
    #[serde(default)]
    pub stacks: Vec<u32>,
    /// The same stacks with what was touched from each, most pages first.
    #[serde(default)]
    pub by_stack: Vec<StackPages>,
}

/// What was touched from one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct StackPages {
    /// Its id in the report's `stacks`.
    pub id: u32,
    /// Base pages of the runs that it was taken in.
    pub pages: u64,
    /// Those among them put on another node than the thread's.
    pub remote: u64,
}

/// One thread's share of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct TidPages {
    /// The thread, in the initial PID namespace.
    pub tid: Tid,
    /// Base pages it touched first.
    pub pages: u64,
    /// Those among them put on another node than its own.
    #[serde(default)]
    pub remote: Option<u64>,
    /// The node it did most of it on.
    #[serde(default)]
    pub node: Option<NodeId>,
    /// When its last run of them on that node began: nanoseconds of boot time.
    #[serde(default)]
    pub last_ns: Option<u64>,
}

/// One thread's use of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveSerialize, DeriveDeserialize)]
pub struct TidFaults {
    /// The thread, in the initial PID namespace.
    pub tid: Tid,
    /// Its hinting faults.
    pub faults: u64,
    /// Those to pages on another node.
    pub remote: u64,
    /// The node most of them came from.
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
