//! The plan of one tracing session: the same for every command that traces.

use std::{path::PathBuf, time::Duration};

use super::scope::Scope;
use crate::{
    attach::{globals::Switches, selection::Selection},
    console::messages::Verbosity,
    model::{self, Name},
    recording::files::Limit,
};

/// Everything that [`Session::open`](crate::session::Session::open) needs to know.
#[derive(Clone, Debug)]
pub struct SessionPlan {
    /// Name of the command that opens the session, for its report.
    pub command: &'static str,
    /// Processes that are traced by name.
    pub scope: Scope,
    /// Hooks to attach.
    pub hooks: Selection,
    /// Work of the kernel side.
    pub switches: Switches,
    /// The session ends after this long; `None` without a limit.
    pub duration: Option<Duration>,
    /// Each report covers this long; `None` for one report of the whole session, or none at all.
    pub interval: Option<Duration>,
    /// Readings of where the memory of processes lies.
    pub residency: Residency,
    /// Share of all CPU time, 0 to 1, above which details are given up; `None` without a limit.
    pub max_overhead: Option<f64>,
    /// Most ended processes, and most ended threads, with entries of their own.
    pub keep_processes: usize,
    /// Write the session into a recording, too.
    pub recording: Option<RecordingPlan>,
    /// Amount of messages on stderr.
    pub verbosity: Verbosity,
}

/// When a session reads where the memory of processes lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residency {
    /// Never.
    Off,
    /// At its start, in between as far as that costs next to nothing, and at its end: named
    /// processes, or those of the machine that use most CPU time.
    Bounded,
    /// As [`Residency::Bounded`], and each second whatever it costs.
    EachSweep,
}

/// File that a session is written into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingPlan {
    /// Path of the recording.
    pub path: PathBuf,
    /// Largest size on disk; `None` without a limit.
    pub limit: Option<Limit>,
}

impl SessionPlan {
    /// Returns the scope in the form that a report has.
    pub(crate) fn report_scope(&self) -> model::report::Scope {
        let mut scope = model::report::Scope {
            children: self.switches.follow_children,
            ..Default::default()
        };
        match &self.scope {
            Scope::System => {}
            Scope::Processes(processes) => {
                scope.pids = processes.iter().map(|(pid, _)| *pid).collect();
            }
            Scope::Command(launch) => {
                let argv = launch.argv.iter();
                scope.launched = argv.map(|arg| Name::from(arg.as_os_str())).collect();
            }
        }
        scope
    }
}
