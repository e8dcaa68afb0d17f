//! What is counted, in one word.
//!
//! All six numastat counters follow from where a page lies, which node was preferred and where the allocating CPU is, so
//! allocations are counted by that triple and the counters derived later. Other stems use the same three node fields with
//! meanings of their own (stated at each constructor's user). One word makes "still the same run?" one comparison.

#![expect(
    clippy::cast_possible_truncation,
    reason = "every field is masked to its width before the cast"
)]

use bytemuck::{Pod, Zeroable};

/// A packed description of one kind of event. From bit 0: epoch 16, task node 10, page node 10, preferred node 11, class 4, cause 4,
/// mark 4, stem 5.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct CountKey(pub u64);

/// Preferred node of an allocation seen through a hook that does not know it.
pub const NODE_UNKNOWN: u16 = 0x7ff;

const EPOCH: Field = Field::new(0, 16);
const TASK_NODE: Field = Field::new(16, 10);
const PAGE_NODE: Field = Field::new(26, 10);
const PREFERRED: Field = Field::new(36, 11);
const CLASS: Field = Field::new(47, 4);
const CAUSE: Field = Field::new(51, 4);
const MARK: Field = Field::new(55, 4);
const STEM: Field = Field::new(59, 5);
/// Over the three node fields: `PID_MAX_LIMIT` is 2^22.
const PID: Field = Field::new(16, 31);
/// Over the node fields too: `NR_CPUS` is at most 8,192.
const FROM_CPU: Field = Field::new(16, 15);
const TO_CPU: Field = Field::new(31, 15);

/// Which family of events a count key counts. Never reused numbers; 0 marks an empty bin.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stem {
    /// Page allocations: count = allocations, amount = base pages.
    PageAlloc = 1,
    /// Allocations that an interleave policy placed as intended (numastat's interleave_hit): count = allocations.
    InterleaveHit = 2,
    /// User pages made by a fault: class = [`TouchKind`], mark = [`TOUCH_COW`] | [`TOUCH_THP`]; count = folios, amount = base pages.
    FirstTouch = 3,
    /// NUMA hinting faults, by the page's node before any migration: count = faults.
    HintFault = 4,
    /// What hinting faults migrated: amount = base pages.
    HintMigrated = 5,
    /// Pages moved between nodes: task node = from, page node = to, cause = the kernel's `enum migrate_reason`; count = folios, amount = base pages.
    PageMigration = 6,
    /// Pages that were to be moved and stayed: cause as above, mark = [`FAILED_OTHER`] or [`FAILED_BUSY`]; amount = base pages.
    MigrationFailed = 7,
    /// A task changed its CPU: task node = from, page node = to, cause = [`MoveReason`], mark = [`MOVED_BACK`] | [`MOVED_TO_WAKER`]; count = moves.
    TaskMove = 8,
    /// CPU time: task node = where; count = times it ran, amount = ns.
    TaskRun = 9,
    /// How long moving pages took: preferred node bits hold a [`crate::bucket`], cause = the kernel's `enum migrate_reason`, mark = [`LATENCY_FOLIO`] or
    /// [`LATENCY_BATCH`]; count = folios or calls, amount = ns.
    MigrationLatency = 10,
    /// Who asked for moves of another process's pages: the node fields hold its process id ([`Count key::with_pid`]), cause as above; count = folios,
    /// amount = base pages.
    MovedBy = 11,
    /// How long a task stayed on a node before it went back to where it had come from: task node = where it stayed, preferred node bits hold a
    /// [`crate::bucket`]; count = stays, amount = ns.
    Stay = 12,
    /// A task changed its CPU, by CPU ([`Count key::with_cpus`]); counted for processes in scope only. count = moves.
    CpuMove = 13,
    /// What NUMA balancing did in a thread: class = [`BalancerWork`].
    Balancer = 14,
    /// A mapping that NUMA balancing looked at and left alone: cause = the kernel's `enum numa_vmaskip_reason`; count = times.
    VmaSkipped = 15,
}

