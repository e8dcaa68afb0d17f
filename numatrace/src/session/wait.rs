//! What a session waits for: timers, signals, its command.

use std::{
    path::Path,
    process::{Child, ExitStatus},
    time::Duration,
};

use anyhow::Context;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until},
};

use super::tracer::Tracer;
use crate::{
    console::messages::Console,
    enrich::facts::{Facts, ProcFacts},
    exit::{Exit, Failure},
    ids::Pid,
    plan::{Plan, Scope},
};

/// The ring holds over 100 ms of the worst storm measured, so 10 ms is early enough and costs nothing when idle.
pub(crate) const DRAIN: Duration = Duration::from_millis(10);
/// A sweep reads every bucket of the totals once.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);
/// Further away than any session lasts.
pub(crate) const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Why the waiting ended.
pub(crate) enum End {
    Duration,
    Signal,
    Child(ExitStatus),
    TargetsGone,
    /// The recording cannot be written any more, and nothing else is wanted.
    NoRecording,
}

/// What there is to do.
pub(crate) enum Due {
    /// An interval is over.
    Interval,
    /// The session is.
    End(End),
}

/// Timers and signals of a session.
pub(crate) struct Wait {
    began: Instant,
    drain: Interval,
    sweep: Interval,
    /// Ends of intervals.
    report: Interval,
    signals: Signals,
    interrupted: bool,
    /// What was said of the recording.
    said: Said,
}

/// What was said of the recording, once each.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    trouble: bool,
    full: bool,
}

impl Wait {
    /// Begins to wait: intervals and duration are measured from `began`.
    pub(crate) fn new(plan: &Plan, signals: Signals, began: std::time::Instant) -> Self {
        let began = Instant::from_std(began);
        let period = plan.interval.unwrap_or(NEVER);
        let mut report = interval_at(began + period, period);
        // Ends stay multiples of the interval, so the last one falls together with the session's own end.
        report.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self {
            began,
            drain: every(DRAIN),
            sweep: every(SWEEP),
            report,
            signals,
            interrupted: false,
            said: Said::default(),
        }
    }

    /// Drains and sweeps until something is due.
    pub(crate) async fn next(
        &mut self,
        plan: &Plan,
        tracer: &mut Tracer,
        mut child: Option<&mut Child>,
        console: &mut Console,
    ) -> anyhow::Result<Due> {
        let deadline = sleep_until(self.began + plan.duration.unwrap_or(NEVER));
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                // In this order: an end is no interval, and both come before what is done all the time.
                biased;
                () = &mut deadline => return Ok(Due::End(End::Duration)),
                _ = self.signals.interrupt.recv() => {
                    if self.interrupted {
                        return Err(Failure::new(Exit::Command(130), "aborted by a second Ctrl-C", "one is enough: the report follows when the command has ended").into());
                    }
                    self.interrupted = true;
                    // The terminal has sent it to the command too; the report follows when that has ended.
                    if child.is_none() {
                        return Ok(Due::End(End::Signal));
                    }
                }
                _ = self.signals.terminate.recv() => return Ok(Due::End(End::Signal)),
                _ = self.report.tick() => return Ok(Due::Interval),
                // Before the drain: in a storm that one is due again as soon as it is done.
                _ = self.sweep.tick() => {
                    tracer.sweep()?;
                    if let Some(whole) = plan.duration {
                        console.progress(self.began.elapsed(), whole);
                    }
                    if self.recording_ends(plan, tracer, console) {
                        return Ok(Due::End(End::NoRecording));
                    }
                    if targets_gone(&plan.scope) {
                        return Ok(Due::End(End::TargetsGone));
                    }
                }
                _ = self.drain.tick() => {
                    tracer.drain()?;
                    tracer.measure_cost(std::time::Instant::now())?;
                    if let Some(child) = child.as_deref_mut()
                        && let Some(status) = child.try_wait().context("cannot wait for the command")?
                    {
                        return Ok(Due::End(End::Child(status)));
                    }
                }
            }
        }
    }
}

impl Wait {
    /// Says when the recording has ended before its session; `true` when there is nothing left to go on for.
    fn recording_ends(&mut self, plan: &Plan, tracer: &Tracer, console: &mut Console) -> bool {
        let Some(recorder) = &tracer.recorder else {
            return false;
        };
        if recorder.is_full() && !self.said.full {
            self.said.full = true;
            console.say("the recording is full (--max-size, --keep first): the rest of the session goes into its sums only");
        }
        let Some(trouble) = recorder.trouble() else {
            return false;
        };
        if !self.said.trouble {
            self.said.trouble = true;
            console.fail(&format!(
                "the recording ends here, after {:.1} s: {trouble}",
                self.began.elapsed().as_secs_f64()
            ));
        }
        // A command is not killed for it, and a report is still worth waiting for.
        !plan.prints() && !matches!(plan.scope, Scope::Command(_))
    }
}

/// Has every process of the scope ended?
pub(crate) fn targets_gone(scope: &Scope) -> bool {
    matches!(scope, Scope::Processes(processes) if processes.iter().all(|(pid, ticks)| !alive(*pid, *ticks)))
}

fn alive(pid: Pid, start_ticks: u64) -> bool {
    ProcFacts::new(Path::new("/"))
        .identity(pid)
        .is_some_and(|identity| identity.start_ticks == start_ticks)
}

/// A timer; after a long turn of the loop one tick is enough.
pub(crate) fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The signals that end a session.
pub(crate) struct Signals {
    pub(crate) interrupt: Signal,
    pub(crate) terminate: Signal,
}

impl Signals {
    /// Handles them from here on.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot handle Ctrl-C")?,
            terminate: signal(SignalKind::terminate()).context("cannot handle SIGTERM")?,
        })
    }
}
