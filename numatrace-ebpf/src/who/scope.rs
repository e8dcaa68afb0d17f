//! Scope: the processes that a session is limited to.

use numatrace_common::{
    counters::Counter,
    scope::{NS_PER_TICK, ScopeEntry},
};

use crate::{
    counters,
    globals::{enabled, global},
    kernel::task::Task,
    maps::SCOPE,
};

/// Returns whether a task's process is in scope: every process of an unscoped session, and the
/// active members of a scoped one.
#[inline(always)]
pub fn in_scope(task: Task) -> bool {
    !enabled!(scoped)
        || member(task)
            .or_else(|| adopt(task))
            .is_some_and(|entry| entry.active != 0)
}

/// Takes in a process that was born in the session and whose fork no program saw: kernels that
/// preempt tracing programs skip some.
#[inline(always)]
fn adopt(task: Task) -> Option<ScopeEntry> {
    let leader = task.leader();
    if !enabled!(follow_children) || leader.start_ns() < global!(session_start_ns) {
        return None;
    }
    let parent = leader.parent();
    if inherit(parent, leader) {
        member(parent)
    } else {
        None
    }
}

/// Returns the scope entry of a task's process, if the entry is of this incarnation of the pid.
#[inline(always)]
pub fn member(task: Task) -> Option<ScopeEntry> {
    // SAFETY: entries are written whole by fork, exec and userspace and only removed after the
    // process is gone.
    let entry = *unsafe { SCOPE.get(task.tgid()) }?;
    (entry.start_ticks == start_ticks(task)).then_some(entry)
}

/// Takes a forked process into its parent's scope. Returns whether it is a member now.
#[inline(always)]
pub fn inherit(parent: Task, child: Task) -> bool {
    if !enabled!(scoped) || !enabled!(follow_children) {
        return false;
    }
    let Some(entry) = member(parent) else {
        return false;
    };
    let entry = ScopeEntry {
        start_ticks: start_ticks(child),
        ..entry
    };
    let inside = SCOPE.insert(child.tgid(), entry, 0).is_ok();
    if !inside {
        counters::count(Counter::LostScope, 1);
    }
    inside
}

/// Activates a launched command, which has called exec. Returns whether that changed anything.
#[inline(always)]
pub fn activate(task: Task) -> bool {
    let Some(entry) = member(task) else {
        return false;
    };
    if entry.active != 0 {
        return false;
    }
    let entry = ScopeEntry { active: 1, ..entry };
    SCOPE.insert(task.tgid(), entry, 0).is_ok()
}

#[inline(always)]
fn start_ticks(task: Task) -> u64 {
    task.leader().start_ns() / NS_PER_TICK
}
