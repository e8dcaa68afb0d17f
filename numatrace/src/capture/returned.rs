//! New counts: a reading of the totals less the counts that earlier sweeps returned.

use foldhash::{HashMap, HashSet};
use numatrace_common::{
    count_key::CountKey,
    totals::{OVERFLOW, TotalKey, TotalValue},
};

use super::control::unwrap_epoch;

/// The reading of one sweep.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Entries of the totals.
    pub totals: &'a [(TotalKey, TotalValue)],
    /// Entries for which the totals had no room.
    pub overflowed: &'a [(TotalKey, TotalValue)],
    /// Counts of closed epochs that are still in slots.
    pub bins: &'a [(TotalKey, TotalValue)],
    /// Keys of counts that were moving: what was read of them may be less than there is.
    pub left_out: &'a [TotalKey],
}

/// The new part of a reading.
#[derive(Debug, Default)]
pub struct New {
    /// Counts, each with its full epoch number.
    pub counts: Vec<(u64, TotalKey, TotalValue)>,
    /// Entries of the totals that can no longer change.
    pub finished_totals: Vec<TotalKey>,
    /// Entries of `[overflow]` that can no longer change.
    pub finished_overflowed: Vec<TotalKey>,
}

/// Counts that earlier sweeps returned, of keys that are still in a map or a bin.
#[derive(Debug, Default)]
pub struct Returned(HashMap<TotalKey, TotalValue>);

impl Returned {
    /// Takes a reading in; returns the part of it that is of epochs before `current` and that no
    /// earlier reading had.
    pub fn take_new(&mut self, current: u64, reading: &Reading<'_>) -> New {
        let epoch = |key: &TotalKey| unwrap_epoch(key.count_key.epoch(), current);
        let is_closed = |key: &TotalKey| epoch(key) < current;
        let entries = reading.totals.iter().chain(reading.overflowed);
        let closed = entries.filter(|(key, _)| is_closed(key));
        let mut now = HashMap::<TotalKey, TotalValue>::default();
        // Bins are closed by the epoch of their slot, of which a key has sixteen bits only.
        for (key, value) in closed.chain(reading.bins) {
            let sum = now.entry(*key).or_default();
            sum.count += value.count;
            sum.amount += value.amount;
        }
        let open = self.0.keys().filter(|key| !is_closed(key));
        let unread: HashSet<TotalKey> = open.chain(reading.left_out).copied().collect();
        let counts = self
            .new_counts(&now, &unread)
            .into_iter()
            .map(|(key, value)| (epoch(&key), key, value))
            .collect();
        let held: HashSet<TotalKey> = reading.bins.iter().map(|(key, _)| *key).collect();
        // An entry can be removed once its epoch has been closed for a whole sweep and no bin can
        // still be flushed into it: a program that was interrupted between finding the entry and
        // adding to it has long finished.
        let finished = |entries: &[(TotalKey, TotalValue)]| -> Vec<TotalKey> {
            let keys = entries.iter().map(|(key, _)| *key);
            keys.filter(|key| {
                self.0.contains_key(key)
                    && is_closed(key)
                    && !held.contains(key)
                    && !unread.contains(key)
            })
            .collect()
        };
        let finished_totals = finished(reading.totals);
        let finished_overflowed = finished(reading.overflowed);
        for key in finished_totals.iter().chain(&finished_overflowed) {
            now.remove(key);
        }
        // As much of the unread ones stays returned as was: they may only have gone unseen. The
        // epoch of a key is the current one once in 65,536 epochs.
        for key in &unread {
            if let Some(before) = self.0.get(key) {
                let kept = now.entry(*key).or_default();
                kept.count = kept.count.max(before.count);
                kept.amount = kept.amount.max(before.amount);
            }
        }
        self.0 = now;
        New {
            counts,
            finished_totals,
            finished_overflowed,
        }
    }

