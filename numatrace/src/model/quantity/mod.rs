//! Quantities: everything of a report that has a name and one number, for whole machine, node or process.
//!
//! The one list behind the names of `--fail-if`, the rows of `diff` and the table in docs/fail-if.md. The names are numastat's and the
//! report's own. A quantity is read from [`Measures`], the plain sums of whatever it is asked of.

mod list;
mod measures;

pub use list::ALL;
pub use measures::Measures;

/// A named number of a report.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Its name, stable: scripts refer to it.
    pub name: &'static str,
    /// What it is, for the documentation.
    pub what: &'static str,
    /// What its number counts.
    pub unit: Unit,
    /// Whether more of it is good or bad.
    pub good: Good,
    /// Whether it grows with the length of a session, so that it has a rate per second: not so shares, nor what is found in the end.
    pub grows: bool,
    /// Of what it can be asked, beside the whole machine.
    pub of: &'static [Of],
    /// Reads it.
    pub read: fn(&Measures) -> Option<Measured>,
}

/// Of what a quantity can be asked, beside the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// One node: pages that lie there, tasks that came there.
    Node,
    /// The processes with one name, or one pid.
    Process,
}

/// What the number of a quantity counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Satisfied requests to the page allocator, of any order: numastat's unit.
    Allocations,
    /// Base pages.
    Pages,
    /// NUMA hinting faults: sampled accesses.
    Faults,
    /// Changes of CPU.
    Moves,
    /// Other events, each counted once.
    Events,
    /// Seconds.
    Seconds,
    /// A part of a whole, 0 to 1.
    Share,
}

impl Unit {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allocations => "allocations",
            Self::Pages => "pages",
            Self::Faults => "faults",
            Self::Moves => "moves",
            Self::Events => "events",
            Self::Seconds => "seconds",
            Self::Share => "share",
        }
    }
}

/// Whether more of a quantity is good or bad for placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Good {
    /// Less is better.
    Less,
    /// More is better.
    More,
    /// It says how much was going on.
    Neither,
}

/// What a quantity came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// Events, each counted once.
    Count(u64),
    /// What there is of something in the end.
    State(u64),
    /// A part of counted events.
    Share {
        /// Those that are meant.
        part: u64,
        /// All.
        whole: u64,
    },
    /// Nanoseconds.
    Time(u64),
    /// A part of a time, in nanoseconds.
    TimeShare {
        /// The time that is meant.
        part: u64,
        /// All.
        whole: u64,
    },
}

impl Measured {
    /// The number: a count, seconds, or a share from 0 to 1. `None` for a share of nothing.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Count(count) | Self::State(count) => Some(float(count)),
            Self::Time(ns) => Some(float(ns) / 1e9),
            Self::Share { part, whole } | Self::TimeShare { part, whole } => {
                super::matrix::share(part, whole)
            }
        }
    }
}

/// The quantity of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Quantity> {
    ALL.iter().find(|quantity| quantity.name == name)
}

/// For thresholds and tests of significance; counts above 2^53 lose their last digits, which neither can show.
#[expect(
    clippy::cast_precision_loss,
    reason = "compared with what people typed"
)]
#[must_use]
pub fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_words_of_the_expression_language_and_told_apart() {
        let names: BTreeSet<&str> = ALL.iter().map(|quantity| quantity.name).collect();
        assert_eq!(names.len(), ALL.len());
        let word = |name: &&str| {
            name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                && !["and", "or", "not"].contains(name)
        };
        assert!(names.iter().all(word), "{names:?}");
    }

    #[test]
    fn a_unit_and_what_is_read_agree() {
        let mut full = Measures::default();
        full.fill(7);
        for quantity in ALL {
            let read = (quantity.read)(&full).expect(quantity.name);
            let fits = match read {
                Measured::Share { .. } | Measured::TimeShare { .. } => quantity.unit == Unit::Share,
                Measured::Time(_) => quantity.unit == Unit::Seconds,
                Measured::Count(_) | Measured::State(_) => {
                    !matches!(quantity.unit, Unit::Share | Unit::Seconds)
                }
            };
            assert!(fits, "{}: {read:?}", quantity.name);
            let grows = matches!(read, Measured::Count(_) | Measured::Time(_));
            assert_eq!(grows, quantity.grows, "{}: {read:?}", quantity.name);
        }
    }

    #[test]
    fn what_was_not_measured_has_no_number() {
        for quantity in ALL {
            assert_eq!(
                (quantity.read)(&Measures::default()),
                None,
                "{}",
                quantity.name
            );
        }
        assert_eq!(Measured::Share { part: 0, whole: 0 }.value(), None);
        assert_eq!(Measured::Time(1_500_000_000).value(), Some(1.5));
    }
}
