//! Everything that a session or interval counted, by owner and count key.

use serde::{Deserialize, Serialize};

use super::{
    counts::{Counts, Tally},
    slices::Slices,
};
use crate::{
    decode::count::{AllocKey, CountKind},
    enrich::{
        Charged, Observation,
        table::{Hashed, Table},
    },
};

/// Everything counted in a session or interval.
///
/// One flat table: most owners have a handful of count keys, so a map for each would be many times larger than what it holds, and every count would
/// wait for one more cache line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Accumulators {
    /// What each owner did, count key by count key.
    pub tallies: Table<(Charged, CountKind), Tally>,
    /// Allocations that numastat's counters of the preferred node hold but that were counted in epochs around a cut: what
    /// `numa_foreign` may differ by.
    pub foreign_edge: u64,
    /// Base pages allocated between the two readings of `/proc/vmstat`, which are other instants than those of the nodes.
    pub system_pages: u64,
    /// Hinting faults over time.
    pub faults: Slices,
}

impl Accumulators {
    /// Adds one observation that belongs to this session.
    pub fn apply(&mut self, seen: &Observation) {
        self.apply_at(place(seen), seen);
    }

    #[inline]
    pub(super) fn apply_at(&mut self, hash: Hashed, seen: &Observation) {
        self.tallies
            .entry(hash, (seen.charged, seen.what))
            .add(seen.count, seen.amount);
        if let CountKind::HintFault(nodes) = seen.what {
            let process = match seen.charged {
                Charged::Thread { process, .. } => Some(process),
                _ => None,
            };
            self.faults.add(process, nodes, seen.count);
        }
    }

    /// What each owner did, one after the other in order: the counts of all of them at once would be many times the table.
    pub fn owners(&self) -> impl Iterator<Item = (Charged, Counts)> {
        let mut count_keys: Vec<_> = self.tallies.iter().collect();
        count_keys.sort_unstable_by_key(|((charged, _), _)| *charged);
        let mut count_keys = count_keys.into_iter().peekable();
        std::iter::from_fn(move || {
            let &((charged, _), _) = count_keys.peek()?;
            let mut counts = Counts::default();
            while let Some(((_, what), tally)) =
                count_keys.next_if(|((other, _), _)| *other == *charged)
            {
                counts.add_tally(*what, *tally);
            }
            Some((*charged, counts))
        })
    }

    /// Charges everything anew: to whom, is answered for each owner.
    pub fn charge(&mut self, mut to: impl FnMut(Charged) -> Charged) {
        for ((charged, what), tally) in std::mem::take(&mut self.tallies).iter() {
            let count_key = (to(*charged), *what);
            let hash = Table::<(Charged, CountKind), Tally>::hash(&count_key);
            self.tallies
                .entry(hash, count_key)
                .add(tally.count, tally.amount);
        }
    }

    /// What all of them did.
    #[must_use]
    pub fn total(&self) -> Counts {
        let mut sum = Counts::default();
        for ((_, what), tally) in self.tallies.iter() {
            sum.add_tally(*what, *tally);
        }
        sum
    }

    /// Allocations by owner and count key.
    pub fn allocs(&self) -> impl Iterator<Item = (Charged, AllocKey, Tally)> {
        self.tallies
            .iter()
            .filter_map(|((charged, what), tally)| match what {
                CountKind::Alloc(count_key) => Some((*charged, *count_key, *tally)),
                _ => None,
            })
    }

    /// Adds what another accumulator holds: two halves of a session are the whole.
    pub fn merge(&mut self, other: &Accumulators) {
        for (count_key, tally) in other.tallies.iter() {
            let hash = Table::<(Charged, CountKind), Tally>::hash(count_key);
            self.tallies
                .entry(hash, *count_key)
                .add(tally.count, tally.amount);
        }
        self.foreign_edge = self.foreign_edge.saturating_add(other.foreign_edge);
        self.system_pages = self.system_pages.saturating_add(other.system_pages);
        self.faults.merge(&other.faults);
    }
}

/// Where an observation is counted.
#[inline]
pub(super) fn place(seen: &Observation) -> Hashed {
    Table::<(Charged, CountKind), Tally>::hash(&(seen.charged, seen.what))
}
