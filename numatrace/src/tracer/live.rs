//! Sessions that somebody watches while they go on.

use super::{Tracer, boot_ns, runs};
use crate::{
    capture::losses::Losses,
    decode::mapping_run::{TouchRun, UseRun},
    fold::{
        live::{Heard, Live},
        mapping::Mappings,
    },
};

impl Tracer {
    /// Keeps nothing for a report: a session that only tells what happens lasts as long as somebody listens.
    pub fn tell_only(&mut self) {
        self.folding = None;
        self.live = Some(Live::listening());
    }

    /// Begins another stretch of a session that only tells: what is known of processes that ended is forgotten.
    ///
    /// # Errors
    /// The clock cannot be read.
    pub fn forget(&mut self) -> anyhow::Result<()> {
        self.mappings = Mappings::default();
        self.timeline = Default::default();
        let now_ns = boot_ns()?;
        self.enrich.next_interval(now_ns);
        self.forget_absences();
        Ok(())
    }

    /// Forgets who is away of processes that are forgotten.
    pub fn forget_absences(&mut self) {
        let Self { live, enrich, .. } = self;
        if let Some(live) = live {
            live.absences
                .retain(|process| enrich.processes.knows(process));
        }
    }

    /// What was lost on the way to us since this was asked last.
    ///
    /// # Errors
    /// What bpf(2) returned.
    pub fn losses(&mut self) -> anyhow::Result<(Losses, u64)> {
        let now = self.losses.read()?;
        let lost = now.since(&self.before.losses);
        self.before.losses = now;
        let rejected = self.rejected.saturating_sub(self.before.rejected);
        self.before.rejected = self.rejected;
        Ok((lost, rejected))
    }

    /// Takes in what runs that are still open have grown by, when somebody watches.
    pub(super) fn grow(&mut self) -> anyhow::Result<()> {
        let Self {
            live: Some(live),
            open_runs,
            enrich,
            mappings,
            ..
        } = self
        else {
            return Ok(());
        };
        let now_ns = boot_ns()?;
        for open in open_runs.touches()? {
            let mut run = TouchRun::from(open);
            (run.pages, _) = live.growth((run.thread, run.began_ns), run.pages, 0);
            if run.pages > 0 {
                let process = runs::touched(&run, now_ns, enrich, mappings);
                live.hear(now_ns, Heard::Touch(process, run));
            }
        }
        for open in open_runs.uses()? {
            let mut run = UseRun::from(open);
            (run.faults, run.migrated) =
                live.growth((run.thread, run.began_ns), run.faults, run.migrated);
            if run.faults > 0 || run.migrated > 0 {
                let process = runs::used(&run, now_ns, enrich, mappings);
                live.hear(now_ns, Heard::Use(process, run));
            }
        }
        live.age();
        Ok(())
    }
}
