//! Readings for sessions whose events are shown while they happen.

use super::{Tracer, clock::boot_ns};
use crate::capture::losses::Losses;

impl Tracer {
    /// Begins another interval of a session that only streams events.
    ///
    /// # Errors
    /// The clock cannot be read.
    pub fn forget_ended(&mut self) -> anyhow::Result<()> {
        self.ingest.forget_ended(boot_ns()?);
        Ok(())
    }

    /// Returns the losses of the kernel side since the last call, and the number of records that
    /// could not be decoded since then.
    ///
    /// # Errors
    /// bpf(2) failed.
    pub fn losses(&mut self) -> anyhow::Result<(Losses, u64)> {
        let now = self.losses.read()?;
        Ok(self.ingest.losses(now))
    }

    /// Streams the growth of runs that are still open; does nothing in a session that only reports.
    pub(super) fn stream_growth(&mut self) -> anyhow::Result<()> {
        if self.ingest.live.is_some() {
            let (touches, uses) = (self.open_runs.touches()?, self.open_runs.uses()?);
            self.ingest.stream_growth(boot_ns()?, touches, uses);
        }
        Ok(())
    }
}
