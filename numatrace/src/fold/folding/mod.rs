//! A session being folded: which counts lie in it.

use serde::{Deserialize, Serialize};

use super::{
    accumulators::{Accumulators, place},
    window::{Boundary, Window},
};
use crate::{
    decode::count::CountKind,
    enrich::{BATCH, Observation, table::Hashed},
};

/// A session being folded: counts wait until it is known on which side of a cut they fall.
#[derive(Debug, Serialize, Deserialize)]
pub struct Folding {
    window: Window,
    /// What comes late, counted in an epoch before the start, is taken in: the interval before has ended without it.
    follows: bool,
    /// Counts inside the window.
    pub inside: Accumulators,
}

impl Folding {
    /// Begins at a cut; `edge` are the counts of the epochs around it.
    pub fn begin(start: Boundary, edge: &[Observation]) -> Self {
        let mut folding = Self {
            window: Window::new(start),
            follows: false,
            inside: Accumulators::default(),
        };
        folding.apply_all(edge);
        folding
    }

    /// Begins where another interval has ended, at the same cut and with the same edge: together they are one session.
    pub fn follow(start: Boundary, edge: &[Observation]) -> Self {
        Self {
            follows: true,
            ..Self::begin(start, edge)
        }
    }

    /// Takes in a count of an epoch before any possible end.
    pub fn apply(&mut self, seen: &Observation) {
        self.apply_at(place(seen), seen);
    }

    fn apply_at(&mut self, hash: Hashed, seen: &Observation) {
        if self.window.wholly_contains(seen.epoch) {
            if matches!(seen.what, CountKind::Alloc(_)) {
                self.inside.system_pages = self.inside.system_pages.saturating_add(seen.amount);
            }
            self.inside.apply_at(hash, seen);
            return;
        }
        self.inside.foreign_edge = self
            .inside
            .foreign_edge
            .saturating_add(self.window.foreign_edge(seen));
        if matches!(seen.what, CountKind::Alloc(_)) && self.window.contains_system(seen) {
            self.inside.system_pages = self.inside.system_pages.saturating_add(seen.amount);
        }
        if self.window.contains(seen) || self.follows && self.window.precedes(seen) {
            self.inside.apply_at(hash, seen);
        }
    }

    /// Takes in a batch of them.
    pub fn apply_all(&mut self, seen: &[Observation]) {
        let mut places = Vec::with_capacity(BATCH.min(seen.len()));
        for batch in seen.chunks(BATCH) {
            places.clear();
            places.extend(batch.iter().map(place));
            self.inside.tallies.warm(&places);
            for (hash, one) in places.iter().zip(batch) {
                self.apply_at(*hash, one);
            }
        }
    }

    /// Ends at a cut; `edge` are the counts of the epochs around it. What lies beyond is dropped: it belongs to the next interval, which
    /// is given the same edge.
    pub fn end(mut self, end: Boundary, edge: &[Observation]) -> (Window, Accumulators) {
        self.window.close(end);
        self.apply_all(edge);
        (self.window, self.inside)
    }
}

#[cfg(test)]
mod tests;
