//! A second opinion on the reasons of task moves, with `--verify-reasons`.

use serde::{Deserialize, Serialize};

use super::task_move::MoveReason;

/// Reasons of changes of CPU against the kernel's stack at each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// Changes of CPU whose stack was looked at, within a node too; placements at fork have none.
    pub moves: u64,
    /// Those whose stack leads to their reason.
    pub agreed: u64,
    /// Those whose stack leads elsewhere, most first.
    pub disagreed: Vec<Disagreement>,
    /// Those whose stack has none of the functions that tell, most first.
    pub unclassified: Vec<Disagreement>,
}

/// Moves of one reason whose stack says something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// The reason they were given.
    pub reason: MoveReason,
    /// The reasons that their stack can have.
    pub stack_says: String,
    /// How many.
    pub count: u64,
    /// The kernel's functions in the stack of one of them, innermost first.
    pub stack: Vec<String>,
}
