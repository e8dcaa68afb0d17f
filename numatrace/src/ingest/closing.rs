//! Where a session or interval ends: the cut, and what was counted up to it.

use super::{Ingest, NOT_COUNTING, SoFar};
use crate::{
    capture::{
        boundary::{BoundaryReading, Grown},
        totals::Sweep,
    },
    enrich::facts::Facts,
    fold::{Folding, counted::Counted, mapping::Mappings, timeline::Timeline, window::Boundary},
};

impl<F: Facts> Ingest<F> {
    /// Closes the counts at a cut. Records of what happened before it may still come: [`Ingest::counted`] is asked after them.
    pub(super) fn cut(&mut self, reading: &BoundaryReading, edge: &Sweep) {
        let Some(folding) = self.folding.take() else {
            return;
        };
        // Of the sweeps before; that of the edge is of both sides.
        let unsettled = std::mem::take(&mut self.unsettled);
        let (cut, edge) = self.choose(reading, edge);
        let now = self.so_far(&reading.grown);
        let before = std::mem::replace(&mut self.before, now.clone());
        if reading.goes_on {
            self.folding = Some(Folding::follow(cut.clone(), &edge));
        }
        let (window, mut inside) = folding.end(cut, &edge);
        inside.faults.close(reading.at_ns);
        self.closed = Some(Counted {
            window,
            inside,
            until_ns: reading.at_ns,
            began_ns: std::mem::replace(&mut self.began_ns, reading.at_ns),
            mappings: Mappings::default(),
            timeline: Timeline::default(),
            recursion_misses: misses(&now, &before),
            losses: now.grown.losses.since(&before.grown.losses),
            rejected: now.rejected.saturating_sub(before.rejected),
            mapping_records_lost: now
                .mapping_records_lost
                .saturating_sub(before.mapping_records_lost),
            unsettled: unsettled || self.unsettled,
            uncounted: reading
                .no_counters
                .clone()
                .or_else(|| uncounted(before.grown.counting, now.grown.counting)),
            switched: reading.switched,
        });
    }

    /// Closes the counts where the input ends without a cut, and says why there was none. `at_ns`: when the last of it was counted.
    pub fn break_off(&mut self, at_ns: u64, grown: &Grown, why: &str) {
        let Some(folding) = self.folding.take() else {
            return;
        };
        let now = self.so_far(grown);
        let (window, inside) = folding.end(Boundary::default(), &[]);
        self.closed = Some(Counted {
            window,
            inside,
            until_ns: at_ns,
            began_ns: self.began_ns,
            mappings: Mappings::default(),
            timeline: Timeline::default(),
            recursion_misses: misses(&now, &self.before),
            losses: now.grown.losses.since(&self.before.grown.losses),
            rejected: now.rejected.saturating_sub(self.before.rejected),
            mapping_records_lost: now
                .mapping_records_lost
                .saturating_sub(self.before.mapping_records_lost),
            unsettled: self.unsettled,
            uncounted: Some(why.to_owned()),
            switched: false,
        });
        self.before = now;
        self.began_ns = at_ns;
    }

    /// Begins anew where nothing is read of the kernel's counters: what came before is left out.
    pub fn begin_anew(&mut self, at_ns: u64, grown: &Grown) {
        self.mappings = Mappings::default();
        self.timeline = Timeline::default();
        self.before = self.so_far(grown);
        self.began_ns = at_ns;
        self.unsettled = false;
        self.folding = Some(Folding::begin(Boundary::default(), &[]));
    }
}

fn misses(now: &SoFar, before: &SoFar) -> Option<u64> {
    let (now, before) = (&now.grown, &before.grown);
    now.recursion_misses
        .as_ref()
        .zip(before.recursion_misses.as_ref())
        .map(|(now, before)| missed(now, before))
}

/// Why there is nothing to compare with between two cuts at which the kernel was counting or not.
fn uncounted(before: Option<bool>, now: Option<bool>) -> Option<String> {
    let why = match (before == Some(false), now == Some(false)) {
        (false, false) => return None,
        (true, true) => NOT_COUNTING,
        (false, true) => "vm.numa_stat was switched off during the session",
        (true, false) => "vm.numa_stat was 0 when this began: the kernel was not counting yet",
    };
    Some(why.to_owned())
}

/// Events that may be missing between two readings of what was skipped, copy by copy of each program: an event is missed when every copy was
/// skipped, so at most as often as the one that was skipped least.
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
        // The second copy was skipped less in the session, the first one since the last cut.
        assert_eq!(
            missed(&[vec![12, 9], vec![4]], &[vec![11, 2], vec![1]]),
            1 + 3
        );
    }
}