impl Stem {
    /// Every stem, in the order of their numbers from 1 on.
    pub const ALL: [Stem; 15] = [
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
    ];
}

/// What kind of mapping a first touch fell into.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TouchKind {
    /// Anonymous memory that is neither heap nor main stack.
    Anon = 0,
    /// Between `start_brk` and `brk`.
    Heap = 1,
    /// The main thread's stack.
    Stack = 2,
    /// A file with a path, on tmpfs too.
    File = 3,
    /// memfd, SysV, POSIX and shared anonymous memory.
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

/// Mark of a first touch: a private copy of a page that others share.
pub const TOUCH_COW: u8 = 1;
/// Mark of a first touch: a transparent huge page.
pub const TOUCH_THP: u8 = 2;

/// Cause of a page migration whose reason was not seen. The kernel's `enum migrate_reason` has eleven.
pub const REASON_UNKNOWN: u8 = 15;

/// Mark of a latency: of one folio, from the start of its copy to its end.
pub const LATENCY_FOLIO: u8 = 0;
/// Mark of a latency: of one call of `migrate_pages`.
pub const LATENCY_BATCH: u8 = 1;

/// Mark of pages that stayed: locked, still mapped, no room on the target, or of a kind that cannot be moved.
pub const FAILED_OTHER: u8 = 0;
/// Mark of pages that stayed: somebody else held a reference to them (pinned for a device, under I/O, in a pipe).
pub const FAILED_BUSY: u8 = 1;

/// Mark of a move: back to the node that its last cross-node move began on.
pub const MOVED_BACK: u8 = 1;
/// Mark of a move: woken by somebody who ran on the node it was put on.
pub const MOVED_TO_WAKER: u8 = 2;

/// What NUMA balancing spends a thread's time on.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BalancerWork {
    /// `task_numa_work`, which takes away access to memory so that its use faults: count = runs, amount = ns.
    Scan = 0,
    /// Page table entries it took access from: count = stretches of mappings, amount = entries.
    Update = 1,
    /// Hinting faults from their check to their end, migration included: count = faults, amount = ns.
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

/// Why a task changed its CPU (include/trace/events/sched.h and kernel/sched/core.c, `set_task_cpu`).
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum MoveReason {
    /// It was woken on another CPU.
    Wakeup = 0,
    /// Idle or periodic load balancing pulled it.
    LoadBalance = 1,
    /// It was pushed off while running.
    ActiveBalance = 2,
    /// NUMA balancing moved it.
    NumaMove = 3,
    /// NUMA balancing swapped it with another.
    NumaSwap = 4,
    /// Placed at exec.
    Exec = 5,
    /// Placed at fork.
    Fork = 6,
    /// sched_setaffinity(2).
    Affinity = 7,
    /// Any other change of its CPU mask.
    Cpuset = 8,
    /// Its CPU went offline.
    Hotplug = 9,
    /// Real-time or deadline scheduling.
    RtDl = 10,
    /// None of the above could be told.
    Unknown = 11,
}

impl MoveReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [MoveReason; 12] = [
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
    ];
}

/// Why an allocation was remote or missed its preferred node, in a [`Stem::PageAlloc`] count key. The mark of a policy is its mode.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RemoteCause {
    /// It was neither.
    None = 0,
    /// A memory policy of the task or mapping asked for the node (`mark`: its mode).
    Policy = 1,
    /// The preferred node had none to give.
    Fallback = 2,
    /// The CPU's node is not in the task's cpuset.
    Cpuset = 3,
    /// The CPU's node has no memory of the kind asked for.
    Memoryless = 4,
    /// Kernel code asked for the node.
    KernelNode = 5,
    /// The task changed its node between asking and getting.
    TaskMoved = 6,
    /// The hook cannot tell.
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

