//! A hash table that prefetches the places of many keys at once.
//!
//! With a hundred thousand processes each count is at a different place in tables of many
//! megabytes, and each look-up waits for memory. Reading the places of a whole batch first, one
//! after the other and without using them, avoids most of that: the processor then waits for a
//! dozen of them at the same time. `std`'s table does not reveal the place of a key; this one does.
//! Open addressing, linear probing.

use std::{
    hash::{BuildHasher, Hash},
    hint::black_box,
};

use foldhash::fast::FixedState;
use serde::{
    de::{Deserialize, Deserializer},
    ser::{Serialize, Serializer},
};

/// A map from keys to values, both small and `Copy`.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    /// The length is a power of two, or 0.
    places: Vec<Option<(K, V)>>,
    used: usize,
}

/// A key's hash, for [`Table::warm`] and the look-ups after it.
#[derive(Clone, Copy, Debug)]
pub struct Hashed(u64);

/// Number of places at the first insertion.
const FIRST: usize = 64;

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            used: 0,
        }
    }
}

impl<K: Copy + Eq + Hash, V: Copy + Default> Table<K, V> {
    /// Hashes a key, the same way on every machine and in every execution: keys come from our own
    /// counts, so no attacker chooses them.
    #[inline]
    pub fn hash(key: &K) -> Hashed {
        Hashed(FixedState::default().hash_one(key))
    }

    /// Makes the processor fetch the places of these keys from memory, all at the same time.
    #[inline]
    pub fn warm(&self, hashes: &[Hashed]) {
        for hash in hashes {
            // Reads all of a place, which can span two cache lines.
            black_box(self.places.get(self.home(*hash)).copied());
        }
    }

    /// Returns the value of a key.
    #[inline]
    pub fn get(&self, hash: Hashed, key: &K) -> Option<V> {
        match self.places.get(self.find(hash, key)?) {
            Some(Some((_, value))) => Some(*value),
            _ => None,
        }
    }

    /// Returns the value of a key, inserting the default for a new one.
    #[inline]
    pub fn entry(&mut self, hash: Hashed, key: K) -> &mut V {
        // A quarter is always free, so that every search ends soon.
        if self.used * 4 >= self.places.len() * 3 {
            self.grow();
        }
        let at = self.find(hash, &key).unwrap_or_default();
        let place = &mut self.places[at];
        if place.is_none() {
            self.used += 1;
        }
        let (_, value) = place.get_or_insert((key, V::default()));
        value
    }

    /// Returns all keys with their values, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.places
            .iter()
            .flatten()
            .map(|(key, value)| (key, value))
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Returns whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Removes all keys and frees their memory.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the place where a search begins.
    #[inline]
    fn home(&self, hash: Hashed) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "only the low bits are wanted"
        )]
        let hash = hash.0 as usize;
        hash & self.places.len().wrapping_sub(1)
    }

    /// Returns the place of a key, or the free place for it; `None` in a table without places.
    #[inline]
    fn find(&self, hash: Hashed, key: &K) -> Option<usize> {
        let mut at = self.home(hash);
        loop {
            match self.places.get(at)? {
                Some((other, _)) if other != key => {
                    at = (at + 1) & (self.places.len() - 1);
                }
                _ => return Some(at),
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let wider = vec![None; (self.places.len() * 2).max(FIRST)];
        let before = std::mem::replace(&mut self.places, wider);
        for (key, value) in before.into_iter().flatten() {
            if let Some(at) = self.find(Self::hash(&key), &key) {
                self.places[at] = Some((key, value));
            }
        }
    }
}

// Serialized as a list of pairs: the places are an internal matter.
impl<K: Serialize, V: Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.places.iter().flatten())
    }
}

impl<'de, K, V> Deserialize<'de> for Table<K, V>
where
    K: Copy + Eq + Hash + Deserialize<'de>,
    V: Copy + Default + Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(K, V)>::deserialize(deserializer)?;
        let mut table = Self::default();
        for (key, value) in pairs {
            *table.entry(Self::hash(&key), key) = value;
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_has_the_same_entries_as_a_map(
            keys in proptest::collection::vec(0u64..500, 0..1_000)
        ) {
            let mut table: Table<u64, u64> = Table::default();
            let mut map: BTreeMap<u64, u64> = BTreeMap::new();
            for key in &keys {
                let hash = Table::<u64, u64>::hash(key);
                table.warm(&[hash]);
                prop_assert_eq!(table.get(hash, key), map.get(key).copied());
                *table.entry(hash, *key) += 1;
                *map.entry(*key).or_default() += 1;
            }
            prop_assert_eq!(table.len(), map.len());
            let found: BTreeMap<u64, u64> =
                table.iter().map(|(key, value)| (*key, *value)).collect();
            prop_assert_eq!(found, map);
            table.clear();
            prop_assert!(table.is_empty());
        }
    }
}
