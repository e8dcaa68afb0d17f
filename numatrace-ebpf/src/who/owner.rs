//! The owner of an event: a thread of a process in scope, or one of the pseudo owners.

use numatrace_common::totals::{IRQ, NO_OWNER, OUT_OF_SCOPE};

use super::scope::in_scope;
use crate::kernel::task::Task;

/// The owner part of a totals key.
#[derive(Clone, Copy)]
pub struct Owner {
    /// Start of the thread, ns since boot; 0 for a pseudo owner.
    pub start_ns: u64,
    /// Thread id, 0 for a pseudo owner.
    pub tid: u32,
    /// Process id or pseudo owner.
    pub tgid: u32,
}

impl Owner {
    /// Interrupts: their events belong to no thread.
    pub const IRQ: Owner = Owner::pseudo(IRQ);

    /// Memory that no process has mapped, or whose process the kernel does not name.
    pub const NOBODY: Owner = Owner::pseudo(NO_OWNER);

    const fn pseudo(tgid: u32) -> Self {
        Owner {
            start_ns: 0,
            tid: 0,
            tgid,
        }
    }

    /// Returns whether it is a thread in scope.
    #[inline(always)]
    pub fn is_thread(self) -> bool {
        self.tid != 0
    }

    /// Returns the owner of events of a task. Everything out of scope is one owner.
    #[inline(always)]
    pub fn of(task: Task) -> Self {
        if in_scope(task) {
            Owner {
                start_ns: task.start_ns(),
                tid: task.tid(),
                tgid: task.tgid(),
            }
        } else {
            Owner::pseudo(OUT_OF_SCOPE)
        }
    }
}
