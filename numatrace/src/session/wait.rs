//! Waits for timers, signals and the launched command.

use std::{
    future::Future,
    path::Path,
    process::{Child, ExitStatus},
    time::Duration,
};

use anyhow::Context;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use super::{
    Session,
    ending::group_of,
    signals::{Came, Signals},
};
use crate::{
    enrich::facts::ProcFacts,
    exit::{Exit, Failure},
    plan::Scope,
};

/// Time between two drains of the ring buffer. It holds over 100 ms of the worst storm measured,
/// and a drain of an empty buffer costs next to nothing.
const DRAIN: Duration = Duration::from_millis(10);
/// Time between two sweeps. A sweep reads every bucket of the totals once.
const SWEEP: Duration = Duration::from_secs(1);
/// Stands for no limit: longer than any session lasts.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Runs a session to its end on this thread.
///
/// # Errors
/// The runtime cannot be started, or the session fails.
pub(crate) fn block_on<T>(session: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(session)
}

/// Reason for the end of a session.
pub(crate) enum End {
    /// Its time is over.
    Duration,
    /// A signal such as Ctrl-C or SIGTERM, or a reader that closed our stdout.
    Signal,
    /// The launched command ended with this status.
    Child(ExitStatus),
    /// All processes of the scope have ended.
    TargetsGone,
    /// The recording cannot be written any more, and nothing else is wanted.
    NoRecording,
    /// Reports cannot be written any more.
    Unwritable(std::io::Error),
}

/// Something that has happened.
pub(crate) enum Due {
    /// Records were drained.
    Drained,
    /// Totals were swept.
    Swept,
    /// An interval is over.
    Interval,
    /// The session is over.
    End(End),
}

/// Timers and signals of a session.
pub(crate) struct Wait {
    /// End of a timed session.
    deadline: Instant,
    drain: Interval,
    sweep: Interval,
    /// Ends of intervals.
    report: Interval,
    signals: Signals,
    interrupted: bool,
}

impl Wait {
    /// Starts the timers: intervals and duration count from the start of the session.
    pub(crate) fn new(session: &Session, signals: Signals) -> Self {
        let began = Instant::from_std(session.opened());
        let period = session.plan().interval.unwrap_or(NEVER);
        let mut report = interval_at(began + period, period);
        // Ends stay multiples of the interval, so the last one coincides with the end of the
        // session.
        report.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self {
            deadline: began + session.plan().duration.unwrap_or(NEVER),
            drain: every(DRAIN),
            sweep: every(SWEEP),
            report,
            signals,
            interrupted: false,
        }
    }

    /// Ends intervals at this period, from now on. A late end does not make the next interval
    /// short.
    pub(crate) fn set_interval(&mut self, period: Duration) {
        self.report = interval_at(Instant::now() + period, period);
        self.report
            .set_missed_tick_behavior(MissedTickBehavior::Delay);
    }

    /// Waits for the next thing to happen; drains and sweeps when it is time. Dropping the future
    /// loses nothing: it waits only for timers and signals.
    ///
    /// # Errors
    /// A drain or sweep failed, or a person pressed Ctrl-C twice.
    pub(crate) async fn next(&mut self, session: &mut Session) -> anyhow::Result<Due> {
        loop {
            tokio::select! {
                // In this order: at its end a session does not also end an interval, and both come
                // before the work that is always due.
                biased;
                () = sleep_until(self.deadline) => return Ok(Due::End(End::Duration)),
                came = self.signals.next() => {
                    if self.ends(came, session)? {
                        return Ok(Due::End(End::Signal));
                    }
                }
                _ = self.report.tick() => return Ok(Due::Interval),
                // Before the drain, which in a storm is due again as soon as it is done.
                _ = self.sweep.tick() => {
                    session.sweep()?;
                    return Ok(Due::Swept);
                }
                _ = self.drain.tick() => {
                    session.drain()?;
                    return Ok(match session.child_status()? {
                        Some(status) => Due::End(End::Child(status)),
                        None => Due::Drained,
                    });
                }
            }
        }
    }

    /// Returns whether a signal ends the session. A key that the command gets as well is the
    /// command's to answer: the session ends with it.
    fn ends(&mut self, came: Came, session: &Session) -> anyhow::Result<bool> {
        if !session.command_gets_keys() {
            return Ok(true);
        }
        if came.is_ctrl_c() && std::mem::replace(&mut self.interrupted, true) {
            return Err(Failure::new(
                Exit::Command(130),
                "aborted by a second Ctrl-C",
                "press it once: the report follows when the command has ended",
            )
            .into());
        }
        Ok(!came.is_ctrl_c() && !came.is_ctrl_backslash())
    }
}

impl Session {
    /// Returns whether there is a command that gets the signals of keys: the terminal sends them to
    /// all processes of our group, and a command may have left it.
    fn command_gets_keys(&self) -> bool {
        let child = self.child.as_ref().map(Child::id);
        child.is_some_and(|pid| group_of(pid).is_none_or(|group| group == nix::unistd::getpgrp()))
    }

    /// Returns whether every process of the scope has ended; `false` unless the scope is of
    /// processes.
    pub(crate) fn targets_gone(&self) -> bool {
        let mut facts = ProcFacts::new(Path::new("/"));
        match &self.plan.scope {
            Scope::Processes(processes) => processes
                .iter()
                .all(|(pid, start_ticks)| !facts.is_running(*pid, *start_ticks)),
            Scope::System | Scope::Command(_) => false,
        }
    }

    /// Returns the status of the launched command once it has ended.
    pub(super) fn child_status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        match &mut self.child {
            Some(child) => child.try_wait().context("cannot wait for the command"),
            None => Ok(None),
        }
    }
}

/// Returns a timer; after a delay one tick is enough.
fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
