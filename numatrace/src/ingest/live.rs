//! Sessions that somebody watches while they go on.

use numatrace_common::event::mapping_run::{TouchRun as OpenTouch, UseRun as OpenUse};

use super::{Ingest, runs};
use crate::{
    capture::losses::Losses,
    decode::mapping_run::{TouchRun, UseRun},
    enrich::facts::Facts,
    fold::{
        live::{Live, LiveEvent},
        mapping::Mappings,
    },
};

impl<F: Facts> Ingest<F> {
    /// Keeps nothing for a report: a session that only tells what happens lasts as long as somebody listens.
    pub fn tell_only(&mut self) {
        self.folding = None;
        self.live = Some(Live::with_events());
    }

    /// Begins another stretch of a session that only tells: what is known of processes that ended is forgotten.
    pub fn forget(&mut self, now_ns: u64) {
        self.mappings = Mappings::default();
        self.timeline = Default::default();
        self.enrich.next_interval(now_ns);
        self.forget_absences();
    }

    /// Forgets who is away of processes that are forgotten.
    pub fn forget_absences(&mut self) {
        let Self { live, enrich, .. } = self;
        if let Some(live) = live {
            live.absences
                .retain(|process| enrich.processes.knows(process));
        }
    }

    /// What was lost on the way to us since this was asked last, of what was lost so far.
    pub fn losses(&mut self, now: Losses) -> (Losses, u64) {
        let lost = now.since(&self.before.grown.losses);
        self.before.grown.losses = now;
        let rejected = self.rejected.saturating_sub(self.before.rejected);
        self.before.rejected = self.rejected;
        (lost, rejected)
    }

    /// Takes in what runs that are still open have grown by, when somebody watches.
    pub fn grow(&mut self, now_ns: u64, touches: Vec<OpenTouch>, uses: Vec<OpenUse>) {
        let Self {
            live: Some(live),
            enrich,
            mappings,
            ..
        } = self
        else {
            return;
        };
        for open in touches {
            let mut run = TouchRun::from(open);
            if live.growth_of_touches(&mut run) {
                let process = runs::touched(&run, now_ns, enrich, mappings);
                live.apply(now_ns, LiveEvent::Touch(process, run));
            }
        }
        for open in uses {
            let mut run = UseRun::from(open);
            if live.growth_of_uses(&mut run) {
                let process = runs::used(&run, now_ns, enrich, mappings);
                live.apply(now_ns, LiveEvent::Use(process, run));
            }
        }
        live.forget_lost_runs();
    }
}
