//! Times by bucket, as the kernel side counts them, and their percentiles.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use numatrace_common::bucket;

use super::sums::{bump, bump_all};

/// Counts by [`bucket`] number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram(BTreeMap<u16, u64>);

impl Histogram {
    /// Adds events to a bucket.
    pub fn add(&mut self, bucket: u16, count: u64) {
        bump(&mut self.0, bucket, count);
    }

    /// Returns the middle of each bucket that has events (ns), shortest first, and its number of
    /// events.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        let buckets = self.0.iter();
        buckets.map(|(number, count)| (bucket::middle(*number), *count))
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Histogram) {
        bump_all(&mut self.0, &other.0);
    }

    /// Returns the middle of the bucket up to which `percent` of the events lie, ns; `None` without
    /// events.
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let total: u64 = self.0.values().fold(0, |sum, n| sum.saturating_add(*n));
        let wanted = total.saturating_mul(percent).div_ceil(100).max(1);
        let mut seen = 0u64;
        self.0.iter().find_map(|(bucket, count)| {
            seen = seen.saturating_add(*count);
            (seen >= wanted).then(|| bucket::middle(*bucket))
        })
    }

    /// Returns the middle of the smallest bucket with events, ns.
    pub fn shortest(&self) -> Option<u64> {
        self.0.keys().next().map(|bucket| bucket::middle(*bucket))
    }

    /// Returns the middle of the largest bucket with events, ns.
    pub fn longest(&self) -> Option<u64> {
        self.0
            .keys()
            .next_back()
            .map(|bucket| bucket::middle(*bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_events_not_of_buckets() {
        let mut times = Histogram::default();
        times.add(bucket::of(1_000), 98);
        times.add(bucket::of(1_000_000), 2);
        let near = |ns: Option<u64>, wanted: u64| ns.unwrap().abs_diff(wanted) <= wanted / 8;
        assert!(near(times.percentile(50), 1_000));
        assert!(near(times.percentile(98), 1_000));
        assert!(near(times.percentile(99), 1_000_000));
        assert!(near(times.longest(), 1_000_000) && near(times.shortest(), 1_000));
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Histogram::default().percentile(50), None);
        assert_eq!(Histogram::default().longest(), None);
    }
}
