//! `numatrace events`: what can be typed after it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Format, live::LiveArgs};
use crate::model::event::Kind;

/// Print what happens as it happens: one line per run, move, migration or incident.
///
/// Each line says when, what, from which node to which, whose, and why. Events that a slow reader has no room for are dropped, counted and
/// announced; the tracer never waits. Ctrl-C, -d, the end of the given processes or of the reader end it.
#[derive(Args, Clone, Debug)]
pub struct EventsArgs {
    /// Options of every live session.
    #[command(flatten)]
    pub live: LiveArgs,

    /// Only these kinds: a list of them, repeatable; hooks that no kind needs are not attached
    #[arg(
        short,
        long = "kind",
        value_name = "KIND",
        value_enum,
        value_delimiter = ','
    )]
    pub kinds: Vec<KindArg>,

    /// Only events with one of these nodes at either end (0,2-3, !1, all)
    #[arg(long = "node", value_name = "LIST", allow_hyphen_values = true)]
    pub nodes: Option<String>,

    /// Only events between two different nodes
    #[arg(short = 'x', long)]
    pub cross_node_only: bool,

    /// Only events of so many pages at least; hinting faults count as a page each, moves of threads have none and are shown
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_pages: u64,

    /// Only events of processes or threads with this name, repeatable
    #[arg(long = "comm", value_name = "NAME", value_delimiter = ',')]
    pub comms: Vec<String>,

    /// Events that wait for a slow reader at most; what finds no room is dropped, counted and announced
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub buffer: u32,

    /// Form of the stream: text, or JSON Lines (docs/events.md)
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,

    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A kind as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum KindArg {
    /// Page allocations, thread by thread, once a second
    Alloc,
    /// Runs of first touches in one mapping
    FirstTouch,
    /// Runs of NUMA hinting faults in one mapping
    HintFault,
    /// Pages that changed their node
    PageMigration,
    /// Threads that changed their node
    TaskMove,
    /// Threads that came back to their process's memory, or ended away from it
    Incident,
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
        }
    }
}
