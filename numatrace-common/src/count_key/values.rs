//! Numbers that stand in the class, cause and mark of a count key.

/// Preferred node of an allocation seen through a hook that does not know it.
pub const NODE_UNKNOWN: u16 = 0x7ff;

/// Kind of the mapping that a first touch fell into.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TouchKind {
    /// Anonymous memory that is neither heap nor main stack.
    Anon = 0,
    /// The heap, between `start_brk` and `brk`.
    Heap = 1,
    /// The main thread's stack.
    Stack = 2,
    /// Files with a path, on tmpfs too.
    File = 3,
    /// Shared memory: memfd, SysV, POSIX, shared anonymous.
    Shmem = 4,
    /// The hugetlb pool.
    Hugetlb = 5,
}

impl TouchKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [TouchKind; 6] = [
        TouchKind::Anon,
        TouchKind::Heap,
        TouchKind::Stack,
        TouchKind::File,
        TouchKind::Shmem,
        TouchKind::Hugetlb,
    ];
}

/// Mark of an allocation that `MPOL_BIND` placed: the policy has more than one node. Of the others
/// the mark is the kernel's number of the mode, which is lower.
pub const BIND_SEVERAL: u8 = 8 | 2;

/// Mark of a first touch: a private copy of a page that others share.
pub const TOUCH_COW: u8 = 1;
/// Mark of a first touch: a transparent huge page.
pub const TOUCH_THP: u8 = 2;
/// Mark of a first touch that was none: a fault allocated the pages and freed them again. The pages
/// are counted without this mark too.
pub const TOUCH_WITHDRAWN: u8 = 4;

/// Cause of a page migration whose reason was not seen. The kernel's `enum migrate_reason` has
/// eleven values.
pub const REASON_UNKNOWN: u8 = 15;

/// Mark of a latency: of one folio, from the start of its copy to its end.
pub const LATENCY_FOLIO: u8 = 0;
/// Mark of a latency: of one call of `migrate_pages`.
pub const LATENCY_BATCH: u8 = 1;

/// Mark of pages that stayed: locked, still mapped, no room on the target, or of a kind that cannot
/// be moved.
pub const FAILED_OTHER: u8 = 0;
/// Mark of pages that stayed: somebody else held a reference to them (pinned for a device, under
/// I/O, in a pipe).
pub const FAILED_BUSY: u8 = 1;

/// Mark of a move: back to the node that its last cross-node move began on.
pub const MOVED_BACK: u8 = 1;
/// Mark of a move: the waker ran on the node that the task was put on.
pub const MOVED_TO_WAKER: u8 = 2;

/// Class of a task move: a step within a node that left the last-level cache of its CPU, or not.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CacheStep {
    /// Not told: the cache of a CPU is not known, the nodes have one cache each, or the move
    /// changed the node.
    Untold = 0,
    /// The CPUs share their last-level cache.
    Within = 1,
    /// The CPUs have different last-level caches.
    Across = 2,
}

/// Work of NUMA balancing that takes a thread's time.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BalancerWork {
    /// Scans: `task_numa_work` takes access to memory away, so that its next use faults. count =
    /// scans, amount = ns.
    Scan = 0,
    /// Page table entries that scans took access from: count = ranges of mappings, amount =
    /// entries.
    Update = 1,
    /// Hinting faults, from their check to their end, migration included: count = faults, amount =
    /// ns.
    Fault = 2,
}

impl BalancerWork {
    /// Every kind of work, in the order of their numbers.
    pub const ALL: [BalancerWork; 3] = [
        BalancerWork::Scan,
        BalancerWork::Update,
        BalancerWork::Fault,
    ];
}

