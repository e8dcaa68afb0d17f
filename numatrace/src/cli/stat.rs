//! Arguments of `numatrace stat`. The letters of numastat have numastat's meaning.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Color, Format};

/// Show numastat's views, plus rates, shares, kinds of memory, pressure and JSON.
///
/// Without options: the six counters per node. numastat's options keep their meaning, with one
/// difference: bare numbers are an interval in seconds and a count (processes are named with -p).
/// Reads only /proc and /sys and touches no memory of any process. MB are MiB, as in numastat.
#[derive(Args, Clone, Debug, Default)]
pub struct StatArgs {
    /// Resident memory per node of a process, or of all processes whose name or command line
    /// contains PATTERN, and how far they run from it (repeatable; PIDs can be separated by commas)
    #[arg(short = 'p', long = "pid", value_name = "PID|PATTERN")]
    pub pids: Vec<OsString>,

    /// Memory per node: every row of the kernel's per-node meminfo in MB, and what no row explains
    #[arg(short, long)]
    pub meminfo: bool,

    /// The six counters in MB, counting each allocation as one page (understates huge pages)
    #[arg(short, long)]
    pub numastat: bool,

    /// Free memory of each node, distance from reclaim, fragmentation, and the kernel's reactions
    #[arg(long)]
    pub pressure: bool,

    /// Narrow columns, whole MB
    #[arg(short, long)]
    pub compact: bool,

    /// Sort rows by their total, or by the column of a node given without a space: -s2
    #[arg(short, long, value_name = "NODE", num_args = 0..=1, require_equals = true)]
    pub sort: Option<Option<u16>>,

    /// Leave out rows and columns of zeros
    #[arg(short = 'z', long)]
    pub nonzero: bool,

    /// With several processes, print a table for each
    #[arg(short = 'v', long)]
    pub details: bool,

    /// With -p: the kinds of memory (heap, stack, anonymous, huge pages, text, data, files, shared)
    /// and the policies in force
    #[arg(long)]
    pub kinds: bool,

    /// With -p: each mapping with its kind, policy and name
    #[arg(long)]
    pub by_mapping: bool,

    /// With -p: the node on which each thread last ran
    #[arg(long)]
    pub by_thread_node: bool,

    /// With -p: read only every Nth of the processes that patterns and --children find; PIDs named
    /// with -p are always read
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: Option<u32>,

    /// With -p: include the descendants of the processes
    #[arg(long)]
    pub children: bool,

    /// Memory of a cgroup per node and kind
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<PathBuf>,

    /// Page cache of files per node, and how much of it is not on the disk yet. Takes all PATHs
    /// that follow: an interval stands before it. Reads nothing in
    #[arg(long = "file", value_name = "PATH", num_args = 1..)]
    pub files: Vec<PathBuf>,

    /// Save this reading in FILE for --since
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,

    /// Show what changed since the reading saved in FILE: allocations, memory rows, and memory of
    /// processes per node
    #[arg(long, value_name = "FILE", conflicts_with_all = ["over_time", "watch", "csv"])]
    pub since: Option<PathBuf>,

    /// Exit with status 3 when this condition holds in any reading, such as 'remote_share > 5%'
    /// (repeatable; names in docs/stat.md)
    #[arg(long, value_name = "EXPR")]
    pub fail_if: Vec<String>,

    /// Write a line to stderr when this condition begins to hold, and another when it ends
    /// (repeatable)
    #[arg(long, value_name = "EXPR")]
    pub alert: Vec<String>,

    /// Alert at commonly recommended thresholds: foreign allocations, unreclaimable slab, falling
    /// local share, watermarks, swapping while a different node has free memory, remote share
    #[arg(long)]
    pub alert_presets: bool,

    /// With an interval: print one line per reading with this share of every node
    #[arg(long, value_enum, value_name = "SHARE")]
    pub over_time: Option<Share>,

