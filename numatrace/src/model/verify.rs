//! A check of the reasons of task moves against kernel stacks, with `--verify-reasons`.

use serde::{Deserialize, Serialize};

use super::task_move::MoveReason;

/// Reasons of CPU changes compared with the kernel stack at each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// Changes of CPU whose stack was read, including within a node; placements at fork have none.
    pub moves: u64,
    /// Moves whose stack confirms the reason.
    pub agreed: u64,
    /// Moves whose stack contradicts the reason, most first.
    pub disagreed: Vec<Disagreement>,
    /// Moves whose stack has none of the deciding functions, most first.
    pub unclassified: Vec<Disagreement>,
}

/// Moves with one reason that their stack does not confirm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// The traced reason.
    pub reason: MoveReason,
    /// The reasons that such a stack can have.
    pub stack_says: String,
    /// Number of moves.
    pub count: u64,
    /// Kernel functions in the stack of one of the moves, innermost first.
    pub stack: Vec<String>,
}
