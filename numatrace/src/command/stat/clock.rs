//! The timer of `stat 1`: one reading per interval without drift, until Ctrl-C or SIGTERM.

use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Timer of readings; without an interval there is only the first reading.
pub struct Clock(Option<Running>);

/// Timer and signals of an interval.
struct Running {
    runtime: Runtime,
    ticks: Interval,
    interrupt: Signal,
    terminate: Signal,
}

impl Clock {
    /// Starts the timer now.
    ///
    /// # Errors
    /// The timer cannot be started, or signals cannot be handled.
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
        // A reading that takes longer than the interval skips readings; no burst of them follows.
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
        // The first tick is due at once: it stands for the first reading.
        running.runtime.block_on(running.ticks.tick());
        Ok(Self(Some(running)))
    }

    /// Waits for the next reading. Returns `false` when there is none, or a signal ends the
    /// command.
    pub fn tick(&mut self) -> bool {
        let Some(Running {
            runtime,
            ticks,
            interrupt,
            terminate,
        }) = &mut self.0
        else {
            return false;
        };
        runtime.block_on(async {
            tokio::select! {
                _ = ticks.tick() => true,
                _ = interrupt.recv() => false,
                _ = terminate.recv() => false,
            }
        })
    }
}
