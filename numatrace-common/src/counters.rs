//! Losses that only the kernel side can see: a per-CPU counter for each kind.

/// Index into the counters map.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    // 0 was the loss of a kind of record that is retired.
    /// Records of kind `TaskFork` for which the ring had no room.
    LostTaskFork = 1,
    /// Records of kind `TaskExec`, likewise.
    LostTaskExec = 2,
    /// Records of kind `TaskExit`, likewise.
    LostTaskExit = 3,
    /// Events counted for `[overflow]` because the totals map was full or its bucket was locked.
    Overflowed = 4,
    /// Events that not even `[overflow]` could take.
    LostTotals = 5,
    /// Processes that belong to the scope but found its map full.
    LostScope = 6,
    /// Records written.
    Records = 7,
    /// Entries of bulk calls' arrays that were not looked through before the call, because the
    /// array was too long or too many calls were under way: the pages in them are taken to be new.
    BulkUnscanned = 8,
    /// Interleaved allocations that a later one replaced in the slot before the policy hook came:
    /// taken to be hits.
    InterleaveGuessed = 9,
    /// Page faults whose entry was lost before they ended: pages they allocated after that were not
    /// counted as first touches.
    FaultsInterrupted = 10,
    /// Allocations that asked for the preferred node or nothing and seemed to get a different one:
    /// the node is read wrongly.
    NodeMisread = 11,
    /// Threads for whose moves there was no room to note anything.
    LostMovers = 12,
    /// Events that the kernel skipped in the primary copy of a program and the backup copy counted:
    /// nothing is lost.
    SecondCopy = 13,
    /// Page faults for which there was no room when their task was switched out.
    LostParked = 14,
    /// Records of kind `TouchRun` for which the ring had no room.
    LostTouchRun = 15,
    /// Records of kind `UseRun`, likewise.
    LostUseRun = 16,
    /// Records of kind `TaskBind`, likewise.
    LostTaskBind = 17,
    /// Records of kind `TaskMoved` for which the ring had no room.
    LostTaskMoved = 18,
    /// Records of kind `PagesMoved`, likewise.
    LostPagesMoved = 19,
    /// Records of kind `FillRun`, likewise.
    LostFillRun = 20,
    /// Records of kind `KernelAlloc`, likewise.
    LostKernelAlloc = 21,
    /// Records of kind `MoveStack`, likewise.
    LostMoveStack = 22,
    /// Hinting faults and scans for whose time there was no room.
    LostBalancerTimes = 23,
    /// Records of kind `OomKill` for which the ring had no room.
    LostOomKill = 24,
    /// Records of `HugetlbFailed` likewise, and those beyond a CPU's bound of records in a second.
    LostHugetlbFailed = 25,
    /// Records of `PolicyRefused` likewise.
    LostPolicyRefused = 26,
    /// Records of `AllocFailed` likewise.
    LostAllocFailed = 27,
    /// Reclaims and compactions for whose time there was no room.
    LostReclaimTimes = 28,
    /// Records of `NodeShortage` for which the ring had no room.
    LostNodeShortage = 29,
    /// Marks between the two copies of a program for which there was no room when their task was
    /// switched out: the backup copy counted these events a second time.
    LostMarks = 30,
    /// First touches of pages that their fault freed again, which came too late for the run that
    /// has them.
    LateWithdrawals = 31,
    /// Base pages that direct compaction handed to the task that looked for them: numastat does not
    /// count them.
    CapturedPages = 32,
}

/// Number of counters.
pub const COUNTERS: u32 = 33;

impl Counter {
    /// Returns the counter of records lost for a kind.
    pub const fn lost(kind: crate::kind::Kind) -> Self {
        use crate::kind::Kind;
        match kind {
            Kind::TaskFork => Counter::LostTaskFork,
            Kind::TaskExec => Counter::LostTaskExec,
            Kind::TaskExit => Counter::LostTaskExit,
            Kind::TaskMoved => Counter::LostTaskMoved,
            Kind::PagesMoved => Counter::LostPagesMoved,
            Kind::MoveStack => Counter::LostMoveStack,
            Kind::OomKill => Counter::LostOomKill,
            Kind::HugetlbFailed => Counter::LostHugetlbFailed,
            Kind::PolicyRefused => Counter::LostPolicyRefused,
            Kind::AllocFailed => Counter::LostAllocFailed,
            Kind::NodeShortage => Counter::LostNodeShortage,
            Kind::FillRun => Counter::LostFillRun,
            Kind::KernelAlloc => Counter::LostKernelAlloc,
            Kind::TouchRun => Counter::LostTouchRun,
            Kind::UseRun => Counter::LostUseRun,
            Kind::TaskBind => Counter::LostTaskBind,
        }
    }
}
