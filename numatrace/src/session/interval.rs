//! The stretch of time a report is about: the session, or one interval of it.

use std::time::Instant;

use jiff::Timestamp;

use super::info::model_scope;
use crate::{capture::cost, model::Session, plan::Plan};

/// A stretch that is still going on.
#[derive(Debug)]
pub(crate) struct SessionInterval {
    /// When counting began, for the report.
    start: Timestamp,
    /// The same on a clock that is never set.
    pub(crate) began: Instant,
    /// CPU seconds this process had used.
    cpu_s: Option<f64>,
    /// Which interval it is.
    interval: Option<u64>,
}

/// A stretch that is over.
#[derive(Debug)]
pub(crate) struct Over {
    /// What the report says of it.
    pub(crate) session: Session,
    /// CPU seconds this process used meanwhile.
    pub(crate) cpu_s: Option<f64>,
}

impl SessionInterval {
    /// The session, or its first interval.
    pub(crate) fn first(intervals: bool) -> Self {
        Self {
            start: Timestamp::now(),
            began: Instant::now(),
            // What it took to begin belongs to what the session costs.
            cpu_s: Some(0.0),
            interval: intervals.then_some(0),
        }
    }

    /// A session that begins within a process that did other things before.
    pub(crate) fn from_here() -> Self {
        Self {
            cpu_s: cost::own_cpu_seconds(),
            ..Self::first(false)
        }
    }

    /// What is known of it while it goes on.
    pub(crate) fn so_far(&self, plan: &Plan) -> Session {
        let mut session = Session::new(plan.command(), self.start, 0.0);
        session.scope = model_scope(plan);
        session.interval = self.interval;
        session
    }

    /// Ends it here; the next one begins.
    pub(crate) fn end(&mut self, plan: &Plan) -> Over {
        let next = Self {
            start: Timestamp::now(),
            began: Instant::now(),
            cpu_s: cost::own_cpu_seconds(),
            interval: self.interval.map(|interval| interval + 1),
        };
        let over = std::mem::replace(self, next);
        let seconds = self.began.duration_since(over.began).as_secs_f64();
        let mut session = Session::new(plan.command(), over.start, seconds);
        session.scope = model_scope(plan);
        session.interval = over.interval;
        Over {
            session,
            cpu_s: self.cpu_s.zip(over.cpu_s).map(|(now, before)| now - before),
        }
    }
}
