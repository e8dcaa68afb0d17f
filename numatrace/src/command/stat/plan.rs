//! The plan of `stat`: defaults and conflicts between its options are decided here alone.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::cli::stat::{self as cli, StatArgs};
use crate::cli::{Format, duration};
use crate::console::rendering::color;
use crate::ids::{NodeId, Pid};
use crate::model::stat::Sample;
use crate::output::stat::interval::Share;
use crate::output::stat::{SortBy, StatText};

/// Everything that the command reads and prints.
#[derive(Debug)]
pub struct Plan {
    /// Processes named on the command line.
    pub targets: Vec<Target>,
    /// Include the descendants of the targets.
    pub children: bool,
    /// Read only one in this many found processes.
    pub sample: usize,
    /// Details to read of each process.
    pub details: Details,
    /// Cgroup to read; `None` for none.
    pub cgroup: Option<PathBuf>,
    /// Files whose page cache is read.
    pub files: Vec<PathBuf>,
    /// Read the counters.
    pub counters: bool,
    /// Sections that are read for `--save` and conditions, and not printed.
    pub hidden: Hidden,
    /// File to save the reading in.
    pub save: Option<PathBuf>,
    /// Read the kernel's memory rows.
    pub meminfo: bool,
    /// Read watermarks, fragmentation and reclaim.
    pub pressure: bool,
    /// Time between readings; `None` for one reading.
    pub interval: Option<Duration>,
    /// Number of readings; `None` for readings until a signal.
    pub count: Option<u64>,
    /// Output format.
    pub form: Form,
    /// Details of text output.
    pub text: StatText,
}

/// Sections that are read and not printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// The counters.
    pub counters: bool,
    /// The kernel's memory rows.
    pub meminfo: bool,
    /// Watermarks and reclaim.
    pub pressure: bool,
}

/// Format of the printed samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Tables, one after the other.
    Text {
        /// Changes since the previous reading are in bold.
        highlight: bool,
        /// The screen is cleared before each table.
        clear: bool,
    },
    /// Rates per interval, one line per node.
    Rates,
    /// One line per interval with a share of each node.
    Shares(Share),
    /// JSON: one document, or JSON Lines with an interval.
    Json,
    /// One value per line.
    Csv,
}

/// Details to read of each process besides its resident memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Kinds of memory, policies and transparent huge pages.
    pub kinds: bool,
    /// Each mapping.
    pub mappings: bool,
    /// Node of each thread.
    pub threads: bool,
}

/// One or several processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The process with this PID.
    Pid(Pid),
    /// A process of a saved reading: no error if it has ended.
    Found(Pid),
    /// All processes whose name or command line contains these bytes.
    Pattern(Vec<u8>),
}

/// Usage error.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Mistake {
    /// A third number.
    #[error("{0}: an interval and a count are given already; processes are named with -p")]
    ThirdNumber(String),
    /// An interval of zero.
    #[error("{0}: an interval must be longer than zero")]
    NoInterval(String),
    /// A detail of processes without a process.
    #[error("{0} needs processes: name some with -p PID or -p PATTERN")]
    NoProcess(&'static str),
    /// A table over time without an interval.
    #[error("--over-time needs an interval: stat --over-time hit 1")]
    NoTime,
    /// A count that is no whole number from 1.
    #[error("{0}: a count of readings is a whole number from 1")]
    NoCount(String),
}

