//! The time that a report covers: the session, or one interval of it.

use std::time::Instant;

use jiff::Timestamp;

use crate::{capture::cost, fold::counted::Counted, model, plan::SessionPlan};

/// An interval that has not ended; a session without intervals is one.
#[derive(Debug)]
pub(super) struct SessionInterval {
    /// Start, for the report.
    start: Timestamp,
    /// Start, on a clock that nobody can set.
    began: Instant,
    /// CPU seconds of this process at the start; `None` where they cannot be read.
    cpu_s: Option<f64>,
    /// Number of the interval, from 0; `None` in a session without intervals.
    number: Option<u64>,
}

/// An interval that has ended, and its counts.
#[derive(Debug)]
pub(crate) struct EndedInterval {
    /// Session or interval as the report describes it.
    pub(crate) session: model::Session,
    /// Counts between its boundaries.
    pub(crate) counted: Counted,
    /// CPU seconds of this process meanwhile.
    pub(super) cpu_s: Option<f64>,
    /// The session ends with it.
    pub(super) is_last: bool,
}

impl SessionInterval {
    /// Begins a session with or without intervals. The CPU time of attaching is part of its cost.
    pub(super) fn begin(intervals: bool) -> Self {
        Self {
            start: Timestamp::now(),
            began: Instant::now(),
            cpu_s: cost::own_cpu_seconds(),
            number: intervals.then_some(0),
        }
    }

    /// Sets the start of the measured time, when all hooks were attached.
    pub(super) fn set_began(&mut self, began: Instant) {
        self.began = began;
    }

    /// Returns the interval as a report describes it, with a length of `seconds`.
    pub(super) fn described(&self, plan: &SessionPlan, seconds: f64) -> model::Session {
        let mut session = model::Session::new(plan.command, self.start, seconds);
        session.scope = plan.report_scope();
        session.interval = self.number;
        session
    }

    /// Ends the interval here and begins the next one. Returns the ended interval as its report
    /// describes it, and the CPU seconds of this process meanwhile.
    pub(super) fn end(&mut self, plan: &SessionPlan) -> (model::Session, Option<f64>) {
        let next = Self {
            start: Timestamp::now(),
            began: Instant::now(),
            cpu_s: cost::own_cpu_seconds(),
            number: self.number.map(|number| number + 1),
        };
        let ended = std::mem::replace(self, next);
        let seconds = self.began.duration_since(ended.began).as_secs_f64();
        let cpu_s = self.cpu_s.zip(ended.cpu_s).map(|(now, then)| now - then);
        (ended.described(plan, seconds), cpu_s)
    }
}
