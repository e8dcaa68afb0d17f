//! Sums by key that cannot overflow: a count that no longer fits stays the largest there is.

use std::collections::BTreeMap;

/// Adds to the entry of a key, saturating.
pub(crate) fn bump<K: Ord>(map: &mut BTreeMap<K, u64>, key: K, by: u64) {
    let sum = map.entry(key).or_default();
    *sum = sum.saturating_add(by);
}

/// Adds each entry of another map, saturating.
pub(crate) fn bump_all<K: Ord + Copy>(map: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) {
    for (key, by) in other {
        bump(map, *key, *by);
    }
}
