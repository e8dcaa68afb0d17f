//! When a thread was bound: what it had touched before may lie elsewhere.
//!
//! proto: 6.1..6.2: int __sched_setaffinity(struct task_struct *p, const struct cpumask *mask)
//! proto: 6.2..: int __sched_setaffinity(struct task_struct *p, struct affinity_context *ctx)
//! proto: 6.1..: long do_set_mempolicy(unsigned short mode, unsigned short flags, nodemask_t *nodes)

use aya_ebpf::{macros::fexit, programs::FExitContext};
use numatrace_common::event::task_bind::{BindWhat, TaskBind};

use crate::{
    emit::{emit, header},
    filter,
    globals::enabled,
    kernel::task::Task,
};

/// kernel/sched/: sched_setaffinity(2) for a task that need not be the caller.
#[fexit(function = "__sched_setaffinity")]
pub fn task_bind_affinity(ctx: FExitContext) -> u32 {
    if ctx.arg::<i32>(2) == 0 {
        bound(Task::from_arg(ctx.arg(0)), BindWhat::Affinity);
    }
    0
}

/// mm/mempolicy.c: set_mempolicy(2) for the caller.
#[fexit(function = "do_set_mempolicy")]
pub fn task_bind_policy(ctx: FExitContext) -> u32 {
    if ctx.arg::<i64>(3) == 0 {
        bound(Task::current(), BindWhat::MemoryPolicy);
    }
    0
}

#[inline(always)]
fn bound(task: Task, what: BindWhat) {
    if enabled!(mapping_runs) && filter::in_scope(task) {
        emit(TaskBind {
            header: header::<TaskBind>(),
            start_ns: task.start_ns(),
            tid: task.tid(),
            tgid: task.tgid(),
            what: what as u32,
            reserved: 0,
        });
    }
}
