//! Typed counts: entries of the totals in the types of the later stages.

use std::hash::{Hash, Hasher};

use numatrace_common::{
    count_key::{
        AllocClass, CacheStep, CountKey, FAILED_BUSY, LATENCY_BATCH, LIMIT_CPUSET, LIMIT_NONE,
        MOVED_BACK, MOVED_TO_WAKER, RemoteCause, Stem, TOUCH_COW, TOUCH_THP, TOUCH_WITHDRAWN,
        TouchKind,
    },
    totals::{IRQ, NO_OWNER, OUT_OF_SCOPE, OVERFLOW, TotalKey, TotalValue},
};
use serde::{Deserialize, Serialize};

pub use numatrace_common::count_key::{BalancerWork, MoveReason, ReclaimKind};

use crate::ids::{CpuId, NodeId, Pid, Tid};

/// The owner of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// A thread of a process.
    Thread(ThreadId),
    /// An interrupt.
    Irq,
    /// Any task outside the session's scope.
    OutOfScope,
    /// Owners for which the table of totals had no room.
    Overflow,
    /// Memory that belongs to no process.
    Nobody,
}

/// A thread: its start distinguishes it from earlier threads with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ThreadId {
    /// Its process.
    pub pid: Pid,
    /// Its thread id.
    pub tid: Tid,
    /// Its start, ns since boot.
    pub start_ns: u64,
}

// Hashed once for each count: one word instead of three.
impl Hash for ThreadId {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let numbers = u64::from(self.pid.0) << 32 | u64::from(self.tid.0);
        state.write_u64(self.start_ns ^ numbers.rotate_left(17));
    }
}

impl ThreadId {
    /// Returns the thread of a record or a count key.
    pub fn new(tgid: u32, tid: u32, start_ns: u64) -> Self {
        Self {
            pid: Pid(tgid),
            tid: Tid(tid),
            start_ns,
        }
    }
}

impl Owner {
    /// Returns the owner of a count key or a run.
    pub fn new(tgid: u32, tid: u32, start_ns: u64) -> Self {
        match tgid {
            IRQ => Owner::Irq,
            OUT_OF_SCOPE => Owner::OutOfScope,
            OVERFLOW => Owner::Overflow,
            NO_OWNER => Owner::Nobody,
            pid => Owner::Thread(ThreadId::new(pid, tid, start_ns)),
        }
    }
}

/// The facts that an allocation is counted by: the six numastat counters follow from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AllocKey {
    /// Node of the allocating CPU.
    pub task_node: NodeId,
    /// Node of the pages.
    pub page_node: NodeId,
    /// Node of the preferred zone; `None` on the fallback hook.
    pub preferred: Option<NodeId>,
    /// Size and use; `None` for a number unknown to this version.
    pub class: Option<AllocClass>,
    /// Why it is remote or missed its node; `None` for a number unknown to this version.
    pub cause: Option<RemoteCause>,
    /// Mode of the memory policy when that is the cause (include/uapi/linux/mempolicy.h).
    pub policy_mode: u8,
}

impl AllocKey {
    /// Decodes the count key of an allocation, without its epoch.
    pub fn new(count_key: CountKey) -> Self {
        Self {
            task_node: NodeId(count_key.task_node()),
            page_node: NodeId(count_key.page_node()),
            preferred: count_key.preferred_node().map(NodeId),
            class: AllocClass::ALL.get(usize::from(count_key.class())).copied(),
            cause: RemoteCause::ALL
                .get(usize::from(count_key.cause()))
                .copied(),
            policy_mode: count_key.mark(),
        }
    }
}

/// One count of the totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The full number of the epoch it was counted in.
    pub epoch: u64,
    /// The owner of the events.
    pub owner: Owner,
    /// The events counted.
    pub what: CountKind,
    /// The number of events.
    pub count: u64,
    /// The sum of their amounts. The kind gives the unit: base pages, ns or page table entries.
    pub amount: u64,
}