/// Reason for which a task changed its CPU (include/trace/events/sched.h and kernel/sched/core.c,
/// `set_task_cpu`).
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum MoveReason {
    /// A wakeup placed it on a different CPU.
    Wakeup = 0,
    /// Idle or periodic load balancing pulled it.
    LoadBalance = 1,
    /// Active balancing pushed it off its CPU while it ran.
    ActiveBalance = 2,
    /// NUMA balancing moved it.
    NumaMove = 3,
    /// NUMA balancing swapped it with a different task.
    NumaSwap = 4,
    /// Placed at exec.
    Exec = 5,
    /// Placed at fork.
    Fork = 6,
    /// sched_setaffinity(2).
    Affinity = 7,
    /// Any other change of its CPU mask.
    Cpuset = 8,
    /// Its old CPU went offline.
    Hotplug = 9,
    /// Real-time or deadline scheduling.
    RtDl = 10,
    /// None of the above could be recognised.
    Unknown = 11,
    /// A scheduler of sched_ext dispatched it to a different CPU's queue.
    SchedExt = 12,
}

impl MoveReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [MoveReason; 13] = [
        MoveReason::Wakeup,
        MoveReason::LoadBalance,
        MoveReason::ActiveBalance,
        MoveReason::NumaMove,
        MoveReason::NumaSwap,
        MoveReason::Exec,
        MoveReason::Fork,
        MoveReason::Affinity,
        MoveReason::Cpuset,
        MoveReason::Hotplug,
        MoveReason::RtDl,
        MoveReason::Unknown,
        MoveReason::SchedExt,
    ];
}

/// Reason for which an allocation was remote or missed its preferred node, in count keys of
/// [`Stem::PageAlloc`](super::Stem::PageAlloc).
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RemoteCause {
    /// Neither: the page lies on its preferred node, which is the CPU's.
    None = 0,
    /// A memory policy of the task or mapping asked for the node; the key's mark is its mode.
    Policy = 1,
    /// The preferred node had no page to give.
    Fallback = 2,
    /// The CPU's node is not in the task's cpuset.
    Cpuset = 3,
    /// The CPU's node has no memory of the kind asked for.
    Memoryless = 4,
    /// Kernel code asked for the node.
    KernelNode = 5,
    /// The task moved to a different node between its request and the page.
    TaskMoved = 6,
    /// The hook cannot determine the cause.
    Unknown = 7,
}

impl RemoteCause {
    /// Every cause, in the order of their numbers.
    pub const ALL: [RemoteCause; 8] = [
        RemoteCause::None,
        RemoteCause::Policy,
        RemoteCause::Fallback,
        RemoteCause::Cpuset,
        RemoteCause::Memoryless,
        RemoteCause::KernelNode,
        RemoteCause::TaskMoved,
        RemoteCause::Unknown,
    ];
}

/// Size and use of an allocation, from its order and gfp flags.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AllocClass {
    /// One base page that user space may map (movable).
    User4k = 0,
    /// A movable folio between one page and a huge page.
    UserLarge = 1,
    /// A transparent huge page.
    Thp = 2,
    /// A huge page on its way into the hugetlb pool.
    Hugetlb = 3,
    /// A user page table.
    PageTable = 4,
    /// Anything else: slab, stacks, buffers.
    Kernel = 5,
}

impl AllocClass {
    /// Every class, in the order of their numbers.
    pub const ALL: [AllocClass; 6] = [
        AllocClass::User4k,
        AllocClass::UserLarge,
        AllocClass::Thp,
        AllocClass::Hugetlb,
        AllocClass::PageTable,
        AllocClass::Kernel,
    ];
}

/// Mark of a search for memory: memory of any node would have done.
pub const LIMIT_NONE: u8 = 0;
/// Mark of a search for memory: a memory policy allows some nodes only.
pub const LIMIT_POLICY: u8 = 1;
/// Mark of a search for memory: a cpuset allows some nodes only.
pub const LIMIT_CPUSET: u8 = 2;

/// The way in which a thread looked for memory that can be given back.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ReclaimKind {
    /// Direct reclaim: no node that it may use has memory above its watermark.
    Direct = 0,
    /// Reclaim on one node before the next is tried (`vm.zone_reclaim_mode`).
    Node = 1,
    /// Direct compaction of a zone, for an allocation of more than one page.
    Compaction = 2,
}

impl ReclaimKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [ReclaimKind; 3] = [
        ReclaimKind::Direct,
        ReclaimKind::Node,
        ReclaimKind::Compaction,
    ];
}
