//! A recording next to a screen, which a key of `top` starts and stops.
//!
//! The recording is a session of its own with its own hooks, as `numatrace record` would open it at
//! that moment. So its file has a start, an end and one report, and the screen is not disturbed.
//! While both run, both cost.

use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;

use super::Session;
use crate::{
    console::messages::{Console, Verbosity},
    model::EndedBy,
    output::tui::Recording,
    plan::{RecordingPlan, SessionPlan},
};

/// A recording that is being written.
pub(crate) struct SideRecording {
    session: Session,
}

impl SideRecording {
    /// Starts a recording of the processes on the screen, into a new file in the current directory.
    ///
    /// # Errors
    /// The file cannot be written, or a required hook does not attach.
    pub(crate) fn begin(screen: &SessionPlan) -> anyhow::Result<Self> {
        let mut switches = screen.switches;
        // One report covers the whole session, so a run of moves may last as long as it likes.
        switches.gather_moves = true;
        let stamp = Timestamp::now().strftime("numatrace-%Y%m%dT%H%M%SZ");
        let plan = SessionPlan {
            command: "record",
            switches,
            interval: None,
            duration: None,
            recording: Some(RecordingPlan {
                path: free_path(Path::new(""), &stamp.to_string()),
                limit: None,
            }),
            verbosity: Verbosity::Quiet,
            ..screen.clone()
        };
        Ok(Self {
            session: Session::open(plan, &mut Console::quiet())?,
        })
    }

    /// Takes in the records of the ring buffer.
    ///
    /// # Errors
    /// As [`Session::drain`].
    pub(crate) fn drain(&mut self) -> anyhow::Result<()> {
        self.session.drain()
    }

    /// Takes in the counts of the totals.
    ///
    /// # Errors
    /// As [`Session::sweep`].
    pub(crate) fn sweep(&mut self) -> anyhow::Result<()> {
        self.session.sweep()
    }

    /// Returns its state, for the screen.
    pub(crate) fn state(&self) -> Recording {
        let Some(recorder) = &self.session.tracer.recorder else {
            return Recording::Off;
        };
        match recorder.trouble() {
            Some(why) => Recording::Failed {
                why: why.to_owned(),
            },
            None => Recording::On {
                path: self.session.recording_path().unwrap_or_default(),
                seconds: self.session.opened().elapsed().as_secs(),
                kib: recorder.written().div_ceil(1024),
            },
        }
    }

    /// Ends it. Returns its last state, and the line that says where it is or why it is incomplete.
    ///
    /// # Errors
    /// The counts could not be read.
    pub(crate) fn end(mut self) -> anyhow::Result<(Recording, Result<String, String>)> {
        let mut ended = self.session.finish()?;
        ended.session.ended_by = Some(EndedBy::Signal);
        // Nobody reads the report here; making it completes the recording.
        self.session.report(&ended, false, &mut Console::quiet());
        let summary = self.session.recording_summary();
        let line = summary.context("there is no recording")?;
        let state = match self.state() {
            Recording::On { path, kib, .. } => Recording::Done { path, kib },
            other => other,
        };
        Ok((state, line))
    }
}

/// Returns a path at which there is no file: two recordings may begin in the same second.
fn free_path(folder: &Path, stamp: &str) -> PathBuf {
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
    fn a_recording_never_replaces_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["now.nmt", "now-2.nmt", "now-3.nmt"] {
            let path = free_path(folder.path(), "now");
            assert_eq!(path, folder.path().join(name));
            std::fs::write(&path, "").unwrap();
        }
    }
}