/// The kind of events that a count is about. Kinds without a unit have no meaningful amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CountKind {
    /// Page allocations: amount = base pages.
    Alloc(AllocKey),
    /// Allocations that an interleave policy placed on its chosen node, by that node.
    InterleaveHit(NodeId),
    /// First touches: user pages that page faults made; amount = base pages.
    FirstTouch(TouchKey),
    /// NUMA hinting faults, by thread's node and page's node.
    HintFault(NodePair),
    /// Pages that hinting faults migrated: amount = base pages.
    HintMigrated,
    /// Pages moved between nodes: amount = base pages.
    PageMigration(NodePair, Reason),
    /// Pages whose migration failed: amount = base pages.
    MigrationFailed(Failure),
    /// CPU changes of tasks.
    TaskMove(MoveKey),
    /// CPU time on a node: amount = ns.
    TaskRun(NodeId),
    /// Times that moves of folios took, by bucket: amount = ns.
    FolioLatency(Bucket),
    /// Times that calls of `migrate_pages` took, by bucket; charged to the caller: amount = ns.
    BatchLatency(Bucket, Reason),
    /// Moves of this owner's pages that a different process asked for: amount = base pages.
    MovedBy(Pid),
    /// Times that tasks stayed on a node before they went back, by bucket: amount = ns.
    Stay(Bucket),
    /// CPU changes by CPU: from, to.
    CpuMove(CpuId, CpuId),
    /// Work of NUMA balancing in a thread: amount = ns, or page table entries. `None` for a number
    /// unknown to this version.
    Balancer(Option<BalancerWork>),
    /// Mappings that NUMA balancing skipped.
    VmaSkipped(Reason),
    /// A thread looked for memory to give back: amount = ns.
    Reclaim(ReclaimKey),
    /// Pages that it got so: amount = base pages.
    Reclaimed(ReclaimKey),
    /// First touches of this owner's memory by a different process: amount = base pages.
    TouchedBy(ToucherKey),
}

/// A process that touched memory of a different one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ToucherKey {
    /// The process.
    pub pid: Pid,
    /// The fault freed the pages again: they are among those without this mark too.
    pub withdrawn: bool,
}

/// Subject of a search for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReclaimKey {
    /// How it looked; `None` for a number this version does not know.
    pub kind: Option<ReclaimKind>,
    /// Node of the CPU.
    pub cpu_node: NodeId,
    /// Nodes that it had to find memory on; `None` for any.
    pub limit: Option<Limit>,
}

/// Nodes that an allocation is confined to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Limit {
    /// The lowest.
    pub node: NodeId,
    /// There are more than that one.
    pub several: bool,
    /// By a cpuset, and not by a memory policy.
    pub by_cpuset: bool,
}

impl ReclaimKey {
    fn new(count_key: CountKey) -> Self {
        let kind = ReclaimKind::ALL
            .get(usize::from(count_key.class()))
            .copied();
        let limited = kind == Some(ReclaimKind::Node) || count_key.mark() != LIMIT_NONE;
        Self {
            kind,
            cpu_node: NodeId(count_key.task_node()),
            limit: limited.then(|| Limit {
                node: NodeId(count_key.page_node()),
                several: count_key.cause() != 0,
                by_cpuset: count_key.mark() == LIMIT_CPUSET,
            }),
        }
    }

    /// One word, for a table.
    fn hashed(self) -> u64 {
        let kind = self.kind.map_or(0xf, |kind| kind as u64);
        let limit = self.limit.map_or(1 << 40, |limit| {
            u64::from(limit.node.0)
                | u64::from(limit.several) << 16
                | u64::from(limit.by_cpuset) << 17
        });
        limit | kind << 41 | u64::from(self.cpu_node.0) << 48
    }
}

/// Why a migration of pages failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Failure {
    /// Why the pages were to be moved.
    pub reason: Reason,
    /// The pages had further references, so their copy was refused.
    pub busy: bool,
}

/// A bucket number of [`numatrace_common::bucket`].
pub type Bucket = u16;

/// Two nodes: from and to, or task and page.
pub type NodePair = (NodeId, NodeId);

/// A number of the kernel's `enum migrate_reason`.
pub type Reason = u8;

/// The facts that a first touch is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TouchKey {
    /// Node of the thread, node of the page.
    pub nodes: NodePair,
    /// Kind of the mapping; `None` for a number unknown to this version.
    pub kind: Option<TouchKind>,
    /// The page is a private copy of a shared page.
    pub cow: bool,
    /// The page is a transparent huge page.
    pub thp: bool,
    /// The fault freed the page again: these pages are among those without this mark too.
    #[serde(default)]
    pub withdrawn: bool,
}

/// The facts that a CPU change is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MoveKey {
    /// From, to; equal when only the CPU changed.
    pub nodes: NodePair,
    /// Why.
    pub reason: MoveReason,
    /// The task went back to the node that it had come from.
    pub back: bool,
    /// The task moved to the node of the task that woke it.
    pub to_waker: bool,
    /// The task left its last-level cache; `None` where that is not known, and for moves between
    /// nodes.
    #[serde(default)]
    pub across_caches: Option<bool>,
}

