//! What only the kernel side can know about losses: one per-CPU counter each.

/// Index into the counters map.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    // 0 was of a kind of record that is no more.
    /// Records of kind `TaskFork` for which the ring had no room.
    LostTaskFork = 1,
    /// The same for `TaskExec`.
    LostTaskExec = 2,
    /// The same for `TaskExit`.
    LostTaskExit = 3,
    /// Counts that went to `[overflow]` because the totals map was full or its bucket was locked (events).
    Overflowed = 4,
    /// Events that not even `[overflow]` could take.
    LostTotals = 5,
    /// Processes that belong to the scope but found its map full.
    LostScope = 6,
    /// Records written.
    Records = 7,
    /// Allocations of a bulk call whose pages before the call could not be counted: its new pages are taken to be all.
    BulkUnscanned = 8,
    /// Interleaved allocations whose record was overwritten before the policy hook came: taken to be hits.
    InterleaveGuessed = 9,
    /// Faults that were interrupted before they ended: a page they made after that is no first touch to us.
    FaultsInterrupted = 10,
    /// Allocations that asked for the preferred node or nothing and seemed to get another: the node is being read wrongly.
    NodeMisread = 11,
    /// Threads for whose moves there was no room to remember anything.
    LostMovers = 12,
    /// Events that the kernel skipped in the first copy of a program and the second one counted: nothing is lost.
    SecondCopy = 13,
    /// Page faults for which there was no room when their task was switched out.
    LostParked = 14,
    /// Records of kind `TouchRun` for which the ring had no room.
    LostTouchRun = 15,
    /// The same for `UseRun`.
    LostUseRun = 16,
    /// The same for `TaskBind`.
    LostTaskBind = 17,
    /// Records of kind `TaskMoved` for which the ring had no room.
    LostTaskMoved = 18,
    /// The same for `PagesMoved`.
    LostPagesMoved = 19,
    /// The same for `FillRun`.
    LostFillRun = 20,
    /// The same for `KernelAlloc`.
    LostKernelAlloc = 21,
    /// The same for `MoveStack`.
    LostMoveStack = 22,
    /// Hinting faults and scans for whose time there was no room.
    LostBalancerTimes = 23,
}

/// How many counters there are.
pub const COUNTERS: u32 = 24;

impl Counter {
    /// The counter of records lost for a kind.
    pub const fn lost(kind: crate::kind::Kind) -> Self {
        use crate::kind::Kind;
        match kind {
            Kind::TaskFork => Counter::LostTaskFork,
            Kind::TaskExec => Counter::LostTaskExec,
            Kind::TaskExit => Counter::LostTaskExit,
            Kind::TaskMoved => Counter::LostTaskMoved,
            Kind::PagesMoved => Counter::LostPagesMoved,
            Kind::MoveStack => Counter::LostMoveStack,
            Kind::FillRun => Counter::LostFillRun,
            Kind::KernelAlloc => Counter::LostKernelAlloc,
            Kind::TouchRun => Counter::LostTouchRun,
            Kind::UseRun => Counter::LostUseRun,
            Kind::TaskBind => Counter::LostTaskBind,
        }
    }
}
