//! Counts of closed epochs that are still in the slots of CPUs, as one reading of them saw it.

use numatrace_common::{
    slot::{Bin, Slot},
    totals::{TotalKey, TotalValue},
};

use super::control::unwrap_epoch;

/// The counts of one reading, slot by slot.
#[derive(Debug, Default)]
pub struct ClosedBins {
    /// The epoch that is not closed yet.
    current: u64,
    /// Slots in the order of the reading, which is the same for every reading.
    slots: Vec<Lane>,
    counts: Vec<(TotalKey, TotalValue)>,
    left_out: Vec<TotalKey>,
}

/// One slot of a CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lane {
    /// Owner, count key and counts.
    bins: Vec<(TotalKey, TotalValue)>,
    /// A flush was under way that may concern one of the bins.
    is_flushing: bool,
}

impl ClosedBins {
    /// Returns no counts, of epochs before `current`.
    pub fn before(current: u64) -> Self {
        Self {
            current,
            ..Self::default()
        }
    }

    /// Adds the counts of a slot's owner.
    pub fn add(&mut self, slot: &Slot, counts: impl Iterator<Item = Bin>) {
        let bins: Vec<_> = counts
            .filter(|bin| epoch(bin, slot, self.current) < self.current)
            .map(|bin| {
                let key = TotalKey {
                    start_ns: slot.start_ns,
                    tid: slot.tid,
                    tgid: slot.tgid,
                    count_key: bin.count_key,
                };
                let value = TotalValue {
                    count: bin.count,
                    amount: bin.amount,
                };
                (key, value)
            })
            .collect();
        self.counts.extend_from_slice(&bins);
        self.slots.push(Lane {
            is_flushing: slot.flushing != 0 && !bins.is_empty(),
            bins,
        });
    }

    /// Returns whether nothing moved between the two readings.
    pub fn agree_with(&self, before: &Self) -> bool {
        let mut lanes = self.slots.iter().zip(&before.slots);
        self.slots.len() == before.slots.len() && lanes.all(|(now, then)| now.stood_still(then))
    }

    /// Leaves the slots out that changed since an earlier reading.
    pub fn leave_out_changing(&mut self, before: &Self) {
        let Self {
            slots,
            counts,
            left_out,
            ..
        } = self;
        counts.clear();
        for (now, then) in slots.iter().zip(&before.slots) {
            if now.stood_still(then) {
                counts.extend_from_slice(&now.bins);
            } else {
                let bins = now.bins.iter().chain(&then.bins);
                left_out.extend(bins.map(|(key, _)| *key));
            }
        }
    }

    /// Returns the counts.
    pub fn counts(&self) -> &[(TotalKey, TotalValue)] {
        &self.counts
    }

    /// Returns the keys of counts that were left out.
    pub fn left_out(&self) -> &[TotalKey] {
        &self.left_out
    }
}

impl Lane {
    fn stood_still(&self, then: &Self) -> bool {
        !self.is_flushing && self == then
    }
}

/// Returns the epoch of a bin. All bins of a slot are of its epoch, which has 64 bits: their keys
/// have sixteen, and a CPU can be idle for longer than these last. A slot that changes while it is
/// read can have bins of a new epoch behind its old one.
fn epoch(bin: &Bin, slot: &Slot, current: u64) -> u64 {
    let of_key = bin.count_key.epoch();
    if slot.epoch & 0xffff == u64::from(of_key) {
        slot.epoch
    } else {
        unwrap_epoch(of_key, current)
    }
}

#[cfg(test)]
mod tests {
    use numatrace_common::count_key::{CountKey, Stem};

    use super::*;

    fn slot(epoch: u64, count: u64, flushing: u32) -> Slot {
        let mut slot = Slot {
            tid: 7,
            tgid: 7,
            start_ns: 1,
            epoch,
            flushing,
            ..Slot::default()
        };
        slot.bins[2] = Bin {
            count_key: CountKey::new(Stem::PageAlloc).with_epoch((epoch & 0xffff) as u16),
            count,
            amount: count,
            ..Bin::default()
        };
        slot
    }

    fn read(current: u64, slots: &[Slot]) -> ClosedBins {
        let mut closed = ClosedBins::before(current);
        for slot in slots {
            closed.add(slot, slot.counts());
        }
        closed
    }

    #[test]
    fn bins_of_the_current_epoch_are_ignored() {
        let closed = read(4, &[slot(4, 10, 0), slot(3, 20, 0)]);
        let counts: Vec<u64> = closed
            .counts()
            .iter()
            .map(|(_, value)| value.count)
            .collect();
        assert_eq!(counts, [20]);
    }

    #[test]
    fn a_slot_that_was_idle_for_65536_epochs_is_still_closed() {
        for current in [4 + 65_535, 4 + 65_536, 4 + 65_537, 4 + 2 * 65_536] {
            let closed = read(current, &[slot(4, 10, 0)]);
            assert_eq!(closed.counts().len(), 1, "epoch {current}");
        }
    }

    #[test]
    fn bins_that_are_newer_than_their_slots_epoch_are_of_their_own() {
        let mut torn = slot(5, 10, 0);
        torn.epoch = 3;
        assert!(read(5, &[torn]).counts().is_empty());
        assert_eq!(read(6, &[torn]).counts().len(), 1);
    }

    #[test]
    fn a_flush_matters_only_in_a_slot_with_a_closed_bin() {
        let current = [slot(4, 10, 1)];
        assert!(
            read(4, &current).agree_with(&read(4, &current)),
            "the flush can only be of a bin of the current epoch"
        );
        let closed = [slot(3, 10, 1)];
        assert!(!read(4, &closed).agree_with(&read(4, &closed)));
    }

    #[test]
    fn slots_that_change_are_left_out_and_the_others_are_not() {
        let before = read(4, &[slot(3, 10, 0), slot(2, 5, 0), slot(1, 7, 1)]);
        let mut after = read(4, &[slot(3, 10, 0), slot(3, 1, 0), slot(1, 7, 1)]);
        assert!(!after.agree_with(&before));
        after.leave_out_changing(&before);
        assert_eq!(after.counts().len(), 1);
        assert_eq!(after.counts()[0].1.count, 10);
        let mut epochs: Vec<u16> = after
            .left_out()
            .iter()
            .map(|key| key.count_key.epoch())
            .collect();
        epochs.sort_unstable();
        epochs.dedup();
        assert_eq!(epochs, [1, 2, 3], "of either reading");
    }
}