    /// Repeat on a cleared screen, every second unless an interval is given, with changes in bold
    #[arg(long, conflicts_with_all = ["format", "csv"])]
    pub watch: bool,

    /// Print CSV, one value per line
    #[arg(long, conflicts_with = "format")]
    pub csv: bool,

    /// When to use colour
    #[arg(long, value_enum, default_value_t)]
    pub color: Color,

    /// Output format: text, or JSON of schema numatrace.stat/1
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,

    /// Time between readings (1, 500ms, 2m) and their number; without a number until Ctrl-C. Any
    /// other word is a PATTERN, as with -p
    #[arg(value_name = "INTERVAL [COUNT] | PATTERN")]
    pub words: Vec<OsString>,
}

/// Share of the allocations from a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Share {
    /// Allocations that preferred this node.
    Hit,
    /// Allocations by CPUs of this node.
    Local,
}

/// Rewrites numastat's `-s2`, alone or at the end of a bundle (`-mcs2`), to `--sort=2` in the
/// arguments of `stat`. clap has no option whose value may be missing and must otherwise follow
/// without a space. Arguments of other commands pass unchanged.
pub fn expand_glued_sort(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut out: Vec<OsString> = args.by_ref().take(1).collect();
    let mut in_stat = false;
    let mut takes_value = false;
    while let Some(arg) = args.next() {
        if arg == "--" {
            out.push(arg);
            out.extend(args);
            break;
        }
        if in_stat
            && !takes_value
            && let Some((bundle, node)) = glued_sort(&arg)
        {
            out.extend(bundle.map(OsString::from));
            out.push(format!("--sort={node}").into());
            continue;
        }
        in_stat |= arg == "stat";
        takes_value = in_stat
            && matches!(
                arg.to_str(),
                Some(
                    "-p" | "--pid"
                        | "-f"
                        | "--format"
                        | "--cgroup"
                        | "--file"
                        | "--save"
                        | "--sample"
                        | "--since"
                        | "--fail-if"
                        | "--alert"
                )
            );
        out.push(arg);
    }
    out
}

/// Splits `-mcs2` into `-mc` and 2, and `-s2` into nothing and 2; returns `None` for anything else.
fn glued_sort(arg: &OsStr) -> Option<(Option<String>, u16)> {
    let bundle = arg.to_str()?.strip_prefix('-')?;
    let letters = bundle.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let node = bundle.strip_prefix(letters)?.parse().ok()?;
    let before = letters.strip_suffix('s')?;
    let flags_only = before.chars().all(|letter| "cmnvz".contains(letter));
    flags_only.then(|| ((!before.is_empty()).then(|| format!("-{before}")), node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    enum Command {
        Stat(StatArgs),
        Other { words: Vec<OsString> },
    }

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = std::iter::once("numatrace")
            .chain(line.split(' '))
            .map(OsString::from);
        Command::try_parse_from(expand_glued_sort(words))
    }

    fn stat(line: &str) -> StatArgs {
        match parse(&format!("stat {line}").replace("stat  ", "stat ")) {
            Ok(Command::Stat(args)) => args,
            Ok(Command::Other { .. }) => panic!("not stat"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn numastats_letters_bundle_as_they_do_there() {
        let args = stat("-mcs2");
        assert_eq!(
            (args.meminfo, args.compact, args.sort),
            (true, true, Some(Some(2)))
        );
        assert_eq!(stat("-s12 -z").sort, Some(Some(12)));
        let args = stat("-mcs 2 5");
        assert_eq!(
            (args.sort, args.words),
            (Some(None), vec!["2".into(), "5".into()]),
            "a number apart is an interval"
        );
        assert_eq!(stat("-p s2").pids, ["s2"]);
    }

    #[test]
    fn other_commands_and_what_follows_the_dashes_stay_as_typed() {
        let Ok(Command::Other { words }) = parse("other -- -s2") else {
            panic!("other")
        };
        assert_eq!(words, ["-s2"]);
        assert!(parse("stat -x2").is_err());
    }
}
