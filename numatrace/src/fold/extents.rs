//! Stretches of addresses with a count each, bounded: sequential use is one stretch, scattered use at most a few hundred.

use serde::{Deserialize, Serialize};

/// Stretches kept; beyond it the two closest become one, whose count is then spread over both and the gap.
const MOST: usize = 256;

/// Disjoint stretches in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extents(Vec<Extent>);

/// One stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// First address.
    pub low: u64,
    /// First address behind it.
    pub high: u64,
    /// What was counted in it: pages, faults.
    pub count: u64,
}

impl Extents {
    /// Adds a count to `low..high`. What it overlaps or touches becomes one stretch with it.
    pub fn add(&mut self, low: u64, high: u64, count: u64) {
        let high = high.max(low);
        let first = self.0.partition_point(|extent| extent.high < low);
        let behind = self.0.partition_point(|extent| extent.low <= high);
        let mut whole = Extent { low, high, count };
        for extent in self.0.drain(first..behind.max(first)) {
            whole.low = whole.low.min(extent.low);
            whole.high = whole.high.max(extent.high);
            whole.count = whole.count.saturating_add(extent.count);
        }
        self.0.insert(first, whole);
        if self.0.len() > MOST {
            self.join_closest();
        }
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        for extent in &other.0 {
            self.add(extent.low, extent.high, extent.count);
        }
    }

    fn join_closest(&mut self) {
        let gap = |pair: &[Extent]| pair[1].low.saturating_sub(pair[0].high);
        let closest = (0..self.0.len().saturating_sub(1))
            .min_by_key(|at| self.0.get(*at..*at + 2).map_or(u64::MAX, gap));
        if let Some(at) = closest {
            let next = self.0.remove(at + 1);
            if let Some(extent) = self.0.get_mut(at) {
                extent.high = next.high;
                extent.count = extent.count.saturating_add(next.count);
            }
        }
    }

    /// The stretches.
    pub fn iter(&self) -> impl Iterator<Item = &Extent> {
        self.0.iter()
    }

    /// The sum of all counts.
    pub fn total(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, extent| sum.saturating_add(extent.count))
    }

    /// What lies below an address, and the rest: a stretch across it is divided by length.
    pub fn split_at(&self, at: u64) -> (Self, Self) {
        let (mut below, mut above) = (Vec::new(), Vec::new());
        for extent in &self.0 {
            if extent.high <= at {
                below.push(*extent);
            } else if extent.low >= at {
                above.push(*extent);
            } else {
                let part = extent.part(extent.low, at);
                below.push(Extent {
                    high: at,
                    count: part,
                    ..*extent
                });
                above.push(Extent {
                    low: at,
                    count: extent.count - part,
                    ..*extent
                });
            }
        }
        (Self(below), Self(above))
    }
}

impl Extent {
    /// The part of the count that falls to `low..high`, which lies within the stretch, spread evenly and rounded down.
    pub fn part(&self, low: u64, high: u64) -> u64 {
        let length = u128::from(self.high - self.low);
        let share = u128::from(high.min(self.high).saturating_sub(low.max(self.low)));
        (u128::from(self.count) * share)
            .checked_div(length)
            .map_or(self.count, |part| u64::try_from(part).unwrap_or(self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_become_one_and_strangers_stay_apart() {
        let mut extents = Extents::default();
        extents.add(0x3000, 0x4000, 1);
        extents.add(0x1000, 0x2000, 1);
        assert_eq!(extents.iter().count(), 2);
        extents.add(0x2000, 0x3000, 1);
        assert_eq!(
            extents.iter().collect::<Vec<_>>(),
            [&Extent {
                low: 0x1000,
                high: 0x4000,
                count: 3
            }]
        );
        let (below, above) = extents.split_at(0x2000);
        assert_eq!((below.total(), above.total()), (1, 2));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_stretches_stay_ordered_and_few(adds in proptest::collection::vec((0u64..10_000, 0u64..50, 1u64..9), 0..1500)) {
            let mut extents = Extents::default();
            for (low, length, count) in &adds {
                extents.add(*low, low + length, *count);
            }
            prop_assert_eq!(extents.total(), adds.iter().map(|(.., count)| count).sum::<u64>());
            prop_assert!(extents.0.len() <= MOST);
            prop_assert!(extents.0.windows(2).all(|pair| pair[0].high < pair[1].low));
            let (below, above) = extents.split_at(5_000);
            prop_assert_eq!(below.total() + above.total(), extents.total());
        }
    }
}
