//! Changes of where a thread may run or where its memory goes: memory that it touched before may
//! lie elsewhere.
//!
//! proto: 6.1..6.2: int __sched_setaffinity(struct task_struct *p, const struct cpumask *mask)
//! proto: 6.2..: int __sched_setaffinity(struct task_struct *p, struct affinity_context *ctx)
//! proto: 6.1..: long do_set_mempolicy(unsigned short mode, unsigned short flags, nodemask_t *nodes)
//! proto: 6.1..: long do_mbind(unsigned long start, unsigned long len, unsigned short mode, unsigned short mode_flags, nodemask_t *nmask, unsigned long flags)
//! proto: 6.1..: int set_cpus_allowed_ptr(struct task_struct *p, const struct cpumask *new_mask)
//! proto: 6.1..: void mpol_rebind_task(struct task_struct *tsk, const nodemask_t *new)

use aya_ebpf::{macros::fexit, programs::FExitContext};
use numatrace_common::event::task_bind::{BindWhat, TaskBind};

use crate::{
    globals::enabled,
    kernel::task::Task,
    record::emit::{emit, header},
    who::scope,
};

/// `MPOL_MF_MOVE` and `MPOL_MF_MOVE_ALL` (include/uapi/linux/mempolicy.h): pages that are there
/// move to where the policy wants them.
const MOVES: u64 = 1 << 1 | 1 << 2;

/// kernel/sched/: sched_setaffinity(2) for a task that need not be the caller.
#[fexit(function = "__sched_setaffinity")]
pub fn task_bind_affinity(ctx: FExitContext) -> u32 {
    if ctx.arg::<i32>(2) == 0 {
        emit_bind(Task::from_arg(ctx.arg(0)), BindWhat::Affinity, (0, 0));
    }
    0
}

/// mm/mempolicy.c: set_mempolicy(2) for the caller.
#[fexit(function = "do_set_mempolicy")]
pub fn task_bind_policy(ctx: FExitContext) -> u32 {
    if ctx.arg::<i64>(3) == 0 {
        emit_bind(Task::current(), BindWhat::MemoryPolicy, (0, 0));
    }
    0
}

/// mm/mempolicy.c: mbind(2) for a range of the caller's memory.
#[fexit(function = "do_mbind")]
pub fn task_bind_range(ctx: FExitContext) -> u32 {
    let (start, len, flags): (u64, u64, u64) = (ctx.arg(0), ctx.arg(1), ctx.arg(5));
    if ctx.arg::<i64>(6) == 0 && flags & MOVES == 0 {
        emit_bind(Task::current(), BindWhat::RangePolicy, (start, start + len));
    }
    0
}

/// kernel/sched/core.c: cpusets change user tasks this way; sched_setaffinity(2) has a way of its
/// own.
#[fexit(function = "set_cpus_allowed_ptr")]
pub fn task_bind_cpuset_cpus(ctx: FExitContext) -> u32 {
    if ctx.arg::<i32>(2) == 0 {
        emit_bind(Task::from_arg(ctx.arg(0)), BindWhat::CpusetCpus, (0, 0));
    }
    0
}

/// mm/mempolicy.c: called by cpusets only, with the nodes that are allowed from now on.
#[fexit(function = "mpol_rebind_task")]
pub fn task_bind_cpuset_mems(ctx: FExitContext) -> u32 {
    emit_bind(Task::from_arg(ctx.arg(0)), BindWhat::CpusetMems, (0, 0));
    0
}

#[inline(always)]
fn emit_bind(task: Task, what: BindWhat, (low, high): (u64, u64)) {
    if enabled!(mapping_runs) && scope::in_scope(task) {
        emit(TaskBind {
            header: header::<TaskBind>(),
            start_ns: task.start_ns(),
            tid: task.tid(),
            tgid: task.tgid(),
            what: what as u32,
            reserved: 0,
            low,
            high,
        });
    }
}
