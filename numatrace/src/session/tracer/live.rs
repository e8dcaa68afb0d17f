//! Sessions that somebody watches while they go on: what is read for them.

use super::{Tracer, boot_ns};
use crate::capture::losses::Losses;

impl Tracer {
    /// Begins another stretch of a session that only tells.
    ///
    /// # Errors
    /// The clock cannot be read.
    pub fn forget(&mut self) -> anyhow::Result<()> {
        self.ingest.forget(boot_ns()?);
        Ok(())
    }

    /// What was lost on the way to us since this was asked last.
    ///
    /// # Errors
    /// What bpf(2) returned.
    pub fn losses(&mut self) -> anyhow::Result<(Losses, u64)> {
        let now = self.losses.read()?;
        Ok(self.ingest.losses(now))
    }

    /// Takes in what runs that are still open have grown by, when somebody watches.
    pub(super) fn grow(&mut self) -> anyhow::Result<()> {
        if self.ingest.live.is_some() {
            let (touches, uses) = (self.open_runs.touches()?, self.open_runs.uses()?);
            self.ingest.grow(boot_ns()?, touches, uses);
        }
        Ok(())
    }
}