impl Plan {
    /// Makes the plan.
    ///
    /// # Errors
    /// Options exclude each other, or a number makes no sense.
    pub fn new(args: &StatArgs) -> Result<Self, Mistake> {
        let mut targets: Vec<Target> = args.pids.iter().flat_map(|text| targets(text)).collect();
        let mut interval = None;
        let mut count = None;
        for word in &args.words {
            let text = word.to_string_lossy().into_owned();
            match time(&text) {
                None => targets.push(Target::Pattern(word.as_bytes().to_vec())),
                Some(length) if interval.is_none() => {
                    if length.is_zero() {
                        return Err(Mistake::NoInterval(text));
                    }
                    interval = Some(length);
                }
                Some(_) if count.is_none() => {
                    let number = text.parse().ok().filter(|&number: &u64| number > 0);
                    count = Some(number.ok_or(Mistake::NoCount(text))?);
                }
                Some(_) => return Err(Mistake::ThirdNumber(text)),
            }
        }
        let process_options = [
            ("--kinds", args.kinds),
            ("--by-mapping", args.by_mapping),
            ("--by-thread-node", args.by_thread_node),
            ("--children", args.children),
            ("--sample", args.sample.is_some()),
        ];
        if targets.is_empty()
            && let Some((option, _)) = process_options.into_iter().find(|(_, given)| *given)
        {
            return Err(Mistake::NoProcess(option));
        }
        if args.watch && interval.is_none() {
            interval = Some(Duration::from_secs(1));
        }
        if args.over_time.is_some() && interval.is_none() {
            return Err(Mistake::NoTime);
        }
        let counters = args.numastat
            || args.pressure
            || (targets.is_empty()
                && !args.meminfo
                && args.cgroup.is_none()
                && args.files.is_empty());
        let sort = args
            .sort
            .map(|node| node.map_or(SortBy::Total, |node| SortBy::Node(NodeId(node))));
        let text = StatText {
            // Any option switches numastat to its table of MB; an interval is no option of
            // numastat.
            megabytes: args.numastat
                || args.compact
                || args.nonzero
                || args.details
                || sort.is_some()
                || !targets.is_empty()
                || !args.files.is_empty()
                || args.meminfo,
            details: args.details,
            compact: args.compact,
            nonzero: args.nonzero,
            sort,
            width: width(),
        };
        let form = form(
            args,
            interval.is_some(),
            counters
                && targets.is_empty()
                && args.files.is_empty()
                && !args.meminfo
                && !args.pressure,
        );
        // A saved reading has everything but details of processes; a condition may need any count
        // or size.
        let save = args.save.is_some() || args.since.is_some();
        let watch = args.alert_presets || !args.alert.is_empty() || !args.fail_if.is_empty();
        let hidden = Hidden {
            counters: (save || watch) && !counters,
            meminfo: save && !args.meminfo,
            pressure: watch && !args.pressure,
        };
        Ok(Self {
            targets,
            children: args.children,
            sample: args
                .sample
                .and_then(|every| usize::try_from(every).ok())
                .unwrap_or(1),
            details: Details {
                kinds: args.kinds || args.by_mapping,
                mappings: args.by_mapping,
                threads: args.by_thread_node,
            },
            cgroup: args.cgroup.clone(),
            files: args.files.clone(),
            counters: counters || hidden.counters,
            hidden,
            save: args.save.clone(),
            meminfo: args.meminfo || hidden.meminfo,
            pressure: args.pressure || hidden.pressure,
            count: if interval.is_some() { count } else { Some(1) },
            interval,
            form,
            text,
        })
    }

    /// Reads the processes of a saved reading when none were named, so that they can be compared.
    pub fn compare_with(&mut self, saved: &Sample) {
        if self.targets.is_empty() {
            let processes = saved
                .processes
                .iter()
                .flat_map(|section| &section.processes);
            self.targets = processes
                .map(|process| Target::Found(process.pid))
                .collect();
        }
    }
}

impl Hidden {
    /// Removes the sections from a sample that are not printed.
    pub fn strip(self, sample: &mut Sample) {
        if self.counters {
            sample.counters = None;
        }
        if self.meminfo {
            sample.meminfo = None;
        }
        if self.pressure {
            sample.pressure = None;
        }
    }
}

/// Returns the output format. With `only_counters`, nothing else is read: then an interval shows
/// rates instead of sums that only grow.
fn form(args: &StatArgs, interval: bool, only_counters: bool) -> Form {
    let terminal = std::io::stdout().is_terminal();
    match (args.format, args.over_time) {
        _ if args.csv => Form::Csv,
        (Format::Json, _) => Form::Json,
        (Format::Text, Some(cli::Share::Hit)) => Form::Shares(Share::Hit),
        (Format::Text, Some(cli::Share::Local)) => Form::Shares(Share::Local),
        // -n asks for numastat's own table.
        (Format::Text, None) if interval && only_counters && !args.numastat && !args.watch => {
            Form::Rates
        }
        (Format::Text, None) => Form::Text {
            highlight: interval && color(args.color, false),
            clear: args.watch && terminal,
        },
    }
}

