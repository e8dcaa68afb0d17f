//! Absences of threads from their memory: those that are open, and the last that ended.

use std::collections::VecDeque;

use crate::model::{Incident, frame::ScreenFrame};

/// Ended absences that are kept.
const KEPT: usize = 500;

/// Shorter absences, ms, are not listed unless pages followed: schedulers cause them all the time.
const SHORT_MS: f64 = 10.0;

/// Absences from less memory, bytes, are not listed: every shell has as much.
const LITTLE: u64 = 1 << 20;

/// The absences that the view of moves shows.
#[derive(Clone, Debug, Default)]
pub struct Absences {
    /// Open absences, longest first.
    open: Vec<Incident>,
    /// Ended absences, newest first.
    ended: VecDeque<Incident>,
    /// Ended absences that were too short, or from too little memory, to be listed.
    pub small: u64,
    /// Ended absences that were not kept because too many ended at once.
    pub dropped: u64,
}

impl Absences {
    /// Adds the absences of an interval.
    pub fn add(&mut self, frame: &ScreenFrame) {
        let page_size = frame.snapshot.host.page_size;
        let much = |incident: &Incident| incident.pages_left.saturating_mul(page_size) >= LITTLE;
        let absences = &frame.absences;
        self.open = absences
            .open
            .iter()
            .filter(|one| much(one))
            .cloned()
            .collect();
        self.dropped = self.dropped.saturating_add(absences.dropped);
        for incident in &absences.ended {
            let short = incident.away_ms < SHORT_MS && incident.pages_followed == 0;
            if short || !much(incident) {
                self.small = self.small.saturating_add(1);
                continue;
            }
            if self.ended.len() == KEPT {
                self.ended.pop_back();
            }
            self.ended.push_front(incident.clone());
        }
    }

    /// Returns all, open ones first; the flag is true for them.
    pub fn all(&self) -> impl Iterator<Item = (&Incident, bool)> {
        let open = self.open.iter().map(|incident| (incident, true));
        open.chain(self.ended.iter().map(|incident| (incident, false)))
    }

    /// Returns their number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len() + self.ended.len()
    }
}
