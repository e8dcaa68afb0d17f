//! Marks that name the reason of a move before it happens: NUMA balancing's decisions, exec,
//! sched_setaffinity(2), CPUs that go offline.
//!
//! These programs count nothing; `task_move` reads the marks. Without the function hooks, a change
//! by sched_setaffinity(2) looks like any other change of the mask, and placement at exec like
//! active balancing.
//!
//! tp: 6.1..: sched_move_numa(struct task_struct *tsk, int src_cpu, int dst_cpu)
//! tp: 6.1..: sched_swap_numa(struct task_struct *src_tsk, int src_cpu, struct task_struct *dst_tsk, int dst_cpu)
//! tp: 6.1..: sched_stick_numa(struct task_struct *src_tsk, int src_cpu, struct task_struct *dst_tsk, int dst_cpu)
//! tp: 6.1..: cpuhp_enter(unsigned int cpu, int target, int idx, int (*fun)(unsigned int))
//! proto: 6.1..: void sched_exec(void)
//! proto: 6.1..6.2: int __sched_setaffinity(struct task_struct *p, const struct cpumask *mask)
//! proto: 6.2..: int __sched_setaffinity(struct task_struct *p, struct affinity_context *ctx)
//! proto: 6.1..6.2: int __set_cpus_allowed_ptr_locked(struct task_struct *p, const struct cpumask *new_mask, u32 flags, struct rq *rq, struct rq_flags *rf)
//! proto: 6.2..: int __set_cpus_allowed_ptr_locked(struct task_struct *p, struct affinity_context *ctx, struct rq *rq, struct rq_flags *rf)

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit},
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};
use numatrace_common::mover::{BY_AFFINITY, IN_AFFINITY, IN_EXEC, NUMA_SWAP};

use crate::{cpu, kernel::task::Task, who::mover};

/// kernel/sched/core.c, `migrate_task_to`: runs in the task, right before it is moved.
#[btf_tracepoint(function = "sched_move_numa")]
pub fn task_move_numa(ctx: BtfTracePointContext) -> u32 {
    note_numa_move(Task::from_arg(ctx.arg(0)), ctx.arg(2), 0);
    0
}

/// kernel/sched/core.c, `migrate_swap`: both are moved.
#[btf_tracepoint(function = "sched_swap_numa")]
pub fn task_swap_numa(ctx: BtfTracePointContext) -> u32 {
    note_numa_move(Task::from_arg(ctx.arg(0)), ctx.arg(3), NUMA_SWAP);
    // From 6.14 on the verifier takes this argument for one that may be NULL, as it is in the next
    // tracepoint, which shares its class.
    if let Some(other) = Task::from_nullable_arg(ctx.arg(2)) {
        note_numa_move(other, ctx.arg(1), NUMA_SWAP);
    }
    0
}

/// kernel/sched/fair.c, `task_numa_migrate`: the move failed. The other task of a swap may be NULL
/// and keeps its mark, which names a CPU and goes with its next move.
#[btf_tracepoint(function = "sched_stick_numa")]
pub fn task_stick_numa(ctx: BtfTracePointContext) -> u32 {
    if let Some(mover) = mover::find(Task::from_arg(ctx.arg(0))) {
        mover.numa_cpu = 0;
    }
    0
}

#[inline(always)]
fn note_numa_move(task: Task, cpu: i32, swap: u16) {
    if let Some(mover) = mover::find_or_insert(task) {
        mover.numa_cpu = cpu as u32 + 1;
        mover.state = mover.state & !NUMA_SWAP | swap;
    }
}

/// include/trace/events/cpuhp.h: one step of a CPU on its way up or down. Steps count upwards, and
/// tasks are pushed off early on the way down, whose first target is not its end (kernel/cpu.c,
/// `_cpu_down`).
#[btf_tracepoint(function = "cpuhp_enter")]
pub fn cpu_step(ctx: BtfTracePointContext) -> u32 {
    let (target, step): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    cpu::set_leaving(ctx.arg(0), target < step);
    0
}

/// kernel/sched/core.c: the task is about to be placed anew.
#[fentry(function = "sched_exec")]
pub fn task_exec_enter(_ctx: FEntryContext) -> u32 {
    if let Some(mover) = mover::find_or_insert(Task::current()) {
        mover.state |= IN_EXEC;
    }
    0
}

/// kernel/sched/core.c: the task has been placed.
#[fexit(function = "sched_exec")]
pub fn task_exec_leave(_ctx: FExitContext) -> u32 {
    if let Some(mover) = mover::find(Task::current()) {
        mover.state &= !IN_EXEC;
    }
    0
}

/// kernel/sched/: sched_setaffinity(2) for a task that need not be the caller.
#[fentry(function = "__sched_setaffinity")]
pub fn task_affinity_enter(ctx: FEntryContext) -> u32 {
    if let Some(mover) = mover::find_or_insert(Task::from_arg(ctx.arg(0))) {
        mover.state |= BY_AFFINITY | IN_AFFINITY;
    }
    0
}

/// A sleeping task is moved when it wakes, so the mark itself stays.
#[fexit(function = "__sched_setaffinity")]
pub fn task_affinity_leave(ctx: FExitContext) -> u32 {
    if let Some(mover) = mover::find(Task::from_arg(ctx.arg(0))) {
        mover.state &= !IN_AFFINITY;
    }
    0
}

/// kernel/sched/core.c: the mask changes, by sched_setaffinity(2) or by anything else.
#[fentry(function = "__set_cpus_allowed_ptr_locked")]
pub fn task_mask_change(ctx: FEntryContext) -> u32 {
    // Without notes, a forced move counts as a cpuset's in any case.
    if let Some(mover) = mover::find(Task::from_arg(ctx.arg(0)))
        && mover.state & IN_AFFINITY == 0
    {
        mover.state &= !BY_AFFINITY;
    }
    0
}
