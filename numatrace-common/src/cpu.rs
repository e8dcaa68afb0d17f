//! What the hot programs need of a CPU, in one map element: an event finds it with one lookup.
//!
//! While a task goes on allocating the same kind of page, an event is a few comparisons and one addition to a *streak*. Whatever is not
//! like the event before it ends the streak, which goes into the bins of the slots (`slot.rs`). Userspace reads open streaks together with
//! the bins, so nothing is late for a sweep.

use bytemuck::{Pod, Zeroable};

use crate::{
    count_key::CountKey,
    event::mapping_run::OpenTouch,
    slot::{Bin, Fault, Slot},
};

/// Allocations that are alike in all that is counted.
///
/// Only local ones that came from the preferred node: why a page is elsewhere is not in these words.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Streak {
    /// What is counted.
    pub count_key: CountKey,
    /// The first touch that each of them is too; empty when they are none.
    pub touch: CountKey,
    /// How many there are; 0 when there is no streak.
    pub count: u64,
    /// Base pages of each.
    pub pages: u64,
    /// gfp flags in the lower half, order in the upper one: whatever else the count key has follows from them and the words below.
    pub inputs: u64,
    /// Address of the preferred zone, which tells the preferred node; 0 where it is not known.
    pub zone: u64,
    /// [`Fault::what`] of the fault that each was made by, 0 for none.
    pub what: u64,
}

const _: () = assert!(size_of::<Streak>() == 56);

impl Streak {
    /// Its counts as bins.
    fn bins(&self) -> impl Iterator<Item = Bin> {
        let (count, amount) = (self.count, self.count.wrapping_mul(self.pages));
        [self.count_key, self.touch]
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

/// What the first copies of programs with a twin did last on a CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Marks {
    /// In a task: its thread id in the upper half, the program's number in the lower. One word, so that nobody sees half of it.
    pub task: u64,
    /// In an interrupt: the program's number.
    pub irq: u64,
}

/// A CPU as the hot programs know it. What most events need comes first, on few lines of the cache.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct CpuState {
    /// Address of the task whose events the streaks take without a look at who it is; 0 when the next one must look, as after each switch of
    /// tasks.
    pub streaking: u64,
    /// Which kernel stack that task is on: tells it from others where a switch was not seen.
    pub stack: u64,
    /// Where this element lies.
    pub address: u64,
    /// Streak of pages that user space may map.
    pub user: Streak,
    /// Marks for the second copies.
    pub marks: Marks,
    /// The fault this CPU is in.
    pub fault: Fault,
    /// The run of first touches under way, those from the hugetlb pool aside.
    pub open: OpenTouch,
    /// Allocations in task context: whose the streaks are, and where they end.
    pub slot: Slot,
    /// Streak of everything else.
    pub kernel: Streak,
}

impl CpuState {
    /// All counts of this CPU's tasks: streaks, bins, and what waits for its cause.
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
                touch: count_key(Stem::FirstTouch),
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
