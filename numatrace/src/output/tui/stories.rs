//! Incidents as they come: who is away now, and the last that came back.

use std::collections::VecDeque;

use crate::model::{Incident, frame::ScreenFrame};

/// Incidents that are kept after their end.
const KEPT: usize = 500;

/// An absence shorter than this, ms, with nothing moved after it, is no story: schedulers do that all day.
const SHORT_MS: f64 = 10.0;

/// Neither is one from less memory than this, bytes: every shell has it.
const LITTLE: u64 = 1 << 20;

/// What the view of moves shows.
#[derive(Clone, Debug, Default)]
pub struct Stories {
    /// Those that last, longest first.
    away: Vec<Incident>,
    /// Those that are over, newest first.
    back: VecDeque<Incident>,
    /// Those that were over and too short, or from too little memory, to be kept.
    pub small: u64,
    /// Those that were not kept because too many came at once.
    pub untold: u64,
}

impl Stories {
    /// Takes in an interval.
    pub fn take(&mut self, look: &ScreenFrame) {
        let page_size = look.snapshot.host.page_size;
        let much = |incident: &Incident| incident.pages_left.saturating_mul(page_size) >= LITTLE;
        self.away = look
            .absences
            .open
            .iter()
            .filter(|one| much(one))
            .cloned()
            .collect();
        self.untold = self.untold.saturating_add(look.absences.dropped);
        for incident in &look.absences.ended {
            let short = incident.away_ms < SHORT_MS && incident.pages_followed == 0;
            if short || !much(incident) {
                self.small = self.small.saturating_add(1);
                continue;
            }
            if self.back.len() == KEPT {
                self.back.pop_back();
            }
            self.back.push_front(incident.clone());
        }
    }

    /// All, those that last first; the flag says which.
    pub fn all(&self) -> impl Iterator<Item = (&Incident, bool)> {
        let away = self.away.iter().map(|incident| (incident, true));
        away.chain(self.back.iter().map(|incident| (incident, false)))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.away.len() + self.back.len()
    }
}
