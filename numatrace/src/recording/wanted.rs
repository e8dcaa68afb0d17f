//! The part of a recording that a reader wants.

use std::time::Duration;

use crate::ids::Pid;

/// Limits in time and to processes; by default everything is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Start of the part, since the start of the session.
    pub from: Option<Duration>,
    /// End of the part, since the start of the session.
    pub to: Option<Duration>,
    /// Processes whose details are wanted; all when empty.
    pub pids: Vec<Pid>,
    /// Details of the children of these processes are wanted, too.
    pub children: bool,
    /// The report lists every event of the process that the session is about, in order of time.
    pub timeline: bool,
    /// One report of everything, even if the session had intervals.
    pub whole: bool,
}

impl Wanted {
    /// Returns whether only a part in time is wanted.
    pub fn is_part(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Returns the first option that only a recording can answer.
    pub fn option(&self) -> Option<&'static str> {
        let given = [
            (self.from.is_some(), "--from"),
            (self.to.is_some(), "--to"),
            (!self.pids.is_empty(), "--pid"),
            (self.whole, "--whole"),
            (self.timeline, "--timeline"),
        ];
        given.into_iter().find(|(is, _)| *is).map(|(_, name)| name)
    }
}
