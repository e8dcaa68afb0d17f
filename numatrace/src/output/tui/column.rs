//! The columns of the process view: a quantity each, what it is called, and how it is ordered.

use std::cmp::Ordering;

use super::rate::{per_second, short};
use crate::model::{Alloc, Matrix, Process, ProcessKind, number};

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Remote allocations.
    Remote,
    /// Allocations that missed their node.
    Missed,
    /// Pages touched first away from the toucher.
    TouchAway,
    /// Hinting faults to another node.
    HintFar,
    /// Pages migrated.
    Migrated,
    /// Cross-node moves of threads.
    Moves,
    /// CPU time away from the process's memory.
    Away,
    /// CPU time.
    Cpu,
    /// Allocations.
    Allocs,
}

impl Column {
    /// All, in the order of the screen; the sort key goes through them in it.
    pub const ALL: [Self; 9] = [
        Self::Remote,
        Self::Missed,
        Self::TouchAway,
        Self::HintFar,
        Self::Migrated,
        Self::Moves,
        Self::Away,
        Self::Cpu,
        Self::Allocs,
    ];

    /// Its head.
    #[must_use]
    pub fn head(self) -> &'static str {
        match self {
            Self::Remote => "remote/s",
            Self::Missed => "miss/s",
            Self::TouchAway => "t-away/s",
            Self::HintFar => "h-far/s",
            Self::Migrated => "migr/s",
            Self::Moves => "moves/s",
            Self::Away => "away %",
            Self::Cpu => "CPU %",
            Self::Allocs => "alloc/s",
        }
    }

    /// Its width on the screen.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::Remote | Self::TouchAway => 8,
            Self::Away => 6,
            _ => 7,
        }
    }

    /// What it shows, in a sentence.
    #[must_use]
    pub fn legend(self) -> &'static str {
        match self {
            Self::Remote => {
                "remote/s: allocations whose page is on another node than the CPU that asked"
            }
            Self::Missed => "miss/s: allocations whose wanted node had no page to give (numa_miss)",
            Self::TouchAway => {
                "t-away/s: pages that came into being on another node than their first user's"
            }
            Self::HintFar => "h-far/s: hinting faults (sampled accesses) to pages on another node",
            Self::Migrated => "migr/s: pages of the process that were moved to another node",
            Self::Moves => "moves/s: threads that changed their node",
            Self::Away => {
                "away %: CPU time on other nodes than the one that holds most of its memory; 100 is one CPU"
            }
            Self::Cpu => "CPU %: CPU time; 100 is one CPU",
            Self::Allocs => "alloc/s: requests that the page allocator satisfied",
        }
    }

    /// The quantity of one process in an interval; `None` is not measured.
    #[must_use]
    pub fn count(self, process: &Process) -> Option<u64> {
        let alloc = process.alloc.as_ref();
        let off = |matrix: Option<&Matrix>| matrix.map(Matrix::off_diagonal);
        match self {
            Self::Remote => alloc.and_then(Alloc::remote),
            Self::Missed => alloc.and_then(Alloc::misses),
            Self::TouchAway => off(process.first_touch.as_ref().and_then(|t| t.pages.as_ref())),
            Self::HintFar => off(process.hint_faults.as_ref().and_then(|h| h.matrix.as_ref())),
            Self::Migrated => off(process
                .page_migrations
                .as_ref()
                .and_then(|m| m.matrix.as_ref())),
            Self::Moves => process.task_moves.as_ref().and_then(|m| m.cross_node),
            Self::Away => process.away_ns,
            Self::Cpu => process.run_ns.as_ref().map(crate::model::PerNode::total),
            Self::Allocs => alloc.and_then(Alloc::allocations),
        }
    }

    /// A count of this column as it stands in a cell.
    #[must_use]
    pub fn cell(self, count: Option<u64>, seconds: f64) -> String {
        let rate = per_second(count, seconds);
        match self {
            // Nanoseconds a second, as percent of one CPU.
            Self::Away | Self::Cpu => rate.map_or_else(
                || number::UNKNOWN.to_owned(),
                |ns| match ns / 1e7 {
                    p if p <= 0.0 => "0".to_owned(),
                    p if p < 0.05 => "<0.1".to_owned(),
                    p if p < 999.95 => format!("{p:.1}"),
                    p => format!("{p:.0}"),
                },
            ),
            _ => short(rate),
        }
    }

    /// The column behind this one.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|column| *column == self);
        let next = at.map_or(0, |at| (at + 1) % Self::ALL.len());
        Self::ALL[next]
    }

    /// Most first, buckets behind all processes; equal ones in the order of the report, so that they keep their places.
    #[must_use]
    pub fn order(self, a: &Process, b: &Process, reversed: bool) -> Ordering {
        let bucket = |process: &Process| process.kind == ProcessKind::Other;
        let counts = self.count(b).cmp(&self.count(a));
        bucket(a)
            .cmp(&bucket(b))
            .then(if reversed { counts.reverse() } else { counts })
            .then_with(|| a.rank_key().cmp(&b.rank_key()))
    }
}
