//! The transfers of the matrix view: one node×node matrix at a time.

use crate::model::{Matrix, Snapshot};

/// A matrix from node to node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// Allocations: node of the CPU, node of the page.
    Allocations,
    /// First touches: node of the faulting CPU, node of the page.
    FirstTouch,
    /// Hinting faults: node of the thread, node of the page.
    HintFaults,
    /// Pages that were migrated.
    PageMigrations,
    /// Threads that moved.
    TaskMoves,
}

impl Transfer {
    /// All, in the order in which the view goes through them.
    pub const ALL: [Self; 5] = [
        Self::Allocations,
        Self::FirstTouch,
        Self::HintFaults,
        Self::PageMigrations,
        Self::TaskMoves,
    ];

    /// Returns its title, which says what rows and columns are.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Allocations => "allocations/s from CPUs of node (row) on node (column)",
            Self::FirstTouch => "pages/s touched first from node (row) on node (column)",
            Self::HintFaults => "hint faults/s from node (row) to pages on node (column)",
            Self::PageMigrations => "pages/s moved from node (row) to node (column)",
            Self::TaskMoves => "threads/s moved from node (row) to node (column)",
        }
    }

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allocations => "allocations",
            Self::FirstTouch => "first touch",
            Self::HintFaults => "hint faults",
            Self::PageMigrations => "page migrations",
            Self::TaskMoves => "task moves",
        }
    }

    /// Returns the transfer `by` places further on.
    #[must_use]
    pub fn step(self, by: isize) -> Self {
        let count = Self::ALL.len();
        let at = Self::ALL.iter().position(|one| *one == self).unwrap_or(0);
        Self::ALL[at.saturating_add(count).saturating_add_signed(by) % count]
    }

    /// Returns the matrix of the whole system; `None` when it was not measured.
    #[must_use]
    pub fn matrix(self, snapshot: &Snapshot) -> Option<&Matrix> {
        let system = snapshot.system.as_ref()?;
        match self {
            Self::Allocations => system.allocations.as_ref(),
            Self::FirstTouch => system.first_touch.as_ref()?.pages.as_ref(),
            Self::HintFaults => system.hint_faults.as_ref()?.matrix.as_ref(),
            Self::PageMigrations => system.page_migrations.as_ref()?.matrix.as_ref(),
            Self::TaskMoves => system.task_moves.as_ref()?.matrix.as_ref(),
        }
    }
}
