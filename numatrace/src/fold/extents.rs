//! Ranges of addresses with a count each. Their number is bounded: sequential use is one range,
//! scattered use at most a few hundred.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use serde::{Deserialize, Serialize};

/// Bytes of a base page, as on x86.
pub const PAGE: u64 = 4096;

/// Most ranges of one list. When there are more, the closest are joined, and their count is spread
/// over all of the range that they become.
const MOST: usize = 384;
/// Ranges that are left then. A hundred and more are joined at a time, so the cost of it for each
/// range that is added is next to nothing.
const LEFT: usize = 256;

/// Disjoint ranges in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Extent>", into = "Vec<Extent>")]
pub struct Extents(BTreeMap<u64, Extent>);

/// One range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// First address.
    pub low: u64,
    /// First address behind it.
    pub high: u64,
    /// Pages or faults that were counted in it.
    pub count: u64,
}

impl Extents {
    /// Adds a count to `low..high`. Ranges that it overlaps or touches are joined with it.
    pub fn add(&mut self, low: u64, high: u64, count: u64) {
        let mut whole = Extent {
            low,
            high: high.max(low),
            count,
        };
        let within = (Bound::Excluded(low), Bound::Included(whole.high));
        while let Some((&at, extent)) = self.0.range(within).next() {
            whole.absorb(extent);
            self.0.remove(&at);
        }
        match self.0.range_mut(..=low).next_back() {
            Some((_, before)) if before.high >= low => before.absorb(&whole),
            _ => {
                self.0.insert(low, whole);
                if self.0.len() > MOST {
                    self.join_closest();
                }
            }
        }
    }

    /// Adds all ranges of another list.
    pub fn merge(&mut self, other: &Self) {
        for extent in other.iter() {
            self.add(extent.low, extent.high, extent.count);
        }
    }

    /// Joins neighbours, the closest first, until [`LEFT`] ranges are left.
    fn join_closest(&mut self) {
        let pairs = self.0.values().zip(self.0.values().skip(1));
        let mut gaps: Vec<(u64, u64)> = pairs
            .map(|(one, next)| (next.low.saturating_sub(one.high), next.low))
            .collect();
        let many = self.0.len().saturating_sub(LEFT);
        if many == 0 || many > gaps.len() {
            return;
        }
        gaps.select_nth_unstable(many - 1);
        let joined: BTreeSet<u64> = gaps.into_iter().take(many).map(|(_, low)| low).collect();
        let mut left: Vec<Extent> = Vec::with_capacity(LEFT);
        for extent in self.0.values() {
            match left.last_mut() {
                Some(before) if joined.contains(&extent.low) => before.absorb(extent),
                _ => left.push(*extent),
            }
        }
        self.0 = left
            .into_iter()
            .map(|extent| (extent.low, extent))
            .collect();
    }

    /// Returns the ranges in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &Extent> {
        self.0.values()
    }

    /// Returns the sum of all counts.
    pub fn total(&self) -> u64 {
        self.iter()
            .fold(0, |sum, extent| sum.saturating_add(extent.count))
    }

    /// Returns the parts below an address and from it on. A range across it is divided by length.
    pub fn split_at(&self, at: u64) -> (Self, Self) {
        let (mut below, mut above) = (Vec::new(), Vec::new());
        for extent in self.iter() {
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
        (below.into(), above.into())
    }
}

impl From<Vec<Extent>> for Extents {
    /// Takes ranges in any order and overlapping: those of a damaged recording may be anything.
    fn from(ranges: Vec<Extent>) -> Self {
        let mut extents = Self::default();
        for extent in ranges {
            extents.add(extent.low, extent.high, extent.count);
        }
        extents
    }
}

impl From<Extents> for Vec<Extent> {
    fn from(extents: Extents) -> Self {
        extents.0.into_values().collect()
    }
}

impl Extent {
    /// Grows to hold another range too.
    fn absorb(&mut self, other: &Self) {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.count = self.count.saturating_add(other.count);
    }

    /// Returns the part of the count that falls to `low..high`, as if it were spread evenly over
    /// the range; rounded down.
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
        fn nothing_is_lost_and_ranges_stay_ordered_and_few(
            adds in proptest::collection::vec((0u64..10_000, 0u64..50, 1u64..9), 0..1500)
        ) {
            let mut extents = Extents::default();
            for (low, length, count) in &adds {
                extents.add(*low, low + length, *count);
            }
            let sum = adds.iter().map(|(.., count)| count).sum::<u64>();
            prop_assert_eq!(extents.total(), sum);
            prop_assert!(extents.0.len() <= MOST);
            let ranges: Vec<Extent> = extents.clone().into();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].high < pair[1].low));
            prop_assert_eq!(&Extents::from(ranges), &extents);
            let (below, above) = extents.split_at(5_000);
            prop_assert_eq!(below.total() + above.total(), extents.total());
        }
    }
}
