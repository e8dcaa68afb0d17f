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
        process::Folds,
        table::{Hashed, Table},
    },
};

/// Everything counted in a session or interval.
///
/// One flat table: most owners have a handful of count keys, so a map for each owner would be many
/// times larger than what it holds, and every count would wait for one more cache line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Accumulators {
    /// Events of each owner by count key.
    pub tallies: Table<(Charged, CountKind), Tally>,
    /// Allocations in the epochs around a boundary that the preferred node's `numa_foreign` may
    /// hold although the page's node does not, or the other way round.
    #[serde(rename = "foreign_edge")]
    pub foreign_at_boundary: u64,
    /// Base pages allocated between the two readings of `/proc/vmstat`, which is read at other
    /// instants than the nodes' files.
    pub system_pages: u64,
    /// Hinting faults over time.
    pub faults: Slices,
}

impl Accumulators {
    /// Adds one observation that belongs to this session.
    pub fn apply(&mut self, observation: &Observation) {
        self.apply_at(place(observation), observation);
    }

    #[inline]
    pub(super) fn apply_at(&mut self, hash: Hashed, observation: &Observation) {
        self.tallies
            .entry(hash, (observation.charged, observation.what))
            .add(observation.count, observation.amount);
        if let CountKind::HintFault(nodes) = observation.what {
            let process = match observation.charged {
                Charged::Thread { process, .. } => Some(process),
                _ => None,
            };
            self.faults.add(process, nodes, observation.count);
        }
    }

    /// Returns the counts of each owner, one owner after the other in order. The counts of all
    /// owners at once would be many times the table.
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

    /// Charges every count anew, to the owner that `to` returns for its owner.
    pub fn charge(&mut self, mut to: impl FnMut(Charged) -> Charged) {
        for ((charged, what), tally) in std::mem::take(&mut self.tallies).iter() {
            let count_key = (to(*charged), *what);
            let hash = Table::<(Charged, CountKind), Tally>::hash(&count_key);
            self.tallies
                .entry(hash, count_key)
                .add(tally.count, tally.amount);
        }
    }

    /// Gives the counts of folded processes and threads to the rows that they go into.
    pub fn fold(&mut self, folds: &Folds) {
        self.charge(|charged| folds.charged(charged));
        self.faults.fold(folds);
    }

    /// Returns the counts of all owners added up.
    #[must_use]
    pub fn total(&self) -> Counts {
        let mut sum = Counts::default();
        for ((_, what), tally) in self.tallies.iter() {
            sum.add_tally(*what, *tally);
        }
        sum
    }

    /// Returns the allocations by owner and count key.
    pub fn allocs(&self) -> impl Iterator<Item = (Charged, AllocKey, Tally)> {
        self.tallies
            .iter()
            .filter_map(|((charged, what), tally)| match what {
                CountKind::Alloc(count_key) => Some((*charged, *count_key, *tally)),
                _ => None,
            })
    }

    /// Adds all counts of another accumulator: two halves of a session make the whole.
    pub fn merge(&mut self, other: &Accumulators) {
        for (count_key, tally) in other.tallies.iter() {
            let hash = Table::<(Charged, CountKind), Tally>::hash(count_key);
            self.tallies
                .entry(hash, *count_key)
                .add(tally.count, tally.amount);
        }
        self.foreign_at_boundary = self
            .foreign_at_boundary
            .saturating_add(other.foreign_at_boundary);
        self.system_pages = self.system_pages.saturating_add(other.system_pages);
        self.faults.merge(&other.faults);
    }
}

/// Returns the hash of the table entry that counts an observation.
#[inline]
pub(super) fn place(observation: &Observation) -> Hashed {
    Table::<(Charged, CountKind), Tally>::hash(&(observation.charged, observation.what))
}