    /// Returns the counts of a reading that earlier sweeps have not returned.
    ///
    /// Counts only grow, with one exception: a count that was returned while it was in a bin can
    /// later be flushed into `[overflow]`, when the totals have no room for its owner. Its owner
    /// was charged, so it must not be charged to `[overflow]` again.
    fn new_counts(
        &self,
        now: &HashMap<TotalKey, TotalValue>,
        unread: &HashSet<TotalKey>,
    ) -> Vec<(TotalKey, TotalValue)> {
        let mut overflowed: HashMap<CountKey, TotalValue> = HashMap::default();
        for (key, before) in &self.0 {
            let after = now.get(key).copied().unwrap_or_default();
            if after.count >= before.count || unread.contains(key) {
                continue;
            }
            let sum = overflowed.entry(key.count_key).or_default();
            sum.count += before.count - after.count;
            sum.amount += before.amount.saturating_sub(after.amount);
        }
        let mut counts = Vec::new();
        for (key, value) in now {
            let mut known = self.0.get(key).copied().unwrap_or_default();
            if key.tgid == OVERFLOW {
                let moved = overflowed.get(&key.count_key).copied().unwrap_or_default();
                known.count += moved.count;
                known.amount += moved.amount;
            }
            let new = TotalValue {
                count: value.count.saturating_sub(known.count),
                amount: value.amount.saturating_sub(known.amount),
            };
            if new != TotalValue::default() {
                counts.push((*key, new));
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use numatrace_common::count_key::Stem;

    use super::*;

    const NOTHING: Reading<'static> = Reading {
        totals: &[],
        overflowed: &[],
        bins: &[],
        left_out: &[],
    };

    fn key(tgid: u32) -> TotalKey {
        TotalKey {
            tgid,
            count_key: CountKey::new(Stem::PageAlloc).with_epoch(4),
            ..TotalKey::default()
        }
    }

    fn value(count: u64) -> TotalValue {
        TotalValue {
            count,
            amount: count,
        }
    }

    /// The counts of the epochs at which something new was seen.
    fn counts(new: &New) -> Vec<(u64, u32, u64)> {
        let counts = new.counts.iter();
        let mut counts: Vec<_> = counts
            .map(|(epoch, key, value)| (*epoch, key.tgid, value.count))
            .collect();
        counts.sort_unstable();
        counts
    }

    #[test]
    fn only_growth_is_new() {
        let mut returned = Returned::default();
        let bins = [(key(1), value(10)), (key(2), value(5))];
        let reading = Reading {
            bins: &bins,
            ..NOTHING
        };
        let new = returned.take_new(5, &reading);
        assert_eq!(counts(&new), [(4, 1, 10), (4, 2, 5)]);
        let totals = [(key(1), value(12))];
        let reading = Reading {
            totals: &totals,
            bins: &bins[1..],
            ..NOTHING
        };
        let new = returned.take_new(6, &reading);
        assert_eq!(counts(&new), [(4, 1, 2)]);
        assert_eq!(new.finished_totals, [key(1)]);
    }

    #[test]
    fn a_count_returned_from_a_bin_is_not_returned_again_from_overflow() {
        let mut returned = Returned::default();
        // 481 are in a bin of process 1; then the bin is flushed, and the totals have no room.
        let bins = [(key(1), value(481))];
        let overflowed = [(key(OVERFLOW), value(7))];
        let reading = Reading {
            bins: &bins,
            overflowed: &overflowed,
            ..NOTHING
        };
        returned.take_new(5, &reading);
        let overflowed = [(key(OVERFLOW), value(7 + 481 + 20))];
        let reading = Reading {
            overflowed: &overflowed,
            ..NOTHING
        };
        assert_eq!(counts(&returned.take_new(6, &reading)), [(4, OVERFLOW, 20)]);
    }

    #[test]
    fn a_bin_that_is_idle_while_the_epoch_wraps_is_returned_once() {
        let mut returned = Returned::default();
        let bins = [(key(1), value(10))];
        let reading = Reading {
            bins: &bins,
            ..NOTHING
        };
        assert_eq!(returned.take_new(5, &reading).counts.len(), 1);
        for current in [65_539, 65_540, 65_541, 65_542] {
            let new = returned.take_new(current, &reading);
            assert_eq!(counts(&new), [], "epoch {current}");
        }
        // The thread goes on in an epoch with the same sixteen bits, and its bin is flushed.
        let totals = [(key(1), value(10 + 3))];
        let reading = Reading {
            totals: &totals,
            ..NOTHING
        };
        assert_eq!(counts(&returned.take_new(131_076, &reading)), []);
        let new = returned.take_new(131_077, &reading);
        assert_eq!(counts(&new), [(131_076, 1, 3)]);
    }

    #[test]
    fn what_was_left_out_is_counted_by_the_next_sweep_and_once() {
        let mut returned = Returned::default();
        let bins = [(key(1), value(10))];
        let reading = Reading {
            bins: &bins,
            ..NOTHING
        };
        returned.take_new(5, &reading);
        // The bin is flushed, and the flush is preempted: the reading has neither.
        let left_out = [key(1), key(OVERFLOW)];
        let reading = Reading {
            left_out: &left_out,
            ..NOTHING
        };
        assert_eq!(counts(&returned.take_new(6, &reading)), []);
        let totals = [(key(1), value(12))];
        let reading = Reading {
            totals: &totals,
            ..NOTHING
        };
        assert_eq!(counts(&returned.take_new(7, &reading)), [(4, 1, 2)]);
    }
}
