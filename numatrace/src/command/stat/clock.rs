//! The beat of `stat 1`: one reading per interval without drift, ended by Ctrl-C or SIGTERM.

use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Ticks, or says that it is time to end.
pub struct Clock(Option<Running>);

/// What only an interval needs.
struct Running {
    runtime: Runtime,
    ticks: Interval,
    interrupt: Signal,
    terminate: Signal,
}

impl Clock {
    /// Starts the beat now. Without an interval there is only the first reading.
    pub fn start(every: Option<Duration>) -> anyhow::Result<Self> {
        let Some(every) = every else {
            return Ok(Self(None));
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a timer")?;
        let entered = runtime.enter();
        let mut ticks = interval(every);
        // A reading that takes longer than the interval costs readings, not a burst of them afterwards.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
        let terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        drop(entered);
        let mut running = Running {
            runtime,
            ticks,
            interrupt,
            terminate,
        };
        // The first tick is due at once: it is the reading about to be taken.
        running.runtime.block_on(running.ticks.tick());
        Ok(Self(Some(running)))
    }

    /// Waits for the next reading to be due; `false` when there is none, or a signal asks to end.
    pub fn tick(&mut self) -> anyhow::Result<bool> {
        let Some(Running {
            runtime,
            ticks,
            interrupt,
            terminate,
        }) = &mut self.0
        else {
            return Ok(false);
        };
        Ok(runtime.block_on(async {
            tokio::select! {
                _ = ticks.tick() => true,
                _ = interrupt.recv() => false,
                _ = terminate.recv() => false,
            }
        }))
    }
}
