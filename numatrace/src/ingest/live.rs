//! Sessions whose events are shown while they happen.

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
    /// Watches the session live from here on.
    pub fn watch(&mut self, mut live: Live) {
        if let Some(folding) = &self.folding {
            live.begin_with(&folding.inside);
        }
        self.live = Some(live);
    }

    /// Keeps nothing for a report, so memory does not grow with time: the session only streams
    /// events.
    pub fn stream_only(&mut self) {
        self.watch(Live::with_events());
        self.folding = None;
    }

    /// Begins another interval of a session that only streams: forgets processes that have ended.
    pub fn forget_ended(&mut self, now_ns: u64) {
        self.mappings = Mappings::default();
        self.timeline = Default::default();
        self.failures = Default::default();
        self.enrich.next_interval(now_ns);
        self.forget_absences();
    }

    /// Forgets open absences of processes that are forgotten.
    pub fn forget_absences(&mut self) {
        let Self { live, enrich, .. } = self;
        if let Some(live) = live {
            live.absences
                .retain(|process| enrich.processes.knows(process));
        }
    }

    /// Returns the losses since the last call, given those since the start, and the number of
    /// records that could not be decoded since then.
    pub fn losses(&mut self, now: Losses) -> (Losses, u64) {
        let lost = now.since(&self.before.grown.losses);
        self.before.grown.losses = now;
        let rejected = self.rejected.saturating_sub(self.before.rejected);
        self.before.rejected = self.rejected;
        (lost, rejected)
    }

    /// Streams the growth of runs that are still open; does nothing in a session that only reports.
    pub fn stream_growth(&mut self, now_ns: u64, touches: Vec<OpenTouch>, uses: Vec<OpenUse>) {
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
