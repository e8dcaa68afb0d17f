//! The count key: a description of one kind of event, in one word.
//!
//! All six numastat counters follow from where a page lies, which node was preferred and where the
//! allocating CPU is. So allocations are counted by that triple, and the counters are derived
//! later. Other stems give the same three node fields meanings of their own, which [`Stem`] states.
//! In one word, "does this event have the same key as the last?" is one comparison.

#![expect(
    clippy::cast_possible_truncation,
    reason = "every field is masked to its width before the cast"
)]

mod stem;
mod values;

use bytemuck::{Pod, Zeroable};

pub use stem::Stem;
pub use values::{
    AllocClass, BIND_SEVERAL, BalancerWork, CacheStep, FAILED_BUSY, FAILED_OTHER, LATENCY_BATCH,
    LATENCY_FOLIO, LIMIT_CPUSET, LIMIT_NONE, LIMIT_POLICY, MOVED_BACK, MOVED_TO_WAKER, MoveReason,
    NODE_UNKNOWN, REASON_UNKNOWN, ReclaimKind, RemoteCause, TOUCH_COW, TOUCH_THP, TOUCH_WITHDRAWN,
    TouchKind,
};

/// A packed description of one kind of event.
///
/// Fields, from bit 0: epoch 16, task node 10, page node 10, preferred node 11, class 4, cause 4,
/// mark 4, stem 5.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
pub struct CountKey(pub u64);

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

impl CountKey {
    /// The empty key: counts nothing.
    pub const EMPTY: CountKey = CountKey(0);

    /// Returns a key with a stem and nothing else set.
    #[inline(always)]
    pub const fn new(stem: Stem) -> Self {
        CountKey(STEM.put(0, stem as u64))
    }

    /// Number of the epoch it was counted in, modulo 2^16 ([`crate::control::Control::epoch`]).
    #[inline(always)]
    pub const fn epoch(self) -> u16 {
        EPOCH.get(self.0) as u16
    }
    /// Node of the CPU on which the event happened.
    #[inline(always)]
    pub const fn task_node(self) -> u16 {
        TASK_NODE.get(self.0) as u16
    }
    /// Node on which the page lies.
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
    /// Class, whose meaning depends on the stem (an [`AllocClass`] for allocations).
    #[inline(always)]
    pub const fn class(self) -> u8 {
        CLASS.get(self.0) as u8
    }
    /// Cause, whose meaning depends on the stem.
    #[inline(always)]
    pub const fn cause(self) -> u8 {
        CAUSE.get(self.0) as u8
    }
    /// Mark, whose meaning depends on the stem.
    #[inline(always)]
    pub const fn mark(self) -> u8 {
        MARK.get(self.0) as u8
    }
    /// Number of the stem, 0 for the empty key.
    #[inline(always)]
    pub const fn stem(self) -> u8 {
        STEM.get(self.0) as u8
    }
    /// Number of a [`crate::bucket`], in stems that have one.
    #[inline(always)]
    pub const fn bucket(self) -> u16 {
        PREFERRED.get(self.0) as u16
    }
    /// Process id, in stems that have one instead of nodes.
    #[inline(always)]
    pub const fn pid(self) -> u32 {
        PID.get(self.0) as u32
    }
    /// CPUs from and to which a task moved, in stems that have them instead of nodes.
    #[inline(always)]
    pub const fn cpus(self) -> (u32, u32) {
        (FROM_CPU.get(self.0) as u32, TO_CPU.get(self.0) as u32)
    }

    /// Returns the key with a different epoch.
    #[inline(always)]
    pub const fn with_epoch(self, epoch: u16) -> Self {
        CountKey(EPOCH.put(self.0, epoch as u64))
    }
    /// Returns the key with a different task node.
    #[inline(always)]
    pub const fn with_task_node(self, node: u16) -> Self {
        CountKey(TASK_NODE.put(self.0, node as u64))
    }
    /// Returns the key with a different page node.
    #[inline(always)]
    pub const fn with_page_node(self, node: u16) -> Self {
        CountKey(PAGE_NODE.put(self.0, node as u64))
    }
    /// Returns the key with a different preferred node ([`NODE_UNKNOWN`] when it is not known).
    #[inline(always)]
    pub const fn with_preferred(self, node: u16) -> Self {
        CountKey(PREFERRED.put(self.0, node as u64))
    }
    /// Returns the key with a different stem.
    #[inline(always)]
    pub const fn with_stem(self, stem: Stem) -> Self {
        CountKey(STEM.put(self.0, stem as u64))
    }
    /// Returns the key with a different class.
    #[inline(always)]
    pub const fn with_class(self, class: u8) -> Self {
        CountKey(CLASS.put(self.0, class as u64))
    }
    /// Returns the key with a different cause.
    #[inline(always)]
    pub const fn with_cause(self, cause: u8) -> Self {
        CountKey(CAUSE.put(self.0, cause as u64))
    }
    /// Returns the key with a different mark.
    #[inline(always)]
    pub const fn with_mark(self, mark: u8) -> Self {
        CountKey(MARK.put(self.0, mark as u64))
    }
    /// Returns the key with a different bucket in place of the preferred node.
    #[inline(always)]
    pub const fn with_bucket(self, bucket: u16) -> Self {
        CountKey(PREFERRED.put(self.0, bucket as u64))
    }
    /// Returns the key with a process id in place of its nodes.
    #[inline(always)]
    pub const fn with_pid(self, pid: u32) -> Self {
        CountKey(PID.put(self.0, pid as u64))
    }
    /// Returns the key with two CPUs, from and to, in place of its nodes.
    #[inline(always)]
    pub const fn with_cpus(self, from: u32, to: u32) -> Self {
        CountKey(TO_CPU.put(FROM_CPU.put(self.0, from as u64), to as u64))
    }

    /// Returns whether this is the empty key, which an empty bin has.
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Number of the bin of a slot that counts this key. Keys that alternate in practice differ in
    /// the bits that this hash takes.
    #[inline(always)]
    pub const fn bin(self) -> usize {
        let h = self.0 >> 26 ^ self.0 >> 35 ^ self.0 >> 47;
        (h as usize) & (crate::limits::BINS - 1)
    }
}

/// Consecutive bits of the word.
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
    fn no_key_of_a_stem_is_empty() {
        assert!(!CountKey::new(Stem::PageAlloc).is_empty());
        assert!(CountKey::default().is_empty());
    }

    #[test]
    fn kinds_of_pages_that_a_fault_storm_mixes_have_bins_of_their_own() {
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