// Hashed as one word, like [`ThreadId`].
impl Hash for CountKind {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let pair = |(a, b): NodePair| u64::from(a.0) | u64::from(b.0) << 16;
        let (variant, rest) = match *self {
            CountKind::Alloc(count_key) => {
                let preferred = count_key.preferred.map_or(0xffff, |node| u64::from(node.0));
                let class = count_key.class.map_or(0xf, |class| class as u64);
                let cause = count_key.cause.map_or(0xf, |cause| cause as u64);
                let nodes = pair((count_key.task_node, count_key.page_node)) | preferred << 32;
                let marks = class | cause << 4 | u64::from(count_key.policy_mode) << 8;
                (0, nodes ^ marks << 40)
            }
            CountKind::InterleaveHit(node) => (1, u64::from(node.0)),
            CountKind::FirstTouch(count_key) => {
                let kind = count_key.kind.map_or(0xf, |kind| kind as u64);
                let marks = kind
                    | u64::from(count_key.cow) << 4
                    | u64::from(count_key.thp) << 5
                    | u64::from(count_key.withdrawn) << 6;
                (2, pair(count_key.nodes) | marks << 32)
            }
            CountKind::HintFault(nodes) => (3, pair(nodes)),
            CountKind::HintMigrated => (4, 0),
            CountKind::PageMigration(nodes, reason) => (5, pair(nodes) | u64::from(reason) << 32),
            CountKind::MigrationFailed(failure) => {
                (6, u64::from(failure.reason) | u64::from(failure.busy) << 8)
            }
            CountKind::TaskMove(count_key) => {
                let marks = count_key.reason as u64 | u64::from(count_key.back) << 8;
                (7, pair(count_key.nodes) | marks << 32)
            }
            CountKind::TaskRun(node) => (8, u64::from(node.0)),
            CountKind::FolioLatency(bucket) => (9, u64::from(bucket)),
            CountKind::BatchLatency(bucket, reason) => {
                (10, u64::from(bucket) | u64::from(reason) << 16)
            }
            CountKind::MovedBy(pid) => (11, u64::from(pid.0)),
            CountKind::Stay(bucket) => (12, u64::from(bucket)),
            CountKind::CpuMove(from, to) => (13, u64::from(from.0) | u64::from(to.0) << 32),
            CountKind::Balancer(work) => (14, work.map_or(0xf, |work| work as u64)),
            CountKind::VmaSkipped(reason) => (15, u64::from(reason)),
            CountKind::Reclaim(key) => (16, key.hashed()),
            CountKind::Reclaimed(key) => (17, key.hashed()),
            CountKind::TouchedBy(key) => {
                (18, u64::from(key.pid.0) | u64::from(key.withdrawn) << 32)
            }
        };
        state.write_u64(rest ^ variant << 59);
    }
}

impl CountKind {
    /// Returns the node whose numastat reading decides on which side of a boundary an allocation
    /// is; `None` for events without a per-node counter in the kernel, for which any instant will
    /// do.
    pub fn counted_on(&self) -> Option<NodeId> {
        match self {
            CountKind::Alloc(count_key) => Some(count_key.page_node),
            CountKind::InterleaveHit(node) => Some(*node),
            _ => None,
        }
    }
}

/// Returns the task's node and the page's node of a count key.
pub(super) fn nodes_of(count_key: CountKey) -> NodePair {
    (NodeId(count_key.task_node()), NodeId(count_key.page_node()))
}

/// Returns the reason of a number; [`MoveReason::Unknown`] for a number unknown to this version.
pub(super) fn move_reason(number: u32) -> MoveReason {
    usize::try_from(number)
        .ok()
        .and_then(|number| MoveReason::ALL.get(number).copied())
        .unwrap_or(MoveReason::Unknown)
}

/// Returns whether a task left its last-level cache, from the number of a [`CacheStep`].
fn across_caches(class: u8) -> Option<bool> {
    const WITHIN: u8 = CacheStep::Within as u8;
    const ACROSS: u8 = CacheStep::Across as u8;
    match class {
        WITHIN => Some(false),
        ACROSS => Some(true),
        _ => None,
    }
}

