//! A tracing session: hooks are attached, counts and events are taken in, intervals end, reports
//! are made.
//!
//! Every command that traces opens a [`Session`] from a [`SessionPlan`]: `trace` and `record`
//! (`run`), `top` and `events` (in `command`), and the recording that a key of `top` starts
//! (`side_recording`). A session runs on one thread, driven by the timers of [`wait::Wait`].

mod descriptors;
mod ending;
mod interval;
pub mod launch;
mod live_code;
pub mod open;
mod report;
pub mod run;
mod scarce;
pub mod side_recording;
pub mod signals;
pub mod tracer;
pub mod wait;

use std::{process::Child, time::Instant};

use crate::{
    enrich::topology::Topology, label::symbol::Symbols, output::escape, plan::SessionPlan,
};
use interval::SessionInterval;
use tracer::Tracer;

/// A running session.
pub struct Session {
    plan: SessionPlan,
    topology: Topology,
    /// The attached hooks and everything taken in so far.
    pub(crate) tracer: Tracer,
    /// Start of the session, when all hooks were attached.
    opened: Instant,
    interval: SessionInterval,
    /// The launched command, if there is one.
    child: Option<Child>,
    /// Sweeps so far.
    sweeps: u32,
    /// Names of code. They are kept from one report to the next.
    symbols: Symbols,
}

impl Session {
    /// Returns the plan.
    pub(crate) fn plan(&self) -> &SessionPlan {
        &self.plan
    }

    /// Returns the machine as it was when the session was opened.
    pub(crate) fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Returns the start of the session, when all hooks were attached.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    /// Takes in the records of the ring buffer. A session that will make a report also measures its
    /// cost, and gives details up where that is too high.
    ///
    /// # Errors
    /// The ring buffer cannot be read, or bpf(2) failed.
    pub(crate) fn drain(&mut self) -> anyhow::Result<()> {
        self.tracer.drain()?;
        if self.tracer.ingest.is_counting() {
            self.tracer.measure_cost(Instant::now())?;
        }
        Ok(())
    }

    /// Takes in the counts of the totals.
    ///
    /// # Errors
    /// The ring buffer cannot be read, or bpf(2) failed.
    pub(crate) fn sweep(&mut self) -> anyhow::Result<()> {
        self.sweeps += 1;
        assert!(
            self.plan.switches.faults.panic_in_sweep != Some(self.sweeps),
            "on purpose (--inject panic)"
        );
        self.tracer.sweep()
    }

    /// Returns the path and size of the recording, or why it is incomplete; `None` without a
    /// recording.
    pub(crate) fn recording_summary(&self) -> Option<Result<String, String>> {
        let (path, recorder) = self.recording_path().zip(self.tracer.recorder.as_ref())?;
        Some(match recorder.trouble() {
            Some(trouble) => Err(format!(
                "the recording is incomplete: {trouble}\n  hint: {path} can be read up to that \
                 point; make room, or use --max-size"
            )),
            None => Ok(format!(
                "{} KiB in {path}; to see it: numatrace report {path}",
                recorder.written().div_ceil(1024)
            )),
        })
    }

    /// Returns the path of the recording for people; `None` without a recording.
    pub(crate) fn recording_path(&self) -> Option<String> {
        let path = &self.plan.recording.as_ref()?.path;
        Some(escape::text(path.as_os_str().as_encoded_bytes()).into_owned())
    }
}
