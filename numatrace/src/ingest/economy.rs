//! Details left out of the state of a session where a recording has no room for all of it. Sums are
//! kept at every step.

use serde::{Deserialize, Serialize};

/// Steps of leaving out; each leaves out what those before it do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Economy {
    /// Nothing.
    #[default]
    Nothing,
    /// Entries of most processes that ended.
    MostEnded,
    /// Entries of all processes and threads that ended, and the timeline.
    Ended,
    /// Memory by mapping, address spaces, residency, stacks.
    Memory,
    /// Counts by process.
    Counts,
    /// Processes that did not fail.
    Processes,
}

impl Economy {
    /// All steps, the first one first.
    pub const ALL: [Self; 6] = [
        Self::Nothing,
        Self::MostEnded,
        Self::Ended,
        Self::Memory,
        Self::Counts,
        Self::Processes,
    ];

    /// Returns the step before this one.
    #[must_use]
    pub fn milder(self) -> Self {
        let before = Self::ALL.iter().rev().find(|step| **step < self);
        before.copied().unwrap_or_default()
    }

    /// Says what is left out; `None` for nothing.
    #[must_use]
    pub fn in_words(self) -> Option<&'static str> {
        Some(match self {
            Self::Nothing => return None,
            Self::MostEnded => "entries of most processes that ended",
            Self::Ended => "entries of processes that ended, and moves",
            Self::Memory => {
                "entries of processes that ended, moves, memory by mapping, residency, and stacks"
            }
            Self::Counts | Self::Processes => {
                "anything but the sums of all processes, which are in [out of scope]"
            }
        })
    }
}
