//! Arguments of `numatrace trace`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Args;

use super::{
    Color, Format, KEEP_PROCESSES,
    duration::{duration, interval},
    sections::SectionArgs,
};
use crate::attach::inject::Fault;

/// Trace the machine, some processes or a command, then print a report.
///
/// Without -p and a command, everything is traced. The session ends after -d, with Ctrl-C, or when
/// the command or the last of the given processes has ended; then the report is printed. Totals and
/// audit always cover the whole system; -p and a command limit the details, and everything outside
/// is one entry, [out of scope].
#[derive(Args, Clone, Debug)]
pub struct TraceArgs {
    /// Trace these processes with their threads and later children: PIDs, or parts of names or
    /// command lines as with numastat, repeated or separated by commas
    #[arg(
        short,
        long = "pid",
        value_name = "PID|PATTERN",
        value_delimiter = ',',
        conflicts_with = "command"
    )]
    pub pids: Vec<OsString>,

    /// Do not follow children of the traced processes
    #[arg(long)]
    pub no_children: bool,

    /// Attach only these hooks (task_move,task_run), or change the default (+NAME,-NAME); `list`
    /// shows all hooks with their costs
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub hooks: Vec<String>,

    /// Test instrument: use the fallbacks of these hooks even where the exact ones would attach
    #[arg(long, value_name = "LIST", value_delimiter = ',', hide = true)]
    pub fallback: Vec<String>,

    /// End after this long: 10, 10s, 500ms, 2m
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Print a report with its audit every TIME: 1, 10s, 500ms, 2m; with -f json one line of JSON
    /// each
    #[arg(short, long, value_name = "TIME", value_parser = interval)]
    pub interval: Option<Duration>,

    /// Print only the audit: numatrace's counts, the kernel's, and whether they agree
    #[arg(long)]
    pub audit_only: bool,

    /// Test instrument: break the accounting on purpose, to see that the audit notices
    #[arg(long, value_name = "FAULT", hide = true)]
    pub inject: Vec<Fault>,

    /// List the moves of threads and pages of the given process or command in order of time
    #[arg(long)]
    pub timeline: bool,

    /// Test instrument, slow: capture the kernel stack at each change of CPU, and report where it
    /// contradicts the reason given for the move
    #[arg(long, conflicts_with = "audit_only", hide = true)]
    pub verify_reasons: bool,

    /// Sections of the text.
    #[command(flatten)]
    pub sections: SectionArgs,

    /// Rows of the process table in text; JSON always has all of them
    #[arg(short = 'n', long, value_name = "ROWS", default_value_t = 15)]
    pub limit: usize,

    /// Read where the memory of the traced processes lies each second, whatever that costs
    ///
    /// Without this option memory is read at the start, at the end, and in between as often as that
    /// takes at most 2 % of the time: /proc/PID/numa_maps of the traced processes, or of the 32
    /// that use most CPU time. Reading touches no page; a reading of more than two seconds is cut.
    #[arg(long)]
    pub residency: bool,

    /// Do not read where the memory of processes lies
    ///
    /// Memory of before the session is then not known, and nobody is acquitted of it.
    #[arg(long, conflicts_with = "residency")]
    pub no_residency: bool,

    /// Capture a user stack at the start of each first-touch run, then every N pages; 0 disables
    /// [default: 64 with -p or a command, else 0]
    #[arg(long, value_name = "N")]
    pub stacks: Option<u32>,

    /// Capture a kernel stack every N pages of kernel memory allocated on behalf of the traced
    /// processes; 0 disables
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub kernel_stacks: u32,

    /// Give up details, stacks first, when numatrace's BPF programs take more than this percentage
    /// of all CPU time: 1, 0.5%; totals stay exact
    #[arg(long, value_name = "PCT", value_parser = percent)]
    pub max_overhead: Option<f64>,

    /// Entries of their own for so many ended processes, and for as many ended threads; older ones
    /// are added up in an entry of their command, [ended: COMMAND], and in one of their process
    #[arg(long, value_name = "N", default_value_t = KEEP_PROCESSES)]
    pub keep_processes: usize,

    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,

    /// Write the report to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Exit with status 3 when this condition holds in the report, or in that of any interval:
    /// 'remote_share > 5%' (repeatable; names in docs/fail-if.md)
    #[arg(long, value_name = "EXPR")]
    pub fail_if: Vec<String>,

    /// Run the command as this user
    #[arg(long, value_name = "NAME", requires = "command")]
    pub user: Option<String>,

    /// Leave the command running when the session ends first; otherwise its process group gets
    /// SIGTERM, and SIGKILL after 5 s
    #[arg(long, requires = "command")]
    pub keep_running: bool,

    /// Write more to stderr; repeat it for diagnostics of the kernel side
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Write only errors to stderr
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// When to use colour
    #[arg(long, value_enum, default_value_t)]
    pub color: Color,

    /// Run this command and trace it with its children; hooks are attached before it starts
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

impl TraceArgs {
    /// Returns whether only the list of hooks is wanted.
    #[must_use]
    pub fn lists_hooks(&self) -> bool {
        self.hooks == ["list"]
    }
}

/// Parses a percentage of all CPU time into a share from 0 to 1.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err("give a percentage of the CPU time of all CPUs, above 0: 1, 0.5%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overhead_is_a_percentage() {
        assert_eq!(percent("1"), Ok(0.01));
        assert_eq!(percent("0.5 %"), Ok(0.005));
        for wrong in ["", "0", "-1", "101", "NaN", "1x", "%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
