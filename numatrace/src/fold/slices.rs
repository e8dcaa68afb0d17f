//! Hinting faults over time: all of them and the remote ones in each slice of a session, by
//! process.
//!
//! A slice is the time between two sweeps, about a second. The list is bounded: when it is full,
//! neighbours are merged, so a long session has longer slices.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    decode::count::NodePair,
    enrich::process::{Folds, ProcessIndex},
};

/// Most slices of a session.
const MOST: usize = 64;

/// Hinting faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// All of them.
    pub all: u64,
    /// Those on pages of a different node than the thread's.
    pub remote: u64,
}

impl Faults {
    fn add(&mut self, other: Self) {
        self.all = self.all.saturating_add(other.all);
        self.remote = self.remote.saturating_add(other.remote);
    }
}

/// The faults of one slice by process; `None` for owners that are no process.
type Slice = BTreeMap<Option<ProcessIndex>, Faults>;

/// The slices of a session or interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Slices {
    open: Slice,
    /// Slices that ended, and when each did, ns since boot.
    closed: Vec<(u64, Slice)>,
}

impl Slices {
    /// Adds faults to the slice that is open.
    pub fn add(&mut self, process: Option<ProcessIndex>, nodes: NodePair, count: u64) {
        let remote = if nodes.0 == nodes.1 { 0 } else { count };
        let faults = self.open.entry(process).or_default();
        faults.add(Faults { all: count, remote });
    }

    /// Ends the slice that is open, `now_ns` after boot, and begins another.
    pub fn close(&mut self, now_ns: u64) {
        self.closed.push((now_ns, std::mem::take(&mut self.open)));
        if self.closed.len() > MOST {
            let whole = std::mem::take(&mut self.closed);
            let mut pairs = whole.into_iter();
            while let Some((mut until, mut slice)) = pairs.next() {
                if let Some((later, other)) = pairs.next() {
                    until = later;
                    for (process, faults) in other {
                        slice.entry(process).or_default().add(faults);
                    }
                }
                self.closed.push((until, slice));
            }
        }
    }

    /// Returns the slices of one process, each with its end in ns since boot.
    pub fn of(&self, process: ProcessIndex) -> Vec<(u64, Faults)> {
        self.each(|slice| slice.get(&Some(process)).copied().unwrap_or_default())
    }

    /// Returns the slices of all owners together, each with its end in ns since boot.
    pub fn whole(&self) -> Vec<(u64, Faults)> {
        self.each(|slice| {
            let mut sum = Faults::default();
            slice.values().for_each(|faults| sum.add(*faults));
            sum
        })
    }

    fn each(&self, of: impl Fn(&Slice) -> Faults) -> Vec<(u64, Faults)> {
        let closed = self.closed.iter();
        closed.map(|(until, slice)| (*until, of(slice))).collect()
    }

    /// Gives the faults of folded processes to the rows that they go into.
    pub fn fold(&mut self, folds: &Folds) {
        let closed = self.closed.iter_mut().map(|(_, slice)| slice);
        for slice in closed.chain([&mut self.open]) {
            let folded = slice.extract_if(.., |process, _| {
                process.is_some_and(|process| folds.processes.contains_key(&process))
            });
            let folded: Vec<_> = folded.collect();
            for (process, faults) in folded {
                let row = process.and_then(|process| folds.processes.get(&process).copied());
                slice.entry(row).or_default().add(faults);
            }
        }
    }

    /// Gives the faults of all processes to owners that are none.
    pub fn charge_nobody(&mut self) {
        let closed = self.closed.iter_mut().map(|(_, slice)| slice);
        for slice in closed.chain([&mut self.open]) {
            let mut sum = Faults::default();
            slice.values().for_each(|faults| sum.add(*faults));
            *slice = BTreeMap::from([(None, sum)]);
        }
    }

    /// Appends later slices.
    pub fn merge(&mut self, other: &Self) {
        for (process, faults) in &other.open {
            self.open.entry(*process).or_default().add(*faults);
        }
        self.closed.extend(other.closed.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;
    use proptest::prelude::*;

    const HERE: NodePair = (NodeId(0), NodeId(0));
    const AWAY: NodePair = (NodeId(0), NodeId(1));

    #[test]
    fn a_slice_has_what_came_since_the_one_before() {
        let mut slices = Slices::default();
        slices.add(None, AWAY, 5);
        slices.add(None, HERE, 1);
        slices.close(10);
        slices.add(None, HERE, 4);
        slices.close(20);
        let faults = |all, remote| Faults { all, remote };
        assert_eq!(slices.whole(), [(10, faults(6, 5)), (20, faults(4, 0))]);
    }

    proptest! {
        #[test]
        fn however_long_it_lasts_nothing_is_lost_and_slices_are_few(
            counts in proptest::collection::vec((any::<bool>(), 0u64..1000), 0..500)
        ) {
            let mut slices = Slices::default();
            for (at, (remote, count)) in counts.iter().enumerate() {
                slices.add(None, if *remote { AWAY } else { HERE }, *count);
                slices.close(at as u64);
            }
            let whole = slices.whole();
            prop_assert!(whole.len() <= MOST);
            prop_assert!(whole.is_sorted_by_key(|(until, _)| *until));
            let sum = |of: fn(&Faults) -> u64| {
                whole.iter().map(|(_, faults)| of(faults)).sum::<u64>()
            };
            let all = counts.iter().map(|(_, count)| count).sum::<u64>();
            prop_assert_eq!(sum(|faults| faults.all), all);
            let remote = counts.iter().filter(|(remote, _)| *remote);
            let remote = remote.map(|(_, count)| count).sum::<u64>();
            prop_assert_eq!(sum(|faults| faults.remote), remote);
        }
    }
}
