//! Arguments of `numatrace events`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Format, live::LiveArgs};
use crate::model::event::Kind;

/// Print events while they happen: one line per run, move, migration or incident.
///
/// Each line gives the time, the event, its source and target node, its process and the reason.
/// Events for which a slow reader leaves no room are dropped, counted and reported; the tracer
/// never waits. The stream ends with Ctrl-C, after -d, or when the given processes or the reader
/// end.
#[derive(Args, Clone, Debug)]
pub struct EventsArgs {
    /// Options of every live session.
    #[command(flatten)]
    pub live: LiveArgs,

    /// Print only these kinds, repeated or separated by commas; hooks that no kind needs do not
    /// attach
    #[arg(
        short,
        long = "kind",
        value_name = "KIND",
        value_enum,
        value_delimiter = ','
    )]
    pub kinds: Vec<KindArg>,

    /// Print only events from or to these nodes (0,2-3, !1, all)
    #[arg(long = "node", value_name = "LIST", allow_hyphen_values = true)]
    pub nodes: Option<String>,

    /// Print only events between two different nodes
    #[arg(short = 'x', long)]
    pub cross_node_only: bool,

    /// Print only events of at least N pages; a hinting fault counts as one page, and moves of
    /// threads are always printed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_pages: u64,

    /// Print only events of processes or threads with this name (repeatable)
    #[arg(long = "comm", value_name = "NAME", value_delimiter = ',')]
    pub comms: Vec<String>,

    /// Largest number of events that wait for a slow reader; further ones are dropped, counted and
    /// reported
    #[arg(
        long,
        value_name = "N",
        default_value_t = 65_536,
        value_parser = clap::value_parser!(u32).range(1..=10_000_000)
    )]
    pub buffer: u32,

    /// Output format: text, or JSON Lines (docs/events.md)
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,

    /// Write the events to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Kind of event as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum KindArg {
    /// Page allocations by thread, once a second
    Alloc,
    /// Runs of first touches in one mapping
    FirstTouch,
    /// Runs of NUMA hinting faults in one mapping
    HintFault,
    /// Pages that moved to a different node
    PageMigration,
    /// Threads that moved to a different node
    TaskMove,
    /// Threads that ran away from their process's memory, when they return or end
    Incident,
    /// Processes killed because memory was short
    OomKill,
    /// Direct reclaim and compaction, thread by thread, once a second
    Reclaim,
    /// Allocations that failed and that the kernel warned of
    AllocFailed,
    /// Huge pages that a pool could not give
    HugetlbFailed,
    /// Refused calls about memory policy and CPU affinity
    PolicyRefused,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Alloc => Self::Alloc,
            KindArg::FirstTouch => Self::FirstTouch,
            KindArg::HintFault => Self::HintFault,
            KindArg::PageMigration => Self::PageMigration,
            KindArg::TaskMove => Self::TaskMove,
            KindArg::Incident => Self::Incident,
            KindArg::OomKill => Self::OomKill,
            KindArg::Reclaim => Self::Reclaim,
            KindArg::AllocFailed => Self::AllocFailed,
            KindArg::HugetlbFailed => Self::HugetlbFailed,
            KindArg::PolicyRefused => Self::PolicyRefused,
        }
    }
}
