//! Sweeps of the totals: the counts so far, read while the programs continue to count.
//!
//! A count is in a bin of a per-CPU slot until it is flushed into a map, and during the flush it is
//! in both. A sweep reads slots, maps, and slots again: when the bins of closed epochs are the same
//! in both readings and none is being flushed, no count was seen twice or missed. Closed epochs get
//! no new events, except for the few under way when the epoch changed, so the two readings soon
//! agree however busy the machine is.

use std::{collections::HashMap, os::fd::AsFd, sync::Arc};

use anyhow::{Context, anyhow};
use aya::{
    Ebpf,
    maps::{Map, MapData, PerCpuArray},
};
use numatrace_common::{
    count_key::CountKey,
    slot::{Bin, SLOTS, Slot},
    totals::{OVERFLOW, TotalKey, TotalValue},
};

use super::{batch, control::unwrap_epoch, cpu_state::CpuStates, map};

/// Readings after which a sweep accepts the last one and reports itself as inconsistent.
const ATTEMPTS: usize = 1_000;

/// The maps that hold totals.
pub struct TotalsMaps {
    totals: MapData,
    overflowed: MapData,
    cpus: Arc<CpuStates>,
    slots: PerCpuArray<MapData, [u8; size_of::<Slot>()]>,
    /// Counts that earlier sweeps returned, of keys that are still in a map or a bin.
    returned: HashMap<TotalKey, TotalValue>,
}

/// The result of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Counts since the last sweep, each with its full epoch number.
    pub counts: Vec<(u64, TotalKey, TotalValue)>,
    /// False when the slots changed in every attempt: a count may have been seen twice or missed.
    pub consistent: bool,
}

impl TotalsMaps {
    /// Takes the maps out of the loaded object.
    ///
    /// # Errors
    /// The object lacks one: a build error.
    pub fn take(ebpf: &mut Ebpf, cpus: Arc<CpuStates>) -> anyhow::Result<Self> {
        let mut hash = |name: &'static str| match ebpf.take_map(name) {
            Some(Map::HashMap(data)) => Ok(data),
            _ => Err(anyhow!("the eBPF object has no hash map {name}")),
        };
        let (totals, overflowed) = (hash("TOTALS")?, hash("OVERFLOWED")?);
        Ok(Self {
            totals,
            overflowed,
            cpus,
            slots: map::take(ebpf, "SLOTS")?,
            returned: HashMap::new(),
        })
    }

    /// Returns the counts of epochs before `current` that no earlier sweep returned.
    ///
    /// # Errors
    /// The error of bpf(2).
    pub fn sweep(&mut self, current: u64) -> anyhow::Result<Sweep> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let before = self.closed_bins(current)?;
            let totals = entries(&self.totals)?;
            let overflowed = entries(&self.overflowed)?;
            let after = self.closed_bins(current)?;
            let consistent = !before.flushing && !after.flushing && before.bins == after.bins;
            if consistent || attempt == ATTEMPTS {
                let counts = self.take_new(current, &totals, &overflowed, &after.bins)?;
                return Ok(Sweep { counts, consistent });
            }
        }
    }

    /// Reads the bins and streaks of closed epochs, of all CPUs and slots.
    fn closed_bins(&self, current: u64) -> anyhow::Result<ClosedBins> {
        let mut closed = ClosedBins::default();
        for cpu in self.cpus.read()? {
            closed.add(&cpu.slot, cpu.counts(), current);
        }
        for index in 0..SLOTS {
            let per_cpu = self.slots.get(&index, 0).context("cannot read the slots")?;
            for bytes in per_cpu.iter() {
                let slot: Slot = bytemuck::pod_read_unaligned(bytes);
                closed.add(&slot, slot.counts(), current);
            }
        }
        Ok(closed)
    }

    /// Returns the new part of a reading, and removes map entries that can no longer change.
    fn take_new(
        &mut self,
        current: u64,
        totals: &[(TotalKey, TotalValue)],
        overflowed: &[(TotalKey, TotalValue)],
        bins: &[(TotalKey, TotalValue)],
    ) -> anyhow::Result<Vec<(u64, TotalKey, TotalValue)>> {
        let epoch = |key: &TotalKey| unwrap_epoch(key.count_key.epoch(), current);
        let mut now: HashMap<TotalKey, TotalValue> = HashMap::new();
        for (key, value) in totals.iter().chain(overflowed).chain(bins) {
            if epoch(key) < current {
                let sum = now.entry(*key).or_default();
                sum.count += value.count;
                sum.amount += value.amount;
            }
        }
        let counts = new_counts(&self.returned, &now)
            .into_iter()
            .map(|(key, value)| (epoch(&key), key, value))
            .collect();
        // An entry can be removed once its epoch has been closed for a whole sweep and no bin can
        // still be flushed into it: a program that was interrupted between finding the entry and
        // adding to it has long finished.
        let finished = |entries: &[(TotalKey, TotalValue)]| -> Vec<TotalKey> {
            entries
                .iter()
                .map(|(key, _)| *key)
                .filter(|key| {
                    self.returned.contains_key(key) && !bins.iter().any(|(bin, _)| bin == key)
                })
                .filter(|key| epoch(key) < current)
                .collect()
        };
        let (finished_totals, finished_overflowed) = (finished(totals), finished(overflowed));
        batch::delete_all(self.totals.fd().as_fd(), &finished_totals)
            .context("cannot trim the totals")?;
        batch::delete_all(self.overflowed.fd().as_fd(), &finished_overflowed)
            .context("cannot trim the totals")?;
        for key in finished_totals.iter().chain(&finished_overflowed) {
            now.remove(key);
        }
        self.returned = now;
        Ok(counts)
    }
}

