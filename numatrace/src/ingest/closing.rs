//! The end of a session or interval: the boundary, and the counts up to it.

use super::{AtBoundary, Ingest, NOT_COUNTING};
use crate::{
    capture::{
        boundary::{BoundaryReading, Grown},
        totals::Sweep,
    },
    enrich::{facts::Facts, process::Folded},
    fold::{
        Accumulators, Folding,
        counted::Counted,
        failures::Failures,
        mapping::Mappings,
        timeline::Timeline,
        window::{Boundary, Window},
    },
};

impl<F: Facts> Ingest<F> {
    /// Closes the counts at a boundary. Records from before it may still arrive, so
    /// [`Ingest::counted`] is called after them.
    pub(super) fn boundary(&mut self, reading: &BoundaryReading, boundary_counts: &Sweep) {
        let Some(folding) = self.folding.take() else {
            return;
        };
        // The sweep at the last boundary belongs to the interval that ends; the one here to both.
        let unsettled = std::mem::take(&mut self.unsettled);
        let (boundary, at_boundary) = self.choose(reading, boundary_counts);
        let now = self.grown_counts(&reading.grown);
        let before = std::mem::replace(&mut self.before, now.clone());
        if reading.another_follows {
            self.folding = Some(Folding::follow(boundary.clone(), &at_boundary));
        }
        let (window, mut inside) = folding.end(boundary, &at_boundary);
        inside.faults.close(reading.at_ns);
        let began_ns = std::mem::replace(&mut self.began_ns, reading.at_ns);
        self.closed = Some(Counted {
            unsettled: unsettled || self.unsettled,
            uncounted: reading
                .no_counters
                .clone()
                .or_else(|| uncounted(before.grown.counting, now.grown.counting)),
            switched: reading.switched,
            ..counted(window, inside, (began_ns, reading.at_ns), &now, &before)
        });
    }

    /// Closes the counts where the input ends without a boundary, for the reason `why`. `at_ns` is
    /// the time of the last sweep, ns since boot.
    pub fn break_off(&mut self, at_ns: u64, grown: &Grown, why: &str) {
        let Some(folding) = self.folding.take() else {
            return;
        };
        let now = self.grown_counts(grown);
        let (window, inside) = folding.end(Boundary::default(), &[]);
        self.closed = Some(Counted {
            unsettled: self.unsettled,
            uncounted: Some(why.to_owned()),
            ..counted(window, inside, (self.began_ns, at_ns), &now, &self.before)
        });
        self.before = now;
        self.began_ns = at_ns;
    }

    /// Drops everything so far and begins counting here, where the kernel's counters were not read.
    pub fn begin_anew(&mut self, at_ns: u64, grown: &Grown) {
        self.mappings = Mappings::default();
        self.timeline = Timeline::default();
        self.failures = Failures::default();
        self.enrich.residency.next_interval(&self.enrich.processes);
        self.before = self.grown_counts(grown);
        self.began_ns = at_ns;
        self.unsettled = false;
        self.folding = Some(Folding::begin(Boundary::default(), &[]));
    }
}

/// Returns the counts between two times, ns since boot, at which the growing counts were `before`
/// and `now`. Mappings, timeline and failures follow with the last records.
fn counted(
    window: Window,
    inside: Accumulators,
    (began_ns, until_ns): (u64, u64),
    now: &AtBoundary,
    before: &AtBoundary,
) -> Counted {
    Counted {
        window,
        inside,
        began_ns,
        until_ns,
        mappings: Mappings::default(),
        timeline: Timeline::default(),
        failures: Failures::default(),
        folded: Folded::default(),
        recursion_misses: misses(now, before),
        other_misses: other_misses(&now.grown.other_misses, &before.grown.other_misses),
        losses: now.grown.losses.since(&before.grown.losses),
        rejected: now.rejected.saturating_sub(before.rejected),
        mapping_records_lost: now
            .mapping_records_lost
            .saturating_sub(before.mapping_records_lost),
        unsettled: false,
        uncounted: None,
        switched: false,
    }
}

/// Returns the runs of allocation programs that the kernel skipped between two boundaries.
fn misses(now: &AtBoundary, before: &AtBoundary) -> Option<u64> {
    let (now, before) = (&now.grown, &before.grown);
    now.recursion_misses
        .as_ref()
        .zip(before.recursion_misses.as_ref())
        .map(|(now, before)| missed(now, before))
}

/// Returns the runs of other programs that the kernel skipped between two boundaries, by hook.
fn other_misses(
    now: &[(String, Vec<Vec<u64>>)],
    before: &[(String, Vec<Vec<u64>>)],
) -> Vec<(String, u64)> {
    let missed = now.iter().filter_map(|(hook, now)| {
        let (_, before) = before.iter().find(|(of, _)| of == hook)?;
        Some((hook.clone(), missed(now, before)))
    });
    missed.filter(|(_, missed)| *missed > 0).collect()
}

/// Returns why the kernel's counters cannot be compared between two boundaries; `None` if they can.
/// `Some(false)` means that the kernel was not counting there.
fn uncounted(before: Option<bool>, now: Option<bool>) -> Option<String> {
    let why = match (before == Some(false), now == Some(false)) {
        (false, false) => return None,
        (true, true) => NOT_COUNTING,
        (false, true) => "vm.numa_stat was switched off during the session",
        (true, false) => "vm.numa_stat was 0 when this began: the kernel was not counting yet",
    };
    Some(why.to_owned())
}

/// Returns the largest number of events missed between two readings of skipped runs, by program and
/// copy. An event is missed when every copy of a program was skipped, so at most as often as the
/// copy that was skipped least.
fn missed(now: &[Vec<u64>], before: &[Vec<u64>]) -> u64 {
    let of_copies = |(now, before): (&Vec<u64>, &Vec<u64>)| {
        let copies = now.iter().zip(before);
        copies
            .map(|(now, before)| now.saturating_sub(*before))
            .min()
    };
    now.iter().zip(before).filter_map(of_copies).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_that_was_skipped_least_in_this_interval_bounds_what_is_missing() {
        // The second copy was skipped less in the session, the first one since the last boundary.
        assert_eq!(
            missed(&[vec![12, 9], vec![4]], &[vec![11, 2], vec![1]]),
            1 + 3
        );
    }
}
