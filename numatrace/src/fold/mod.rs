//! fold: observations to accumulators: plain synchronous arithmetic.
//!
//! Counts are kept as they came, by owner and cell; counters are derived when asked for. Nothing here reads a clock, a file or a
//! map, so every sum can be checked without a kernel.

pub mod alloc;
pub mod audit;
pub mod window;

// Beside the tracer: `numatrace stat`.
pub mod stat;

use std::collections::BTreeMap;

use crate::{
    decode::count::{AllocCell, What},
    enrich::{Charged, Observation},
    ids::NodeId,
};
use window::{Cut, Window};

/// Everything counted in a session or interval.
#[derive(Clone, Debug, Default)]
pub struct Accumulators {
    /// What each owner did.
    pub by_owner: BTreeMap<Charged, Counts>,
    /// Allocations that numastat's counters of the preferred node hold but that were counted in epochs around a cut: what
    /// `numa_foreign` may differ by.
    pub foreign_edge: u64,
}

/// What one owner, or a sum of owners, did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Allocations by cell: (allocations, base pages).
    pub alloc: BTreeMap<AllocCell, Tally>,
    /// Interleaved allocations placed as intended, by page node.
    pub interleave_hit: BTreeMap<NodeId, u64>,
}

impl Counts {
    /// Adds another owner's.
    pub fn add(&mut self, other: &Counts) {
        let Counts {
            alloc,
            interleave_hit,
        } = other;
        for (cell, tally) in alloc {
            self.alloc
                .entry(*cell)
                .or_default()
                .add(tally.count, tally.amount);
        }
        for (node, count) in interleave_hit {
            let sum = self.interleave_hit.entry(*node).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
}

/// Events and what they add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events.
    pub count: u64,
    /// Pages, ns: whatever the stem adds up.
    pub amount: u64,
}

impl Tally {
    /// Adds, saturating: a count that no longer fits is still a large one.
    pub fn add(&mut self, count: u64, amount: u64) {
        self.count = self.count.saturating_add(count);
        self.amount = self.amount.saturating_add(amount);
    }
}

impl Accumulators {
    /// Adds one observation that belongs to this session.
    pub fn apply(&mut self, seen: &Observation) {
        let counts = self.by_owner.entry(seen.charged).or_default();
        match seen.what {
            What::Alloc(cell) => counts
                .alloc
                .entry(cell)
                .or_default()
                .add(seen.count, seen.amount),
            What::InterleaveHit(node) => {
                let sum = counts.interleave_hit.entry(node).or_default();
                *sum = sum.saturating_add(seen.count);
            }
        }
    }

    /// Adds what another accumulator holds: two halves of a session are the whole.
    pub fn merge(&mut self, other: &Accumulators) {
        for (charged, counts) in &other.by_owner {
            self.by_owner.entry(*charged).or_default().add(counts);
        }
        self.foreign_edge = self.foreign_edge.saturating_add(other.foreign_edge);
    }
}

/// A session being folded: counts wait until it is known on which side of a cut they fall.
#[derive(Debug)]
pub struct Folding {
    window: Window,
    /// Counts inside the window.
    pub inside: Accumulators,
}

impl Folding {
    /// Begins at a cut; `edge` are the counts of the epochs around it.
    pub fn begin(start: Cut, edge: &[Observation]) -> Self {
        let mut folding = Self {
            window: Window::new(start),
            inside: Accumulators::default(),
        };
        for seen in edge {
            folding.apply(seen);
        }
        folding
    }

    /// Takes in a count of an epoch before any possible end.
    pub fn apply(&mut self, seen: &Observation) {
        self.inside.foreign_edge = self
            .inside
            .foreign_edge
            .saturating_add(self.window.foreign_edge(seen));
        if self.window.contains(seen) {
            self.inside.apply(seen);
        }
    }

    /// Ends at a cut; `edge` are the counts of the epochs around it. What lies beyond is dropped: it belongs to the next interval, which
    /// is given the same edge.
    pub fn end(mut self, end: Cut, edge: &[Observation]) -> (Window, Accumulators) {
        self.window.close(end);
        for seen in edge {
            self.apply(seen);
        }
        (self.window, self.inside)
    }
}
