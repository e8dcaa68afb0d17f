//! Stems: the families of events that are counted.

#[cfg(doc)]
use super::{
    BalancerWork, CacheStep, CountKey, FAILED_BUSY, FAILED_OTHER, LATENCY_BATCH, LATENCY_FOLIO,
    LIMIT_CPUSET, LIMIT_NONE, LIMIT_POLICY, MOVED_BACK, MOVED_TO_WAKER, MoveReason, ReclaimKind,
    TOUCH_COW, TOUCH_THP, TOUCH_WITHDRAWN, TouchKind,
};

/// The family of events that a count key counts, and the meaning of its fields.
///
/// A number is never reused; 0 stands in the empty key. "Reason" is the kernel's
/// `enum migrate_reason`.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stem {
    /// Page allocations: count = allocations, amount = base pages.
    PageAlloc = 1,
    /// Allocations that an interleave policy placed as intended (numastat's interleave_hit): count
    /// = allocations.
    InterleaveHit = 2,
    /// User pages that a fault allocated: class = [`TouchKind`], mark = [`TOUCH_COW`] |
    /// [`TOUCH_THP`] | [`TOUCH_WITHDRAWN`]; count = folios, amount = base pages.
    FirstTouch = 3,
    /// NUMA hinting faults, by the page's node before any migration: count = faults.
    HintFault = 4,
    /// Pages that hinting faults migrated: count = faults, amount = base pages.
    HintMigrated = 5,
    /// Pages moved between nodes: task node = from, page node = to, cause = reason; count = folios,
    /// amount = base pages.
    PageMigration = 6,
    /// Pages that were to be moved and stayed: cause = reason, mark = [`FAILED_OTHER`] or
    /// [`FAILED_BUSY`]; amount = base pages.
    MigrationFailed = 7,
    /// Changes of a task's CPU: task node = from, page node = to, class = [`CacheStep`], cause =
    /// [`MoveReason`], mark = [`MOVED_BACK`] | [`MOVED_TO_WAKER`]; count = moves.
    TaskMove = 8,
    /// CPU time: task node = where; count = times it ran, amount = ns.
    TaskRun = 9,
    /// Time that moving pages took: [bucket](crate::bucket) of the time, cause = reason, mark =
    /// [`LATENCY_FOLIO`] or [`LATENCY_BATCH`]; count = folios or calls, amount = ns.
    MigrationLatency = 10,
    /// Processes that asked for moves of another process's pages: process id in place of nodes
    /// ([`CountKey::with_pid`]), cause = reason; count = folios, amount = base pages.
    MovedBy = 11,
    /// Time that a task stayed on a node before it went back to the one it had come from: task node
    /// = where it stayed, [bucket](crate::bucket) of the time; count = stays, amount = ns.
    Stay = 12,
    /// Changes of a task's CPU, by CPU ([`CountKey::with_cpus`]), for processes in scope only:
    /// count = moves.
    CpuMove = 13,
    /// Work that NUMA balancing did in a thread: class = [`BalancerWork`].
    Balancer = 14,
    /// Mappings that NUMA balancing looked at and left alone: cause = the kernel's
    /// `enum numa_vmaskip_reason`; count = times.
    VmaSkipped = 15,
    /// Searches for memory to give back, by a thread that needs some: class = [`ReclaimKind`], mark
    /// = [`LIMIT_NONE`], [`LIMIT_POLICY`] or [`LIMIT_CPUSET`], cause = 1 when that limit has more
    /// than one node, page node = the lowest of them (or the node that was searched); count =
    /// searches, amount = ns.
    Reclaim = 16,
    /// Pages that such searches brought, by the same fields: amount = base pages.
    Reclaimed = 17,
    /// First touches that a different process made: process id in place of nodes
    /// ([`CountKey::with_pid`]), mark = 0 or [`TOUCH_WITHDRAWN`]; amount = base pages, which are
    /// counted as [`Stem::FirstTouch`] too.
    TouchedBy = 18,
}

impl Stem {
    /// Every stem, in the order of their numbers from 1 on.
    pub const ALL: [Stem; 18] = [
        Stem::PageAlloc,
        Stem::InterleaveHit,
        Stem::FirstTouch,
        Stem::HintFault,
        Stem::HintMigrated,
        Stem::PageMigration,
        Stem::MigrationFailed,
        Stem::TaskMove,
        Stem::TaskRun,
        Stem::MigrationLatency,
        Stem::MovedBy,
        Stem::Stay,
        Stem::CpuMove,
        Stem::Balancer,
        Stem::VmaSkipped,
        Stem::Reclaim,
        Stem::Reclaimed,
        Stem::TouchedBy,
    ];
}
