//! Scope: is this process one the session looks at?

use numatrace_common::{
    counters::Counter,
    scope::{NS_PER_TICK, ScopeEntry},
};

use crate::{
    counters::count,
    globals::{enabled, global},
    kernel::task::Task,
    maps::SCOPE,
};

/// True for every process of an unscoped session, and for the active members of a scoped one.
#[inline(always)]
pub fn in_scope(task: Task) -> bool {
    !enabled!(scoped)
        || member(task)
            .or_else(|| adopt(task))
            .is_some_and(|entry| entry.active != 0)
}

/// Takes in a process that was born in the session and whose fork nobody saw: kernels that preempt tracing programs skip some.
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

/// The scope entry of a task's process, if the entry is this incarnation's.
#[inline(always)]
pub fn member(task: Task) -> Option<ScopeEntry> {
    // SAFETY: entries are written whole by fork, exec and userspace and only removed after the process is gone.
    let entry = *unsafe { SCOPE.get(task.tgid()) }?;
    (entry.start_ticks == start_ticks(task)).then_some(entry)
}

/// Takes a forked process into its parent's scope; true when it is in now.
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
        count(Counter::LostScope, 1);
    }
    inside
}

/// A launched command has called exec: from here on it counts. True when that changed anything.
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
