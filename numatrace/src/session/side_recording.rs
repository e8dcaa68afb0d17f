//! A recording beside a screen, which `r` begins and ends.
//!
//! It is a session of its own with programs of its own, as `numatrace record` would make it at that moment: so its file has a beginning, an end and
//! one report, and the screen goes on undisturbed. While both run, both cost.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context;
use jiff::Timestamp;

use super::{
    info,
    interval::SessionInterval,
    open::{scope_entries, switches, told},
    run::{asked, recorder, written},
    tracer::{self, Extras, Tracer},
};
use crate::{
    console::messages::Console,
    enrich::topology::Topology,
    model::EndedBy,
    output::{escape, tui::Recording},
    plan::{self, Plan, Verbosity},
};

/// A recording that goes on.
pub(crate) struct SideRecording {
    plan: Plan,
    tracer: Tracer,
    interval: SessionInterval,
}

impl SideRecording {
    /// Begins one of what the screen's session looks at, into a new file of the current directory.
    ///
    /// # Errors
    /// The file cannot be written, or nothing of use can be attached.
    pub(crate) fn begin(screen: &Plan, topology: &Topology) -> anyhow::Result<Self> {
        let stamp = Timestamp::now().strftime("numatrace-%Y%m%dT%H%M%SZ");
        let plan = Plan {
            interval: None,
            duration: None,
            verbosity: Verbosity::Quiet,
            recording: Some(plan::Recording {
                path: not_taken(Path::new(""), &stamp.to_string()),
                limit: None,
                report: false,
            }),
            ..screen.clone()
        };
        let extras = Extras {
            recorder: recorder(&plan)?,
            ..Extras::default()
        };
        let mut interval = SessionInterval::from_here();
        let mut loaded = tracer::load(topology, switches(&plan), false)?;
        loaded.wanted = plan.hooks.clone();
        let scope = scope_entries(&plan, None)?;
        let mut tracer = Tracer::start(loaded, topology, &scope, extras)?;
        told(&plan, &tracer, &mut Console::new(plan.verbosity, false))?;
        interval.began = Instant::now();
        tracer.open_recording(info::told(&tracer, topology, interval.so_far(&plan)));
        Ok(Self {
            plan,
            tracer,
            interval,
        })
    }

    /// Takes in what the ring holds.
    ///
    /// # Errors
    /// The ring broke.
    pub(crate) fn drain(&mut self) -> anyhow::Result<()> {
        self.tracer.drain()?;
        self.tracer.measure_cost(Instant::now())
    }

    /// Takes in what the totals hold.
    ///
    /// # Errors
    /// What bpf(2) returned.
    pub(crate) fn sweep(&mut self) -> anyhow::Result<()> {
        self.tracer.sweep()
    }

    /// How it is going.
    pub(crate) fn state(&self) -> Recording {
        let Some(recorder) = &self.tracer.recorder else {
            return Recording::Off;
        };
        match recorder.trouble() {
            Some(why) => Recording::Failed {
                why: why.to_owned(),
            },
            None => Recording::On {
                path: self.path(),
                seconds: self.interval.began.elapsed().as_secs(),
                kib: recorder.written().div_ceil(1024),
            },
        }
    }

    /// Ends it. The line that says so comes too, an error if it is not whole.
    ///
    /// # Errors
    /// What was counted could not be read.
    pub(crate) fn end(
        mut self,
        topology: &Topology,
    ) -> anyhow::Result<(Recording, Result<String, String>)> {
        let mut over = self.interval.end(&self.plan);
        let counted = self.tracer.finish()?.context("the session has no counts")?;
        over.session.ended_by = Some(EndedBy::Signal);
        info::snapshot(
            &mut self.tracer,
            topology,
            over,
            &counted,
            &mut Console::new(self.plan.verbosity, false),
            asked(&self.plan, false),
        );
        let line = written(&self.plan, &self.tracer).context("there is no recording")?;
        let state = match self.state() {
            Recording::On { path, kib, .. } => Recording::Done { path, kib },
            other => other,
        };
        Ok((state, line))
    }

    fn path(&self) -> String {
        let path = self
            .plan
            .recording
            .as_ref()
            .map(|recording| &recording.path);
        path.map_or_else(String::new, |path| {
            escape::text(path.as_os_str().as_encoded_bytes()).into_owned()
        })
    }
}

/// A name that nothing has there: of two recordings that begin in one second neither takes the other's place.
fn not_taken(folder: &Path, stamp: &str) -> PathBuf {
    let first = folder.join(format!("{stamp}.nmt"));
    let others = (2u64..).map(|number| folder.join(format!("{stamp}-{number}.nmt")));
    std::iter::once(first.clone())
        .chain(others)
        .find(|path| path.symlink_metadata().is_err())
        .unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_takes_no_other_s_place() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["now.nmt", "now-2.nmt", "now-3.nmt"] {
            let path = not_taken(folder.path(), "now");
            assert_eq!(path, folder.path().join(name));
            std::fs::write(path, "").unwrap();
        }
    }
}