impl CountKey {
    /// A count key with a stem and nothing else set.
    #[inline(always)]
    pub const fn new(stem: Stem) -> Self {
        CountKey(STEM.put(0, stem as u64))
    }

    /// Number of the interval it was counted in, modulo 2^16 ([`crate::control::Control::epoch`]).
    #[inline(always)]
    pub const fn epoch(self) -> u16 {
        EPOCH.get(self.0) as u16
    }
    /// Node of the CPU it happened on.
    #[inline(always)]
    pub const fn task_node(self) -> u16 {
        TASK_NODE.get(self.0) as u16
    }
    /// Node the page lies on.
    #[inline(always)]
    pub const fn page_node(self) -> u16 {
        PAGE_NODE.get(self.0) as u16
    }
    /// Node of the preferred zone, `None` when the hook did not know it.
    #[inline(always)]
    pub const fn preferred_node(self) -> Option<u16> {
        match PREFERRED.get(self.0) as u16 {
            NODE_UNKNOWN => None,
            node => Some(node),
        }
    }
    /// Stem-specific class (an [`AllocClass`] for allocations).
    #[inline(always)]
    pub const fn class(self) -> u8 {
        CLASS.get(self.0) as u8
    }
    /// Stem-specific cause.
    #[inline(always)]
    pub const fn cause(self) -> u8 {
        CAUSE.get(self.0) as u8
    }
    /// Stem-specific mark.
    #[inline(always)]
    pub const fn mark(self) -> u8 {
        MARK.get(self.0) as u8
    }
    /// The stem's number, 0 for an empty bin.
    #[inline(always)]
    pub const fn stem(self) -> u8 {
        STEM.get(self.0) as u8
    }

