//! What the session costs: time in our programs, and our own process.
//!
//! The kernel measures program run time only while BPF statistics are on, which slows every BPF program of the machine. So they are on for
//! short windows: the time of one run is measured in the windows, the number of runs comes from our own counts, which are complete.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use super::fdinfo::{ProgramFdInfo, RunStatistics};

/// Length of a window: thousands of runs on a machine that is busy enough to ask.
const WINDOW: Duration = Duration::from_millis(20);
/// From the start of one window to the next: statistics are on for a fiftieth of the time, and short sessions have a window too.
const PERIOD: Duration = Duration::from_secs(1);

/// Run counts and times of one program, summed over windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Runs within windows.
    pub runs: u64,
    /// Their time, ns.
    pub ns: u64,
}

/// What one window saw, all programs together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Time in our programs, ns.
    pub ns: u64,
    /// The window's length.
    pub length: Duration,
}

/// Switches the statistics on and off and sums what they say.
#[derive(Default)]
pub struct CostMeter {
    on: Option<(RunStatistics, Instant, BTreeMap<&'static str, Measured>)>,
    next: Option<Instant>,
    measured: BTreeMap<&'static str, Measured>,
    windows: Duration,
    refused: bool,
}

impl CostMeter {
    /// To be called now and then: opens a window, or closes one that is over and says what it saw.
    pub fn tick<'a>(
        &mut self,
        now: Instant,
        programs: impl Iterator<Item = (&'static str, BorrowedFd<'a>)>,
    ) -> Option<Seen> {
        if let Some((_, since, _)) = &self.on {
            if now.duration_since(*since) >= WINDOW {
                return self.close(now, programs);
            }
        } else if !self.refused && self.next.is_none_or(|next| now >= next) {
            match RunStatistics::on() {
                Ok(guard) => {
                    self.on = Some((guard, now, readings(programs)));
                    self.next = Some(now + PERIOD);
                }
                // CAP_SYS_ADMIN is missing: the report has no BPF time then.
                Err(_) => self.refused = true,
            }
        }
        None
    }

    /// Ends an open window.
    pub fn close<'a>(
        &mut self,
        now: Instant,
        programs: impl Iterator<Item = (&'static str, BorrowedFd<'a>)>,
    ) -> Option<Seen> {
        let (guard, since, before) = self.on.take()?;
        let mut seen = Seen {
            ns: 0,
            length: now.duration_since(since),
        };
        let after = readings(programs);
        drop(guard);
        for (program, end) in after {
            let start = before.get(program).copied().unwrap_or_default();
            let sum = self.measured.entry(program).or_default();
            sum.runs += end.runs.saturating_sub(start.runs);
            let ns = end.ns.saturating_sub(start.ns);
            sum.ns += ns;
            seen.ns += ns;
        }
        self.windows += seen.length;
        Some(seen)
    }

    /// What was measured since this was asked last, by program, and for how long; `None` when statistics were refused or no window has ended.
    pub fn take(&mut self) -> Option<(BTreeMap<&'static str, Measured>, Duration)> {
        let measured = std::mem::take(&mut self.measured);
        let windows = std::mem::take(&mut self.windows);
        (!windows.is_zero()).then_some((measured, windows))
    }
}

fn readings<'a>(
    programs: impl Iterator<Item = (&'static str, BorrowedFd<'a>)>,
) -> BTreeMap<&'static str, Measured> {
    programs
        .filter_map(|(name, fd)| {
            let info = ProgramFdInfo::of(fd).ok()?;
            let measured = Measured {
                runs: info.run_cnt?,
                ns: info.run_time_ns?,
            };
            Some((name, measured))
        })
        .collect()
}

/// CPU seconds this process has used, user and system.
pub fn own_cpu_seconds() -> Option<f64> {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeVal,
    };
    let seconds = |time: TimeVal| {
        Duration::from_micros(
            u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000
                + u64::try_from(time.tv_usec()).unwrap_or(0),
        )
    };
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    Some((seconds(usage.user_time()) + seconds(usage.system_time())).as_secs_f64())
}

/// Resident memory of this process in KiB (`VmRSS` of proc_pid_status(5)).
pub fn own_rss_kb() -> Option<u64> {
    procfs::process::Process::myself()
        .ok()?
        .status()
        .ok()?
        .vmrss
}
