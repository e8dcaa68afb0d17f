//! Quantities: everything of a report that has a name and one number, for the whole machine, a
//! node or a process.
//!
//! One list defines the names of `--fail-if`, the rows of `diff`, the headers and legends of every
//! table, and the table in docs/fail-if.md. The names are numastat's and the report's own. A
//! quantity is read from [`Measures`], the plain sums of a subject.

pub mod headers;
mod list;
mod measures;

pub use headers::{header, header_per_s, legend};
pub use list::ALL;
pub use measures::Measures;

/// A named number of a report.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Name, stable: scripts refer to it.
    pub name: &'static str,
    /// Header in tables, without the unit of pages: [`Quantity::header`] adds it.
    pub header: &'static str,
    /// Meaning, for legends and documentation.
    pub what: &'static str,
    /// Unit of the number.
    pub unit: Unit,
    /// Direction that is better.
    pub good: Good,
    /// True when it grows with the length of a session and so has a rate per second; false for
    /// shares and for states at the end of a session.
    pub grows: bool,
    /// Subjects that it can be asked of, besides the whole machine.
    pub of: &'static [Of],
    /// Reads the number from sums.
    pub read: fn(&Measures) -> Option<Measured>,
}

/// A subject of a quantity, besides the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// One node: pages on it, tasks that arrived there.
    Node,
    /// The processes with one name, or one PID.
    Process,
}

/// Unit of a quantity.
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
    /// Returns the unit's word.
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

/// Direction of a quantity that is better for placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Good {
    /// Less is better.
    Less,
    /// More is better.
    More,
    /// Neither: the quantity measures activity.
    Neither,
}

/// The value of a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// Events, each counted once.
    Count(u64),
    /// A state at the end of the session.
    State(u64),
    /// A share of counted events.
    Share {
        /// Counted events in the share.
        part: u64,
        /// All counted events.
        whole: u64,
    },
    /// Nanoseconds.
    Time(u64),
    /// A share of a time, in nanoseconds.
    TimeShare {
        /// Time in the share.
        part: u64,
        /// All time.
        whole: u64,
    },
}

impl Measured {
    /// Returns the number: a count, seconds, or a share from 0 to 1. `None` for a share of 0.
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

/// Returns the quantity with a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Quantity> {
    ALL.iter().find(|quantity| quantity.name == name)
}

/// Converts a count for thresholds and tests of significance. Counts above 2^53 lose their last
/// digits, which matter to neither.
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
    fn names_are_distinct_words_of_the_expression_language() {
        let names: BTreeSet<&str> = ALL.iter().map(|quantity| quantity.name).collect();
        assert_eq!(names.len(), ALL.len());
        let word = |name: &&str| {
            name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                && !["and", "or", "not"].contains(name)
        };
        assert!(names.iter().all(word), "{names:?}");
    }

    #[test]
    fn a_header_belongs_to_one_quantity_or_part() {
        let of_quantities = ALL.iter().flat_map(|quantity| {
            let rate = quantity.grows.then(|| quantity.header_per_s());
            [Some(quantity.header()), rate]
        });
        let mut headers: Vec<String> = of_quantities
            .flatten()
            .chain(headers::parts().map(|part| part.header.to_owned()))
            .chain(headers::IDENTIFYING.map(str::to_owned))
            .collect();
        headers.sort();
        let doubled = headers.windows(2).find(|two| two[0] == two[1]);
        assert_eq!(doubled, None);
    }

    #[test]
    fn a_header_is_known_with_its_unit_and_a_column_per_node_with_its_number() {
        for known in [
            "remote",
            "remote %",
            "remote touch %",
            "remote access %",
            "CPU away %",
            "used remotely MiB",
            "moved back MiB",
            "moved/s",
            "CPU %",
            "PID",
            "on 12",
            "% on 0",
        ] {
            assert!(headers::is_known(known), "{known}");
        }
        for unknown in [
            "far %",
            "away %",
            "surprise MiB",
            "to and fro MiB",
            "PID 1x",
            "on12",
        ] {
            assert!(!headers::is_known(unknown), "{unknown}");
        }
    }

    #[test]
    fn the_unit_fits_the_value_that_is_read() {
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
    fn a_quantity_that_was_not_measured_has_no_number() {
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