/// Returns the counts of a reading that earlier sweeps have not returned.
///
/// Counts only grow, with one exception: a count that was returned while it was in a bin can later
/// be flushed into `[overflow]`, when the totals have no room for its owner. Its owner was charged,
/// so it must not be charged to `[overflow]` again.
fn new_counts(
    returned: &HashMap<TotalKey, TotalValue>,
    now: &HashMap<TotalKey, TotalValue>,
) -> Vec<(TotalKey, TotalValue)> {
    let mut overflowed: HashMap<CountKey, TotalValue> = HashMap::new();
    for (key, before) in returned {
        let after = now.get(key).copied().unwrap_or_default();
        let sum = overflowed.entry(key.count_key).or_default();
        sum.count += before.count.saturating_sub(after.count);
        sum.amount += before.amount.saturating_sub(after.amount);
    }
    let mut counts = Vec::new();
    for (key, value) in now {
        let mut known = returned.get(key).copied().unwrap_or_default();
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

fn entries(map: &MapData) -> anyhow::Result<Vec<(TotalKey, TotalValue)>> {
    batch::lookup_all(map.fd().as_fd()).context("cannot read the totals")
}

/// Bins of closed epochs as one reading of the slots saw them.
#[derive(Default)]
struct ClosedBins {
    /// Owner, count key and counts.
    bins: Vec<(TotalKey, TotalValue)>,
    /// A flush was under way that may concern one of the bins.
    flushing: bool,
}

impl ClosedBins {
    /// Adds the counts of a slot's owner.
    fn add(&mut self, slot: &Slot, counts: impl Iterator<Item = Bin>, current: u64) {
        let before = self.bins.len();
        for bin in counts {
            if unwrap_epoch(bin.count_key.epoch(), current) >= current {
                continue;
            }
            self.bins.push((
                TotalKey {
                    start_ns: slot.start_ns,
                    tid: slot.tid,
                    tgid: slot.tgid,
                    count_key: bin.count_key,
                },
                TotalValue {
                    count: bin.count,
                    amount: bin.amount,
                },
            ));
        }
        self.flushing |= slot.flushing != 0 && self.bins.len() > before;
    }
}

#[cfg(test)]
mod tests {
    use numatrace_common::count_key::Stem;

    use super::*;

    fn key(tgid: u32) -> TotalKey {
        TotalKey {
            tgid,
            count_key: CountKey::new(Stem::PageAlloc),
            ..TotalKey::default()
        }
    }

    fn value(count: u64) -> TotalValue {
        TotalValue {
            count,
            amount: count,
        }
    }

    #[test]
    fn only_growth_is_new() {
        let returned = HashMap::from([(key(1), value(10)), (key(2), value(5))]);
        let now = HashMap::from([(key(1), value(12)), (key(2), value(5))]);
        assert_eq!(new_counts(&returned, &now), [(key(1), value(2))]);
    }

    #[test]
    fn a_count_returned_from_a_bin_is_not_returned_again_from_overflow() {
        // 481 were in a bin of process 1; then the bin was flushed, and the totals had no room.
        let returned = HashMap::from([(key(1), value(481)), (key(OVERFLOW), value(7))]);
        let now = HashMap::from([(key(OVERFLOW), value(7 + 481 + 20))]);
        assert_eq!(new_counts(&returned, &now), [(key(OVERFLOW), value(20))]);
    }

    fn slot(epoch: u16, count: u64, flushing: u32) -> Slot {
        let mut slot = Slot {
            tid: 7,
            tgid: 7,
            start_ns: 1,
            flushing,
            ..Slot::default()
        };
        slot.bins[2] = Bin {
            count_key: CountKey::new(Stem::PageAlloc).with_epoch(epoch),
            count,
            amount: count,
            ..Bin::default()
        };
        slot
    }

    fn add(closed: &mut ClosedBins, epoch: u16, count: u64, flushing: u32) {
        let slot = slot(epoch, count, flushing);
        closed.add(&slot, slot.counts(), 4);
    }

    #[test]
    fn bins_of_the_current_epoch_are_ignored() {
        let mut closed = ClosedBins::default();
        add(&mut closed, 4, 10, 0);
        add(&mut closed, 3, 20, 0);
        assert_eq!(closed.bins.len(), 1);
        assert_eq!(closed.bins[0].1.count, 20);
        assert!(!closed.flushing);
    }

    #[test]
    fn a_flush_matters_only_in_a_slot_with_a_closed_bin() {
        let mut closed = ClosedBins::default();
        add(&mut closed, 4, 10, 1);
        assert!(
            !closed.flushing,
            "the flush can only be of a bin of the current epoch"
        );
        add(&mut closed, 3, 10, 1);
        assert!(closed.flushing);
    }
}
