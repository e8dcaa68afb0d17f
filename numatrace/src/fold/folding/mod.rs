//! A session being folded: sorts counts into the interval that they belong to.

use serde::{Deserialize, Serialize};

use super::{
    accumulators::{Accumulators, place},
    window::{Boundary, Window},
};
use crate::{
    decode::count::CountKind,
    enrich::{BATCH, Observation, table::Hashed},
};

/// A session or interval being folded: counts those observations that lie between its boundaries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Folding {
    window: Window,
    /// Late counts of an epoch before the start are taken in: the interval before ended without
    /// them.
    follows: bool,
    /// Counts inside the window.
    pub inside: Accumulators,
}

impl Folding {
    /// Begins at a boundary; `around` are the counts of the epochs around it.
    pub fn begin(start: Boundary, around: &[Observation]) -> Self {
        let mut folding = Self {
            window: Window::new(start),
            follows: false,
            inside: Accumulators::default(),
        };
        folding.apply_all(around);
        folding
    }

    /// Begins where another interval ended, with the same boundary and the same counts around it,
    /// so that each of them is in one of the two.
    pub fn follow(start: Boundary, around: &[Observation]) -> Self {
        Self {
            follows: true,
            ..Self::begin(start, around)
        }
    }

    /// Takes in a count that comes before the end of the session.
    pub fn apply(&mut self, count: &Observation) {
        self.apply_at(place(count), count);
    }

    fn apply_at(&mut self, hash: Hashed, count: &Observation) {
        if self.window.wholly_contains(count.epoch) {
            if matches!(count.what, CountKind::Alloc(_)) {
                self.inside.system_pages = self.inside.system_pages.saturating_add(count.amount);
            }
            self.inside.apply_at(hash, count);
            return;
        }
        self.inside.foreign_at_boundary = self
            .inside
            .foreign_at_boundary
            .saturating_add(self.window.foreign_at_boundary(count));
        if matches!(count.what, CountKind::Alloc(_)) && self.window.contains_system(count) {
            self.inside.system_pages = self.inside.system_pages.saturating_add(count.amount);
        }
        if self.window.contains(count) || self.follows && self.window.precedes(count) {
            self.inside.apply_at(hash, count);
        }
    }

    /// Takes in many counts, batch by batch.
    pub fn apply_all(&mut self, counts: &[Observation]) {
        let mut places = Vec::with_capacity(BATCH.min(counts.len()));
        for batch in counts.chunks(BATCH) {
            places.clear();
            places.extend(batch.iter().map(place));
            self.inside.tallies.warm(&places);
            for (hash, one) in places.iter().zip(batch) {
                self.apply_at(*hash, one);
            }
        }
    }

    /// Ends at a boundary; `around` are the counts of the epochs around it. Those that lie beyond
    /// it are dropped: they belong to the next interval, which is given the same counts.
    pub fn end(mut self, end: Boundary, around: &[Observation]) -> (Window, Accumulators) {
        self.window.close(end);
        self.apply_all(around);
        (self.window, self.inside)
    }
}

#[cfg(test)]
mod tests;
