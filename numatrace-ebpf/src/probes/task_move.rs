//! Changes of a task's CPU: from which CPU to which, and the reason.
//!
//! `set_task_cpu` passes the tracepoint `sched_migrate_task` before it checks whether anything
//! changes, with the task's old CPU still in place. `current` is any task that happened to run
//! there, so moves are charged to the task that moves. A new task's first CPU is set without that
//! tracepoint; `sched_wakeup_new` has it, in the parent and on the parent's CPU.
//!
//! tp: 6.1..: sched_migrate_task(struct task_struct *p, int dest_cpu)
//! tp: 6.1..: sched_wakeup_new(struct task_struct *p)

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use numatrace_common::{
    bucket,
    count_key::{CacheStep, CountKey, MOVED_BACK, MOVED_TO_WAKER, MoveReason, Stem},
    event::task_moved::TaskMoved,
    mover::{BY_AFFINITY, CpuEntry, IN_AFFINITY, IN_EXEC, NUMA_SWAP},
};

use crate::{
    count::totals,
    cpu,
    globals::enabled,
    kernel::task::{MAX_RT_PRIO, Task},
    record::{
        emit::{emit, header},
        move_stack,
    },
    who::{mover, owner::Owner},
};

/// `TASK_WAKING` (include/linux/sched.h): in `try_to_wake_up`.
const WAKING: u32 = 0x200;
/// `TASK_ON_RQ_MIGRATING` (kernel/sched/sched.h): taken off one run queue, not yet on the other.
const MIGRATING: u8 = 2;

/// include/trace/events/sched.h
#[btf_tracepoint(function = "sched_migrate_task")]
pub fn task_move(ctx: BtfTracePointContext) -> u32 {
    let task = Task::from_arg(ctx.arg(0));
    let to: i32 = ctx.arg(1);
    let (from, to) = (task.cpu(), to as u32);
    if from != to {
        let reason = reason_of_move(task, from, to);
        count_move(task, from, to, reason);
        if enabled!(verify_reasons) {
            move_stack::write(&ctx, task, (from, to), reason);
        }
    }
    0
}

/// include/trace/events/sched.h
#[btf_tracepoint(function = "sched_wakeup_new")]
pub fn task_placed(ctx: BtfTracePointContext) -> u32 {
    let task = Task::from_arg(ctx.arg(0));
    let (from, to) = (cpu::number(), task.cpu());
    if from != to {
        count_move(task, from, to, MoveReason::Fork);
    }
    0
}

/// Returns why a task moves from one CPU to another. Marks come first, because they name the
/// reason; the others follow from the states in which the scheduler's own paths leave a task.
#[inline(always)]
fn reason_of_move(task: Task, from: u32, to: u32) -> MoveReason {
    // Only the stopper of a CPU takes a running task off it. When the stopper goes to sleep, newly
    // idle balancing pulls others to its CPU.
    let stopped = from == cpu::number() && Task::current().is_stopper();
    let mut was = mover::NO_NOTES;
    if let Some(mover) = mover::find(task) {
        was = *mover;
        // A decision of the NUMA balancer and a placement at exec hold for one move; a task that is
        // pulled away before its stopper takes it is placed all the same.
        mover.numa_cpu = 0;
        if stopped {
            mover.state &= !IN_EXEC;
        }
    }
    if was.numa_cpu == to + 1 {
        return if was.state & NUMA_SWAP != 0 {
            MoveReason::NumaSwap
        } else {
            MoveReason::NumaMove
        };
    }
    if cpu::entry(from).is_leaving() {
        return MoveReason::Hotplug;
    }
    // If the mask cannot be read, only a change of it that is under way shows.
    let forced = match task.may_run_on(from) {
        Some(may) => !may,
        None => was.state & IN_AFFINITY != 0,
    };
    if forced {
        return if was.state & BY_AFFINITY != 0 {
            MoveReason::Affinity
        } else {
            MoveReason::Cpuset
        };
    }
    if stopped && was.state & IN_EXEC != 0 {
        return MoveReason::Exec;
    }
    if task.state() == WAKING {
        return MoveReason::Wakeup;
    }
    if task.prio() < MAX_RT_PRIO {
        return MoveReason::RtDl;
    }
    if task.on_rq() != MIGRATING {
        return MoveReason::Unknown;
    }
    // A dispatch can happen as the stopper goes to sleep, and load balancing has no such tasks.
    if task.is_of_sched_ext() {
        MoveReason::SchedExt
    } else if stopped {
        MoveReason::ActiveBalance
    } else {
        MoveReason::LoadBalance
    }
}

/// Returns whether a move within a node left the last-level cache. Userspace fills in caches only
/// where a node has several.
#[inline(always)]
fn cache_step(left: CpuEntry, reached: CpuEntry) -> CacheStep {
    match (left.cache_plus_one(), reached.cache_plus_one()) {
        (0, _) | (_, 0) => CacheStep::Untold,
        (from, to) if from == to => CacheStep::Within,
        _ => CacheStep::Across,
    }
}

/// Counts a move for the task that moves, and writes its record when it crosses nodes.
#[inline(always)]
fn count_move(task: Task, from_cpu: u32, to_cpu: u32, reason: MoveReason) {
    let owner = Owner::of(task);
    if enabled!(scoped) && owner.is_thread() {
        totals::add_one(
            owner,
            CountKey::new(Stem::CpuMove).with_cpus(from_cpu, to_cpu),
            0,
        );
    }
    let (left, reached) = (cpu::entry(from_cpu), cpu::entry(to_cpu));
    // If a CPU's node is unknown, the move counts as one within the other's node.
    let (from, to) = match (left.node(), reached.node()) {
        (Some(from), Some(to)) => (from, to),
        (Some(node), None) | (None, Some(node)) => (node, node),
        (None, None) => (0, 0),
    };
    let (mut stayed, mut remote_faults) = (None, 0);
    if from != to && !matches!(reason, MoveReason::Fork) {
        (stayed, remote_faults) = mover::note_crossing(task, from, to);
    }
    if from != to && owner.is_thread() {
        emit(TaskMoved {
            header: header::<TaskMoved>(),
            start_ns: owner.start_ns,
            tid: owner.tid,
            tgid: owner.tgid,
            from_cpu,
            to_cpu,
            from,
            to,
            reason: reason as u16,
            reserved: 0,
            ran_ns: task.ran_ns(),
            remote_faults,
        });
    }
    let mut mark = if stayed.is_some() { MOVED_BACK } else { 0 };
    // The waker runs here, unless it is an interrupt; where it wakes by way of another CPU, that
    // CPU lies on the same node.
    if matches!(reason, MoveReason::Wakeup) && cpu::entry(cpu::number()).node() == Some(to) {
        mark |= MOVED_TO_WAKER;
    }
    let count_key = CountKey::new(Stem::TaskMove)
        .with_task_node(from)
        .with_page_node(to)
        .with_class(if from == to {
            cache_step(left, reached) as u8
        } else {
            CacheStep::Untold as u8
        })
        .with_cause(reason as u8)
        .with_mark(mark);
    totals::add_one(owner, count_key, 0);
    if let Some(ns) = stayed {
        let count_key = CountKey::new(Stem::Stay)
            .with_task_node(from)
            .with_bucket(bucket::of(ns));
        totals::add_one(owner, count_key, ns);
    }
}