/// Decodes an entry of the totals.
///
/// # Errors
/// The number of an unknown stem.
pub fn decode_count(epoch: u64, key: &TotalKey, value: &TotalValue) -> Result<Count, u8> {
    let count_key = key.count_key;
    let stem = Stem::ALL
        .get(usize::from(count_key.stem()).wrapping_sub(1))
        .ok_or(count_key.stem())?;
    let nodes = nodes_of(count_key);
    let what = match stem {
        Stem::PageAlloc => CountKind::Alloc(AllocKey::new(count_key)),
        Stem::InterleaveHit => CountKind::InterleaveHit(nodes.1),
        Stem::FirstTouch => CountKind::FirstTouch(TouchKey {
            nodes,
            kind: TouchKind::ALL.get(usize::from(count_key.class())).copied(),
            cow: count_key.mark() & TOUCH_COW != 0,
            thp: count_key.mark() & TOUCH_THP != 0,
            withdrawn: count_key.mark() & TOUCH_WITHDRAWN != 0,
        }),
        Stem::HintFault => CountKind::HintFault(nodes),
        Stem::HintMigrated => CountKind::HintMigrated,
        Stem::PageMigration => CountKind::PageMigration(nodes, count_key.cause()),
        Stem::MigrationFailed => CountKind::MigrationFailed(Failure {
            reason: count_key.cause(),
            busy: count_key.mark() == FAILED_BUSY,
        }),
        Stem::TaskMove => CountKind::TaskMove(MoveKey {
            nodes,
            reason: move_reason(count_key.cause().into()),
            back: count_key.mark() & MOVED_BACK != 0,
            to_waker: count_key.mark() & MOVED_TO_WAKER != 0,
            across_caches: across_caches(count_key.class()),
        }),
        Stem::TaskRun => CountKind::TaskRun(nodes.0),
        Stem::MigrationLatency if count_key.mark() == LATENCY_BATCH => {
            CountKind::BatchLatency(count_key.bucket(), count_key.cause())
        }
        Stem::MigrationLatency => CountKind::FolioLatency(count_key.bucket()),
        Stem::MovedBy => CountKind::MovedBy(Pid(count_key.pid())),
        Stem::Stay => CountKind::Stay(count_key.bucket()),
        Stem::CpuMove => {
            let (from, to) = count_key.cpus();
            CountKind::CpuMove(CpuId(from), CpuId(to))
        }
        Stem::Balancer => CountKind::Balancer(
            BalancerWork::ALL
                .get(usize::from(count_key.class()))
                .copied(),
        ),
        Stem::VmaSkipped => CountKind::VmaSkipped(count_key.cause()),
        Stem::Reclaim => CountKind::Reclaim(ReclaimKey::new(count_key)),
        Stem::Reclaimed => CountKind::Reclaimed(ReclaimKey::new(count_key)),
        Stem::TouchedBy => CountKind::TouchedBy(ToucherKey {
            pid: Pid(count_key.pid()),
            withdrawn: count_key.mark() & TOUCH_WITHDRAWN != 0,
        }),
    };
    Ok(Count {
        epoch,
        owner: Owner::new(key.tgid, key.tid, key.start_ns),
        what,
        count: value.count,
        amount: value.amount,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudo_owners_are_not_processes() {
        assert_eq!(Owner::new(0, 0, 0), Owner::Irq);
        assert_eq!(Owner::new(u32::MAX, 0, 0), Owner::OutOfScope);
        assert_eq!(Owner::new(u32::MAX - 1, 0, 0), Owner::Overflow);
        assert_eq!(Owner::new(u32::MAX - 2, 0, 0), Owner::Nobody);
        assert!(matches!(Owner::new(1, 1, 5), Owner::Thread(_)));
    }

    #[test]
    fn a_move_says_whether_it_left_its_cache_unless_nobody_told() {
        let across = |class: u8| {
            let count_key = CountKey::new(Stem::TaskMove).with_class(class);
            let key = TotalKey {
                count_key,
                ..TotalKey::default()
            };
            match decode_count(1, &key, &TotalValue::default()).unwrap().what {
                CountKind::TaskMove(key) => key.across_caches,
                other => panic!("{other:?}"),
            }
        };
        let classes = [CacheStep::Untold, CacheStep::Within, CacheStep::Across];
        assert_eq!(
            classes.map(|class| across(class as u8)),
            [None, Some(false), Some(true)]
        );
        assert_eq!(across(3), None, "of a later version");
    }

    #[test]
    fn a_stem_of_a_later_version_is_rejected_by_number() {
        let key = TotalKey {
            count_key: CountKey(31 << 59),
            ..TotalKey::default()
        };
        assert_eq!(decode_count(1, &key, &TotalValue::default()), Err(31));
    }
}
