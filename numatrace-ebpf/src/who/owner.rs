//! Whom to charge: a thread of a process in scope, or one of the pseudo owners.

use numatrace_common::totals::{IRQ, NO_OWNER, OUT_OF_SCOPE};

use super::scope::in_scope;
use crate::kernel::task::Task;

/// The owner part of a totals key.
#[derive(Clone, Copy)]
pub struct Owner {
    /// Start of the thread, 0 for a pseudo owner.
    pub start_ns: u64,
    /// Thread id, 0 for a pseudo owner.
    pub tid: u32,
    /// Process id or pseudo owner.
    pub tgid: u32,
}

impl Owner {
    /// What interrupts do is nobody's.
    pub const IRQ: Owner = Owner {
        start_ns: 0,
        tid: 0,
        tgid: IRQ,
    };

    /// Memory that no process has mapped, or whose process the kernel does not tell.
    pub const NOBODY: Owner = Owner {
        start_ns: 0,
        tid: 0,
        tgid: NO_OWNER,
    };

    /// Is it a thread in scope?
    #[inline(always)]
    pub fn is_thread(self) -> bool {
        self.tid != 0
    }

    /// The owner of what this task does.
    #[inline(always)]
    pub fn of(task: Task) -> Self {
        if in_scope(task) {
            Owner {
                start_ns: task.start_ns(),
                tid: task.tid(),
                tgid: task.tgid(),
            }
        } else {
            Owner {
                start_ns: 0,
                tid: 0,
                tgid: OUT_OF_SCOPE,
            }
        }
    }
}