/// Parses `12` and `12,13` as PIDs, and anything else as a pattern.
fn targets(text: &OsStr) -> Vec<Target> {
    let pids: Option<Vec<Target>> = text.to_str().and_then(|text| {
        text.split(',')
            .map(|pid| Some(Target::Pid(Pid(pid.parse().ok()?))))
            .collect()
    });
    pids.unwrap_or_else(|| vec![Target::Pattern(text.as_bytes().to_vec())])
}

/// Parses a word that is a time. A word that does not begin with a digit is a pattern, also where
/// it could be read as a time, such as `inf` or `PT5S`.
fn time(text: &str) -> Option<Duration> {
    text.starts_with(|first: char| first.is_ascii_digit())
        .then(|| duration::parse(text))
        .flatten()
}

/// Returns the columns of the terminal on stdout, or `NUMASTAT_WIDTH` if it is set, as numastat
/// does. Without a terminal tables do not fold.
fn width() -> Option<usize> {
    /// Least width of numastat.
    const LEAST: usize = 32;
    if let Some(width) = std::env::var("NUMASTAT_WIDTH")
        .ok()
        .and_then(|width| width.parse::<usize>().ok())
    {
        return Some(width.max(LEAST));
    }
    let terminal = std::io::stdout()
        .is_terminal()
        .then(terminal_size::terminal_size)
        .flatten()?;
    Some(usize::from(terminal.0.0).max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(args: &StatArgs) -> Result<Plan, Mistake> {
        Plan::new(args)
    }

    fn words(words: &[&str]) -> StatArgs {
        StatArgs {
            words: words.iter().map(Into::into).collect(),
            ..StatArgs::default()
        }
    }

    #[test]
    fn numbers_are_interval_and_count_and_the_rest_are_patterns() {
        let planned = plan(&words(&["qemu", "500ms", "10"])).unwrap();
        assert_eq!(planned.targets, [Target::Pattern(b"qemu".to_vec())]);
        assert_eq!(
            (planned.interval, planned.count),
            (Some(Duration::from_millis(500)), Some(10))
        );
        assert_eq!(plan(&words(&[])).unwrap().count, Some(1));
        assert_eq!(plan(&words(&["1"])).unwrap().count, None);
        assert_eq!(
            plan(&words(&["1", "2", "3"])).unwrap_err(),
            Mistake::ThirdNumber("3".to_owned())
        );
        assert_eq!(
            plan(&words(&["0"])).unwrap_err(),
            Mistake::NoInterval("0".to_owned())
        );
        assert_eq!(
            plan(&words(&["1", "0.5"])).unwrap_err(),
            Mistake::NoCount("0.5".to_owned())
        );
    }

    #[test]
    fn pids_come_repeated_or_as_a_list_and_choose_the_view() {
        let args = StatArgs {
            pids: ["12,13", "7", "12,x"].map(Into::into).to_vec(),
            ..StatArgs::default()
        };
        let planned = plan(&args).unwrap();
        let wanted = [
            Target::Pid(Pid(12)),
            Target::Pid(Pid(13)),
            Target::Pid(Pid(7)),
            Target::Pattern(b"12,x".to_vec()),
        ];
        assert_eq!(planned.targets, wanted);
        assert!(!planned.counters && !planned.meminfo);
        assert!(
            plan(&StatArgs {
                nonzero: true,
                ..StatArgs::default()
            })
            .unwrap()
            .text
            .megabytes
        );
        assert!(!plan(&StatArgs::default()).unwrap().text.megabytes);
    }

    #[test]
    fn durations_know_their_units_and_nothing_else() {
        assert_eq!(time("1.5m"), Some(Duration::from_secs(90)));
        for text in ["s", "1x", "-1", "inf", "nan", "1e400", ""] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
