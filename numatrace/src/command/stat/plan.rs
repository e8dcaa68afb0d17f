//! What was typed to what will be done: the only place where `stat` decides about defaults and conflicts.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::cli::stat::{self as cli, StatArgs};
use crate::cli::{Color, Format};
use crate::ids::{NodeId, Pid};
use crate::model::stat::Sample;
use crate::output::stat::interval::Share;
use crate::output::stat::{SortBy, StatText};

/// What the command will do.
#[derive(Debug)]
pub struct Plan {
    /// Processes asked for.
    pub targets: Vec<Target>,
    /// Whether the targets' descendants are meant too.
    pub children: bool,
    /// One of how many found processes is read.
    pub sample: usize,
    /// Which details of processes are read.
    pub details: Details,
    /// The cgroup asked for.
    pub cgroup: Option<PathBuf>,
    /// Whether the counters are read.
    pub counters: bool,
    /// What is read for `--save` and conditions and not shown.
    pub hidden: Hidden,
    /// Where the reading is kept.
    pub save: Option<PathBuf>,
    /// Whether the kernel's memory rows are read.
    pub meminfo: bool,
    /// Whether watermarks, fragmentation and reclaim are read.
    pub pressure: bool,
    /// Time between readings; one reading without.
    pub interval: Option<Duration>,
    /// How many readings; `None` goes on until a signal.
    pub count: Option<u64>,
    /// Form of the output.
    pub form: Form,
    /// Details of the text.
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

/// How samples are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Tables, one after the other.
    Text {
        /// What changed since the reading before is in bold.
        highlight: bool,
        /// The screen is cleared before each.
        clear: bool,
    },
    /// Rates per interval, a line per node.
    Rates,
    /// A share of each node per interval, one line.
    Shares(Share),
    /// JSON: one document, or with an interval JSON Lines.
    Json,
    /// One value a line.
    Csv,
}

/// What is read of each process beside its resident memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Kinds of memory, policies and transparent huge pages.
    pub kinds: bool,
    /// Each mapping.
    pub mappings: bool,
    /// Where threads run.
    pub threads: bool,
}

/// A process or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Pid(Pid),
    /// One of a saved reading: no complaint when it has ended.
    Found(Pid),
    /// All whose name or command line contains these bytes.
    Pattern(Vec<u8>),
}

/// A command line that makes no sense.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Mistake {
    /// A third number.
    #[error("{0}: an interval and a count are given already; processes are named with -p")]
    ThirdNumber(String),
    /// An interval of nothing.
    #[error("{0}: an interval must be longer than zero")]
    NoInterval(String),
    /// A detail of processes and no process.
    #[error("{0} needs processes: name some with -p PID or -p PATTERN")]
    NoProcess(&'static str),
    /// A table over time without an interval.
    #[error("--over-time needs an interval: stat --over-time hit 1")]
    NoTime,
    /// A count that is none.
    #[error("{0}: a count of readings is a whole number from 1")]
    NoCount(String),
}

impl Plan {
    /// Decides.
    pub fn new(args: &StatArgs) -> Result<Self, Mistake> {
        let mut targets: Vec<Target> = args.pids.iter().flat_map(|text| targets(text)).collect();
        let mut interval = None;
        let mut count = None;
        for word in &args.words {
            let text = word.to_string_lossy().into_owned();
            match duration(&text) {
                None => targets.push(Target::Pattern(word.as_bytes().to_vec())),
                Some(time) if interval.is_none() => {
                    interval = Some(if time.is_zero() {
                        return Err(Mistake::NoInterval(text));
                    } else {
                        time
                    });
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
            || (targets.is_empty() && !args.meminfo && args.cgroup.is_none());
        let sort = args
            .sort
            .map(|node| node.map_or(SortBy::Total, |node| SortBy::Node(NodeId(node))));
        let text = StatText {
            // Any option switches numastat to its table of MB; an interval is no option there.
            megabytes: args.numastat
                || args.compact
                || args.nonzero
                || args.details
                || sort.is_some()
                || !targets.is_empty()
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
            counters && targets.is_empty() && !args.meminfo && !args.pressure,
        );
        // A saved reading has everything but details of processes; conditions may ask for any count or size.
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

    /// Takes processes of a saved reading for targets when none were named, so that they can be compared.
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
    /// Takes out of a sample what is not to be printed.
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

/// `only_counters` says that nothing else is read: then an interval shows rates instead of ever growing sums.
fn form(args: &StatArgs, interval: bool, only_counters: bool) -> Form {
    let terminal = std::io::stdout().is_terminal();
    let colour = match args.color {
        Color::Auto => {
            terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
        Color::Always => true,
        Color::Never => false,
    };
    match (args.format, args.over_time) {
        _ if args.csv => Form::Csv,
        (Format::Json, _) => Form::Json,
        (Format::Text, Some(cli::Share::Hit)) => Form::Shares(Share::Hit),
        (Format::Text, Some(cli::Share::Local)) => Form::Shares(Share::Local),
        // numastat's own table is asked for with -n.
        (Format::Text, None) if interval && only_counters && !args.numastat && !args.watch => {
            Form::Rates
        }
        (Format::Text, None) => Form::Text {
            highlight: interval && colour,
            clear: args.watch && terminal,
        },
    }
}

/// `12`, `12,13` are PIDs; anything else is a pattern.
fn targets(text: &OsStr) -> Vec<Target> {
    let pids: Option<Vec<Target>> = text.to_str().and_then(|text| {
        text.split(',')
            .map(|pid| Some(Target::Pid(Pid(pid.parse().ok()?))))
            .collect()
    });
    pids.unwrap_or_else(|| vec![Target::Pattern(text.as_bytes().to_vec())])
}

/// `2`, `0.5`, `500ms`, `10s`, `2m`, `1h`; a bare number is seconds. `None` for anything else.
fn duration(text: &str) -> Option<Duration> {
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.strip_prefix(number)? {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let digits = number.starts_with(|first: char| first.is_ascii_digit());
    let seconds: f64 = digits.then(|| number.parse().ok())??;
    Duration::try_from_secs_f64(seconds * unit).ok()
}

/// Columns of the terminal on stdout. `NUMASTAT_WIDTH` overrides it, as there; no terminal never folds.
fn width() -> Option<usize> {
    /// numastat's least width.
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
        assert_eq!(duration("1.5m"), Some(Duration::from_secs(90)));
        for text in ["s", "1x", "-1", "inf", "nan", "1e400", ""] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
