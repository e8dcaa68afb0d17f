//! The cost of a session: time in our programs, and CPU and memory of our own process.
//!
//! The kernel measures program run time only while BPF statistics are on, which slows every BPF
//! program of the machine. So they are on in short windows: the windows give the mean time of an
//! execution, and our own counts, which are complete, give the number of executions.

use std::{
    collections::BTreeMap,
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::fdinfo::{ProgramFdInfo, RunStatistics};

/// Length of a window: thousands of executions on a machine that is busy enough for the cost to
/// matter.
const WINDOW: Duration = Duration::from_millis(20);
/// Time from the start of one window to the start of the next: statistics are on for a fiftieth of
/// the time, and a session of a second has a window.
const PERIOD: Duration = Duration::from_secs(1);

/// Executions and run time of one program, summed over windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Executions within windows.
    pub runs: u64,
    /// Their run time, ns.
    pub ns: u64,
}

/// The run time of all programs in one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowCost {
    /// Run time of our programs, ns.
    pub ns: u64,
    /// The window's length.
    pub length: Duration,
}

/// Switches the statistics on and off, and sums their figures.
#[derive(Default)]
pub struct CostMeter {
    on: Option<(RunStatistics, Instant, BTreeMap<&'static str, Measured>)>,
    next: Option<Instant>,
    measured: BTreeMap<&'static str, Measured>,
    windows: Duration,
    refused: bool,
}

impl CostMeter {
    /// Opens a window when one is due, or closes one that is over and returns its cost. Called
    /// regularly.
    pub fn tick<'a>(
        &mut self,
        now: Instant,
        programs: impl Iterator<Item = (&'static str, BorrowedFd<'a>)>,
    ) -> Option<WindowCost> {
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
                // Without CAP_SYS_ADMIN the report has no BPF time.
                Err(_) => self.refused = true,
            }
        }
        None
    }

    /// Ends an open window and returns its cost.
    pub fn close<'a>(
        &mut self,
        now: Instant,
        programs: impl Iterator<Item = (&'static str, BorrowedFd<'a>)>,
    ) -> Option<WindowCost> {
        let (guard, since, before) = self.on.take()?;
        let mut window = WindowCost {
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
            window.ns += ns;
        }
        self.windows += window.length;
        Some(window)
    }

    /// Returns the measurements since the last call, by program, and the length of their windows;
    /// `None` when statistics were refused or no window has ended.
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

/// Returns the CPU seconds that this process has used, user and system.
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

/// Returns the resident memory of this process in KiB (`VmRSS` of proc_pid_status(5)).
pub fn own_rss_kb() -> Option<u64> {
    procfs::process::Process::myself()
        .ok()?
        .status()
        .ok()?
        .vmrss
}
