//! Sweeps of the totals: what was counted so far, read while everybody goes on counting.
//!
//! A count lives in a bin of a per-CPU slot until it is flushed into a map, and in between it is for a moment in both. A sweep
//! reads slots, maps, and slots again: when the bins of closed epochs are the same in both readings and none is on its way,
//! nothing was seen twice or missed. Closed epochs get no new events (all but the few already under way when the epoch
//! changed), so this settles at once however busy the machine is.

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

use super::{batch, control::unwrap_epoch, cpu_state::CpuStates};

/// Readings before a sweep takes the last one as it is and says so.
const ATTEMPTS: usize = 1_000;

/// The maps that hold totals.
pub struct TotalsMaps {
    totals: MapData,
    overflowed: MapData,
    cpus: Arc<CpuStates>,
    slots: PerCpuArray<MapData, [u8; size_of::<Slot>()]>,
    /// What earlier sweeps took of keys that are still in a map or a bin.
    taken: HashMap<TotalKey, TotalValue>,
}

/// What a sweep found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// What was counted since the last sweep, with the full epoch number of each.
    pub counts: Vec<(u64, TotalKey, TotalValue)>,
    /// False when slots would not stand still: some count may have been seen twice or missed.
    pub settled: bool,
}

impl TotalsMaps {
    /// Takes the maps out of the loaded object.
    ///
    /// # Errors
    /// The object lacks one: a build mistake.
    pub fn take(ebpf: &mut Ebpf, cpus: Arc<CpuStates>) -> anyhow::Result<Self> {
        let mut hash = |name: &'static str| match ebpf.take_map(name) {
            Some(Map::HashMap(data)) => Ok(data),
            _ => Err(anyhow!("the eBPF object has no hash map {name}")),
        };
        let (totals, overflowed) = (hash("TOTALS")?, hash("OVERFLOWED")?);
        let slots = ebpf
            .take_map("SLOTS")
            .context("the eBPF object has no map SLOTS")?;
        Ok(Self {
            totals,
            overflowed,
            cpus,
            slots: slots.try_into()?,
            taken: HashMap::new(),
        })
    }

    /// Everything counted in epochs before `current` that no earlier sweep returned.
    ///
    /// # Errors
    /// What bpf(2) returned.
    pub fn sweep(&mut self, current: u64) -> anyhow::Result<Sweep> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let before = self.closed_bins(current)?;
            let totals = entries(&self.totals)?;
            let overflowed = entries(&self.overflowed)?;
            let after = self.closed_bins(current)?;
            let settled = !before.moving && !after.moving && before.bins == after.bins;
            if settled || attempt == ATTEMPTS {
                let counts = self.take_new(current, &totals, &overflowed, &after.bins)?;
                return Ok(Sweep { counts, settled });
            }
        }
    }

    /// Bins and streaks of closed epochs over all CPUs and slots.
    fn closed_bins(&self, current: u64) -> anyhow::Result<ClosedLanes> {
        let mut closed = ClosedLanes::default();
        for cpu in self.cpus.read()? {
            closed.add(&cpu.slot, cpu.counts(), current);
        }
        for index in 0..SLOTS {
            let per_cpu = self
                .slots
                .get(&index, 0)
                .context("cannot read the run slots")?;
            for bytes in per_cpu.iter() {
                let slot: Slot = bytemuck::pod_read_unaligned(bytes);
                closed.add(&slot, slot.counts(), current);
            }
        }
        Ok(closed)
    }

    /// The part of a consistent reading that is new, and removal of what is over and done with.
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
        let counts = fresh(&self.taken, &now)
            .into_iter()
            .map(|(key, value)| (epoch(&key), key, value))
            .collect();
        // An entry may go once its epoch has been closed for a whole sweep and no bin can still add to it: a program that was
        // interrupted between finding the entry and adding to it has long finished.
        let gone = |entries: &[(TotalKey, TotalValue)]| -> Vec<TotalKey> {
            entries
                .iter()
                .map(|(key, _)| *key)
                .filter(|key| {
                    self.taken.contains_key(key) && !bins.iter().any(|(bin, _)| bin == key)
                })
                .filter(|key| epoch(key) < current)
                .collect()
        };
        let (gone_totals, gone_overflowed) = (gone(totals), gone(overflowed));
        batch::delete_all(self.totals.fd().as_fd(), &gone_totals)
            .context("cannot trim the totals")?;
        batch::delete_all(self.overflowed.fd().as_fd(), &gone_overflowed)
            .context("cannot trim the totals")?;
        for key in gone_totals.iter().chain(&gone_overflowed) {
            now.remove(key);
        }
        self.taken = now;
        Ok(counts)
    }
}

/// What a reading has that earlier ones have not taken.
///
/// Counts only grow, with one exception: what was taken while it was in a bin can be flushed into `[overflow]`, when the totals have no room
/// for its owner. It is its owner's then, and no more `[overflow]`'s.
fn fresh(
    taken: &HashMap<TotalKey, TotalValue>,
    now: &HashMap<TotalKey, TotalValue>,
) -> Vec<(TotalKey, TotalValue)> {
    let mut overflowed: HashMap<CountKey, TotalValue> = HashMap::new();
    for (key, before) in taken {
        let after = now.get(key).copied().unwrap_or_default();
        let sum = overflowed.entry(key.count_key).or_default();
        sum.count += before.count.saturating_sub(after.count);
        sum.amount += before.amount.saturating_sub(after.amount);
    }
    let mut counts = Vec::new();
    for (key, value) in now {
        let mut known = taken.get(key).copied().unwrap_or_default();
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
struct ClosedLanes {
    /// Owner, count key and counts.
    bins: Vec<(TotalKey, TotalValue)>,
    /// A flush was under way that may concern one of them.
    moving: bool,
}

impl ClosedLanes {
    /// Counts of the owner of a slot.
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
        self.moving |= slot.flushing != 0 && self.bins.len() > before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use numatrace_common::count_key::Stem;

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
    fn only_what_has_grown_is_new() {
        let taken = HashMap::from([(key(1), value(10)), (key(2), value(5))]);
        let now = HashMap::from([(key(1), value(12)), (key(2), value(5))]);
        assert_eq!(fresh(&taken, &now), [(key(1), value(2))]);
    }

    #[test]
    fn what_was_taken_from_a_lane_is_not_taken_again_from_overflow() {
        // 481 were in a bin of process 1; then the bin was flushed, and the totals had no room.
        let taken = HashMap::from([(key(1), value(481)), (key(OVERFLOW), value(7))]);
        let now = HashMap::from([(key(OVERFLOW), value(7 + 481 + 20))]);
        assert_eq!(fresh(&taken, &now), [(key(OVERFLOW), value(20))]);
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

    fn add(closed: &mut ClosedLanes, epoch: u16, count: u64, flushing: u32) {
        let slot = slot(epoch, count, flushing);
        closed.add(&slot, slot.counts(), 4);
    }

    #[test]
    fn lanes_of_the_current_epoch_are_left_alone() {
        let mut closed = ClosedLanes::default();
        add(&mut closed, 4, 10, 0);
        add(&mut closed, 3, 20, 0);
        assert_eq!(closed.bins.len(), 1);
        assert_eq!(closed.bins[0].1.count, 20);
        assert!(!closed.moving);
    }

    #[test]
    fn a_flush_matters_only_where_a_closed_lane_is() {
        let mut closed = ClosedLanes::default();
        add(&mut closed, 4, 10, 1);
        assert!(!closed.moving, "it can only be a lane of the current epoch");
        add(&mut closed, 3, 10, 1);
        assert!(closed.moving);
    }
}