    /// The same count key in another epoch.
    #[inline(always)]
    pub const fn with_epoch(self, epoch: u16) -> Self {
        CountKey(EPOCH.put(self.0, epoch as u64))
    }
    /// The same count key on another task node.
    #[inline(always)]
    pub const fn with_task_node(self, node: u16) -> Self {
        CountKey(TASK_NODE.put(self.0, node as u64))
    }
    /// The same count key on another page node.
    #[inline(always)]
    pub const fn with_page_node(self, node: u16) -> Self {
        CountKey(PAGE_NODE.put(self.0, node as u64))
    }
    /// The same count key with a preferred node ([`NODE_UNKNOWN`] when not known).
    #[inline(always)]
    pub const fn with_preferred(self, node: u16) -> Self {
        CountKey(PREFERRED.put(self.0, node as u64))
    }
    /// The same count key with another class.
    #[inline(always)]
    pub const fn with_class(self, class: u8) -> Self {
        CountKey(CLASS.put(self.0, class as u64))
    }
    /// The same count key with another cause.
    #[inline(always)]
    pub const fn with_cause(self, cause: u8) -> Self {
        CountKey(CAUSE.put(self.0, cause as u64))
    }
    /// The same count key with another mark.
    #[inline(always)]
    pub const fn with_mark(self, mark: u8) -> Self {
        CountKey(MARK.put(self.0, mark as u64))
    }
    /// The same count key with a process id instead of nodes.
    #[inline(always)]
    pub const fn with_pid(self, pid: u32) -> Self {
        CountKey(PID.put(self.0, pid as u64))
    }
    /// The process id of [`Count key::with_pid`].
    #[inline(always)]
    pub const fn pid(self) -> u32 {
        PID.get(self.0) as u32
    }
    /// The same count key with two CPUs instead of nodes: from, to.
    #[inline(always)]
    pub const fn with_cpus(self, from: u32, to: u32) -> Self {
        CountKey(TO_CPU.put(FROM_CPU.put(self.0, from as u64), to as u64))
    }
    /// The CPUs of [`Count key::with_cpus`].
    #[inline(always)]
    pub const fn cpus(self) -> (u32, u32) {
        (FROM_CPU.get(self.0) as u32, TO_CPU.get(self.0) as u32)
    }
    /// Stem-specific [`crate::bucket`].
    #[inline(always)]
    pub const fn bucket(self) -> u16 {
        PREFERRED.get(self.0) as u16
    }
    /// The same count key with another bucket.
    #[inline(always)]
    pub const fn with_bucket(self, bucket: u16) -> Self {
        CountKey(PREFERRED.put(self.0, bucket as u64))
    }
    /// Is this the count key of a bin that holds nothing?
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Which bin of a slot counts it: count keys that alternate in practice differ in these bits.
    #[inline(always)]
    pub const fn bin(self) -> usize {
        let h = self.0 >> 26 ^ self.0 >> 35 ^ self.0 >> 47;
        (h as usize) & (crate::limits::BINS - 1)
    }
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

/// A run of bits of the word.
#[derive(Clone, Copy)]
struct Field {
    shift: u32,
    mask: u64,
}

impl Field {
    const fn new(shift: u32, bits: u32) -> Self {
        Field {
            shift,
            mask: (1 << bits) - 1,
        }
    }
    #[inline(always)]
    const fn get(self, word: u64) -> u64 {
        word >> self.shift & self.mask
    }
    #[inline(always)]
    const fn put(self, word: u64, value: u64) -> u64 {
        word & !(self.mask << self.shift) | (value & self.mask) << self.shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_touch_each_other() {
        let count_key = CountKey::new(Stem::PageAlloc)
            .with_epoch(0xffff)
            .with_task_node(1023)
            .with_page_node(512)
            .with_preferred(NODE_UNKNOWN)
            .with_class(5)
            .with_cause(7)
            .with_mark(15);
        assert_eq!(count_key.epoch(), 0xffff);
        assert_eq!(count_key.task_node(), 1023);
        assert_eq!(count_key.page_node(), 512);
        assert_eq!(count_key.preferred_node(), None);
        assert_eq!(
            (count_key.class(), count_key.cause(), count_key.mark()),
            (5, 7, 15)
        );
        assert_eq!(count_key.stem(), Stem::PageAlloc as u8);
        let moved = count_key.with_page_node(3).with_preferred(1000);
        assert_eq!((moved.page_node(), moved.preferred_node()), (3, Some(1000)));
        assert_eq!(
            moved.with_page_node(512).with_preferred(NODE_UNKNOWN),
            count_key
        );
    }

    #[test]
    fn pids_and_cpus_fit_where_nodes_were() {
        let count_key = CountKey::new(Stem::MovedBy)
            .with_epoch(7)
            .with_pid(1 << 22)
            .with_cause(15);
        assert_eq!(
            (count_key.epoch(), count_key.pid(), count_key.cause()),
            (7, 1 << 22, 15)
        );
        let count_key = CountKey::new(Stem::CpuMove)
            .with_epoch(7)
            .with_cpus(8191, 16384);
        assert_eq!((count_key.cpus(), count_key.cause()), ((8191, 16384), 0));
        assert_eq!(count_key.stem(), Stem::CpuMove as u8);
    }

    #[test]
    fn no_cell_of_a_stem_looks_empty() {
        assert!(!CountKey::new(Stem::PageAlloc).is_empty());
        assert!(CountKey::default().is_empty());
    }

    #[test]
    fn what_a_fault_storm_mixes_gets_lanes_of_its_own() {
        let count_key = CountKey::new(Stem::PageAlloc);
        let user = count_key.with_class(AllocClass::User4k as u8);
        let table = count_key.with_class(AllocClass::PageTable as u8);
        let kernel = count_key.with_class(AllocClass::Kernel as u8);
        let bins = [user.bin(), table.bin(), kernel.bin()];
        assert!(bins[0] != bins[1] && bins[1] != bins[2] && bins[0] != bins[2]);
        let other = user.with_page_node(1).with_preferred(1);
        assert_ne!(user.bin(), other.bin());
    }
}
