//! The columns of the process view: each shows one quantity and can sort the processes.

use std::cmp::Ordering;

use crate::{
    model::{
        Alloc, Matrix, PerNode, Process,
        matrix::share,
        number,
        quantity::{self, Quantity},
    },
    output::format::{
        percent,
        rate::{per_second, short},
    },
};

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Placement mismatch: CPU time on memory of other nodes.
    Mismatch,
    /// Remote allocations.
    Remote,
    /// Allocations that missed their preferred node.
    Missed,
    /// Pages that the first touch placed on a different node.
    RemoteTouch,
    /// Hinting faults on pages of a different node.
    RemoteAccess,
    /// Pages migrated.
    Moved,
    /// Moves of threads between nodes.
    NodeMoves,
    /// CPU time away from the process's memory.
    Away,
    /// CPU time.
    Cpu,
    /// Allocations.
    Allocs,
}

impl Column {
    /// All, in the order of the screen, which is also that of the sort key.
    pub const ALL: [Self; 10] = [
        Self::Mismatch,
        Self::Cpu,
        Self::Remote,
        Self::RemoteAccess,
        Self::RemoteTouch,
        Self::NodeMoves,
        Self::Moved,
        Self::Missed,
        Self::Away,
        Self::Allocs,
    ];

    /// Returns the name of its quantity.
    fn quantity(self) -> &'static str {
        match self {
            Self::Mismatch => "placement_mismatch",
            Self::Remote => "other_node",
            Self::Missed => "numa_miss",
            Self::RemoteTouch => "remote_first_touch_pages",
            Self::RemoteAccess => "remote_hint_faults",
            Self::Moved => "migrated_pages",
            Self::NodeMoves => "cross_node_moves",
            Self::Away => "away_share",
            Self::Cpu => "run_s",
            Self::Allocs => "allocations",
        }
    }

    /// Returns its header.
    #[must_use]
    pub fn header(self) -> String {
        match self {
            Self::Away | Self::Mismatch => quantity::header(self.quantity()),
            _ => quantity::header_per_s(self.quantity()),
        }
    }

    /// Returns its width on the screen. Headers of two words stand in two lines.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::Mismatch | Self::Remote | Self::Missed | Self::RemoteAccess | Self::Allocs => 8,
            Self::RemoteTouch | Self::Moved | Self::NodeMoves => 7,
            Self::Away | Self::Cpu => 6,
        }
    }

    /// Explains it in a sentence.
    #[must_use]
    pub fn legend(self) -> String {
        if self == Self::Mismatch {
            return format!(
                "{}: 100: all memory on nodes it does not run on; sorted by such CPU time",
                self.header()
            );
        }
        let what = quantity::find(self.quantity()).map_or("", Quantity::meaning);
        // Numastat's name at the end is in the view of nodes; here it would cost a second line.
        let (what, _) = what.split_once(" (").unwrap_or((what, ""));
        let more = match self {
            Self::Away => "; sorted by the time away",
            Self::Cpu => "; 100 is one CPU",
            _ => "",
        };
        format!("{}: {what}{more}", self.header())
    }

    /// Returns the number of one process in an interval; `None` is not measured.
    #[must_use]
    pub fn count(self, process: &Process) -> Option<u64> {
        let alloc = process.alloc.as_ref();
        let remote = |matrix: Option<&Matrix>| matrix.map(Matrix::off_diagonal);
        match self {
            Self::Mismatch => process.misplaced_ns(),
            Self::Remote => alloc.and_then(Alloc::remote),
            Self::Missed => alloc.and_then(Alloc::misses),
            Self::RemoteTouch => {
                remote(process.first_touch.as_ref().and_then(|t| t.pages.as_ref()))
            }
            Self::RemoteAccess => {
                remote(process.hint_faults.as_ref().and_then(|h| h.matrix.as_ref()))
            }
            Self::Moved => remote(
                process
                    .page_migrations
                    .as_ref()
                    .and_then(|m| m.matrix.as_ref()),
            ),
            Self::NodeMoves => process.task_moves.as_ref().and_then(|m| m.cross_node),
            Self::Away => process.away_ns,
            Self::Cpu => process.run_ns.as_ref().map(PerNode::total),
            Self::Allocs => alloc.and_then(Alloc::allocations),
        }
    }

    /// Returns the number that the count is a share of; only parts of the CPU time are shown as
    /// shares.
    fn whole(self, process: &Process) -> Option<u64> {
        match self {
            Self::Away | Self::Mismatch => Self::Cpu.count(process),
            _ => None,
        }
    }

    /// Formats the sum over `processes`; unknown when it was measured for none.
    #[must_use]
    pub fn format(self, processes: &[&Process], seconds: f64) -> String {
        let sum = |of: &dyn Fn(&Process) -> Option<u64>| {
            let known = processes.iter().filter_map(|process| of(process));
            known.fold(None, |sum: Option<u64>, count| {
                Some(sum.unwrap_or(0).saturating_add(count))
            })
        };
        let count = sum(&|process| self.count(process));
        match self {
            Self::Away | Self::Mismatch => {
                // A process that did not run was not away either.
                let whole = sum(&|process| {
                    self.whole(process)
                        .filter(|_| self.count(process).is_some())
                });
                let part = count
                    .zip(whole)
                    .and_then(|(away, ran)| share(away.min(ran), ran));
                number::percent(part)
            }
            Self::Cpu => percent::of_cpu(per_second(count, seconds)),
            _ => short(per_second(count, seconds)),
        }
    }

    /// Returns the next column.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|column| *column == self);
        let next = at.map_or(0, |at| (at + 1) % Self::ALL.len());
        Self::ALL[next]
    }

    /// Compares two processes: the largest comes first, buckets behind all processes. Equal ones
    /// stand in the order of the report, so that they keep their places.
    #[must_use]
    pub fn order(self, a: &Process, b: &Process, reversed: bool) -> Ordering {
        let counts = match self {
            // The order of the report: a mismatch that is no more than noise decides nothing.
            Self::Mismatch => a.rank_key().cmp(&b.rank_key()),
            _ => self.count(b).cmp(&self.count(a)),
        };
        a.is_bucket()
            .cmp(&b.is_bucket())
            .then(if reversed { counts.reverse() } else { counts })
            .then_with(|| a.rank_key().cmp(&b.rank_key()))
    }
}
