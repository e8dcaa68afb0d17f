//! `numatrace trace`: what can be typed after it.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Args;

use super::{Color, Format};
use crate::attach::inject::Fault;

/// Trace the machine, some processes or a command, then print a report.
///
/// Without -p and without a command everything is traced. The session ends after -d, with Ctrl-C, or when the command or the last of
/// the given processes has ended; then the report is printed. Totals and audit are always of the whole system; -p and a command limit
/// the details, and what lies outside is one entry, [out of scope].
#[derive(Args, Clone, Debug)]
pub struct TraceArgs {
    /// Trace these processes: a pid or a list of them, repeatable; their threads and later children are included
    #[arg(
        short,
        long = "pid",
        value_name = "PID",
        value_delimiter = ',',
        conflicts_with = "command"
    )]
    pub pids: Vec<u32>,

    /// Do not follow children of the traced processes
    #[arg(long)]
    pub no_children: bool,

    /// Attach just these hooks (task_move,task_run), or change the default (+NAME,-NAME); `list` shows all with their costs
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub hooks: Vec<String>,

    /// For tests of the fallbacks: put these hooks on theirs, although the exact ones might attach
    #[arg(long, value_name = "LIST", value_delimiter = ',', hide = true)]
    pub fallback: Vec<String>,

    /// End after this long: 10, 10s, 500ms, 2m
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Print a report of each such interval, audit included: 1, 10s, 500ms, 2m; with -f json one line of JSON each
    #[arg(short, long, value_name = "TIME", value_parser = interval)]
    pub interval: Option<Duration>,

    /// Print only the audit: our counts beside the kernel's, and whether they agree
    #[arg(long)]
    pub audit_only: bool,

    /// Break the accounting on purpose, to see that it is noticed
    #[arg(long, value_name = "FAULT", hide = true)]
    pub inject: Vec<Fault>,

    /// Show the moves of threads and pages of the given process or command in order of time
    #[arg(long)]
    pub timeline: bool,

    /// Slow: take the kernel's stack at each change of CPU too, and report where it speaks against the reason that was given
    #[arg(long, conflicts_with = "audit_only")]
    pub verify_reasons: bool,

    /// Rows of the process table in text; JSON is never cut
    #[arg(short = 'n', long, value_name = "ROWS", default_value_t = 15)]
    pub limit: usize,

    /// Look where the memory of the traced processes lies, each second and at the end (/proc/PID/numa_maps); touches no page
    #[arg(long)]
    pub residency: bool,

    /// Take a user stack at the first touch of each run of memory, and one more for so many pages; 0 takes none [default: 64 with -p or a command, else 0]
    #[arg(long, value_name = "N")]
    pub stacks: Option<u32>,

    /// Take a kernel stack for so many pages that the kernel takes for itself on behalf of the traced processes; 0 takes none
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub kernel_stacks: u32,

    /// Give up details, stacks first, while our programs take more than this share of all CPU time; totals stay exact: 1, 0.5%
    #[arg(long, value_name = "PCT", value_parser = percent)]
    pub max_overhead: Option<f64>,

    /// Form of the report
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,

    /// Write the report to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Exit with 3 when this holds in the report, or in that of any interval: 'remote_share > 5%' (repeatable; names in docs/fail-if.md)
    #[arg(long, value_name = "EXPR")]
    pub fail_if: Vec<String>,

    /// Run the command as this user
    #[arg(long, value_name = "NAME", requires = "command")]
    pub user: Option<String>,

    /// Leave the command running when -d ends first; otherwise it gets SIGTERM, and SIGKILL after five seconds
    #[arg(long, requires = "command")]
    pub keep_running: bool,

    /// Say more on stderr; twice for the kernel side's own diagnostics
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Say nothing on stderr but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Use colour
    #[arg(long, value_enum, default_value_t)]
    pub color: Color,

    /// Run this command and trace it with its children; hooks are in place before it starts
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

impl TraceArgs {
    /// Is it only the list of hooks that is wanted?
    #[must_use]
    pub fn lists_hooks(&self) -> bool {
        self.hooks == ["list"]
    }
}

/// A length of time; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let way_out = "give a number of seconds, or a number with ms, s, m or h: 10, 500ms, 2m";
    let seconds = text.parse::<f64>().ok();
    let parsed = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => text
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|signed| Duration::try_from(signed).ok()),
    };
    match parsed {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(way_out.to_owned()),
    }
}

/// A share of all CPU time in percent, as a share from 0 to 1.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err("give a percentage above 0, of the CPU time of all CPUs: 1, 0.5%".to_owned()),
    }
}

/// The shortest interval. Each end reads the kernel's counters several times, and each reading is work for all CPUs' counters.
const SHORTEST: Duration = Duration::from_millis(100);

/// A length of time between two reports.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Ok(interval) if interval < SHORTEST => Err(format!(
            "an interval takes {} ms at least",
            SHORTEST.as_millis()
        )),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_as_people_write_them() {
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "0", "-1", "-3s", "ten", "1x", "1e99", "NaN"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_overhead_is_a_percentage() {
        assert_eq!(percent("1"), Ok(0.01));
        assert_eq!(percent("0.5 %"), Ok(0.005));
        for wrong in ["", "0", "-1", "101", "NaN", "1x", "%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_interval_leaves_time_to_count() {
        assert_eq!(interval("100ms"), Ok(SHORTEST));
        assert!(interval("99ms").unwrap_err().contains("100 ms"));
        assert!(interval("0").unwrap_err().contains("give a number"));
    }
}
