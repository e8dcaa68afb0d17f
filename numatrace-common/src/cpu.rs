//! State of a CPU that the hot programs need, in one map element: an event finds it with one
//! lookup.
//!
//! While a task allocates pages of the same kind one after another, an event is a few comparisons
//! and one addition to a *streak*. An event that differs from the previous one flushes the streak
//! into the bins of the slots (`slot.rs`). Userspace reads open streaks together with the bins, so
//! a sweep misses nothing.

use bytemuck::{Pod, Zeroable};

use crate::{
    count_key::CountKey,
    event::mapping_run::OpenTouch,
    slot::{Bin, Fault, Slot},
};

/// Consecutive allocations that have the same count key.
///
/// All of them are local and came from the preferred node: these words do not say why a page would
/// lie elsewhere.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Streak {
    /// Key of the allocations.
    pub count_key: CountKey,
    /// Key of the first touch that each of them is too; empty when they are none.
    pub touch_key: CountKey,
    /// Number of allocations; 0 when there is no streak.
    pub count: u64,
    /// Base pages of each.
    pub pages: u64,
    /// gfp flags in the lower half, order in the upper one. Together with the words below they
    /// determine everything else that the count key holds.
    pub inputs: u64,
    /// Address of the preferred zone's place in a zonelist (`struct zoneref`), which determines the
    /// preferred node and the node that was asked for; 0 where it is not known.
    pub zoneref: u64,
    /// [`Fault::page_kind`] of the fault that allocated each of them, 0 for none.
    pub page_kind: u64,
}

const _: () = assert!(size_of::<Streak>() == 56);

impl Streak {
    /// Its counts as bins.
    fn bins(&self) -> impl Iterator<Item = Bin> {
        let (count, amount) = (self.count, self.count.wrapping_mul(self.pages));
        [self.count_key, self.touch_key]
            .into_iter()
            .filter(move |count_key| count != 0 && !count_key.is_empty())
            .map(move |count_key| Bin {
                count_key,
                count,
                amount,
                ..Bin::default()
            })
    }
}

/// Marks of the programs that have a twin: the last one whose primary copy ran on a CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Marks {
    /// In a task: its thread id in the upper half, the program's number in the lower. They are one
    /// word, so that nobody sees half of a mark.
    pub task: u64,
    /// In interrupts, which nest: the number of marks of each program, four bits each.
    pub irq: u64,
}

/// A CPU as the hot programs know it. Words that most events need come first, on few cache lines.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct CpuState {
    /// Address of the task whose events the streaks take without a lookup of their owner; 0 when
    /// the next event must look it up, as after each context switch.
    pub cached_task: u64,
    /// Number of the kernel stack that this task is on. The number distinguishes the task from
    /// others where a switch was not seen.
    pub stack: u64,
    /// Address of this element.
    pub address: u64,
    /// Streak of pages that user space may map.
    pub user: Streak,
    /// Marks for the backup copies of programs.
    pub marks: Marks,
    /// The page fault this CPU is in.
    pub fault: Fault,
    /// The open run of first touches, those from the hugetlb pool aside.
    pub open: OpenTouch,
    /// Slot of allocations in task context: it holds the owner of the streaks, and takes their
    /// counts when they end.
    pub slot: Slot,
    /// Streak of everything else.
    pub kernel: Streak,
}

impl CpuState {
    /// Returns all counts of this CPU's tasks: streaks, bins, and the allocation that waits for its
    /// cause.
    pub fn counts(&self) -> impl Iterator<Item = Bin> {
        let bins = self.slot.counts();
        self.user.bins().chain(self.kernel.bins()).chain(bins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count_key::Stem;

    #[test]
    fn a_streak_of_touches_counts_twice() {
        let count_key = |stem| CountKey::new(stem).with_epoch(3);
        let mut cpu = CpuState {
            user: Streak {
                count_key: count_key(Stem::PageAlloc),
                touch_key: count_key(Stem::FirstTouch),
                count: 5,
                pages: 512,
                ..Streak::default()
            },
            ..CpuState::default()
        };
        let counts: [Bin; 2] = {
            let mut counts = cpu.counts();
            [counts.next().unwrap(), counts.next().unwrap()]
        };
        assert_eq!(counts.map(|bin| (bin.count, bin.amount)), [(5, 2560); 2]);
        assert_eq!(counts[1].count_key.stem(), Stem::FirstTouch as u8);
        cpu.user.count = 0;
        assert_eq!(cpu.counts().count(), 0);
    }
}
