//! CPU time of each thread on each node.
//!
//! `se.sum_exec_runtime` is the number that schedstat shows. Its difference between switch-in and
//! switch-out is the time that a task ran on a CPU, without a clock. For tasks that are not
//! switched at all, userspace runs `task_run_now` on each CPU when a session begins and whenever it
//! reads the totals; there the number is as old as the last tick. Interrupts are charged to the
//! task that they interrupt, as the scheduler does, and the idle task to nobody. State of other
//! programs that must follow a task that is switched out is parked here.
//!
//! tp: 6.1..: sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)

use aya_ebpf::{
    macros::{btf_tracepoint, map, raw_tracepoint},
    maps::PerCpuArray,
    programs::{BtfTracePointContext, RawTracePointContext},
};
use numatrace_common::count_key::{CountKey, Stem};

use crate::{
    count::{slot, twin},
    cpu,
    kernel::task::Task,
    who::fault,
};

/// The task on this CPU and its CPU time when it was last read.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Running {
    /// Address of its `task_struct`, 0 for the idle task and before the first switch.
    task: u64,
    /// Its CPU time then, ns.
    ran_ns: u64,
}

/// One entry: the task that runs here. Only that task can be the next one switched out here, so its
/// address identifies it.
#[map]
static RUNNING: PerCpuArray<Running> = PerCpuArray::with_max_entries(1, 0);

/// include/trace/events/sched.h; runs with interrupts off, so no other program writes its CPU's
/// entry meanwhile.
#[btf_tracepoint(function = "sched_switch")]
pub fn task_run(ctx: BtfTracePointContext) -> u32 {
    if let Some(running) = RUNNING.get_ptr_mut(0) {
        // SAFETY: a live element of this CPU, which no other program writes meanwhile.
        let running = unsafe { &mut *running };
        let out = Task::from_arg(ctx.arg(1));
        charge(running, out);
        park(out);
        note(running, Task::from_arg(ctx.arg(2)));
    }
    0
}

/// include/trace/events/sched.h, in a session without run time: only parks the state that other
/// programs keep of the task.
#[btf_tracepoint(function = "sched_switch")]
pub fn task_park(ctx: BtfTracePointContext) -> u32 {
    let out = Task::from_arg(ctx.arg(1));
    park(out);
    0
}

/// Invalidates the cached task of this CPU, and parks the fault and the mark of `task`, which is
/// switched out.
#[inline(always)]
fn park(task: Task) {
    if let Some(cpu) = cpu::state() {
        cpu.cached_task = 0;
        fault::park(&mut cpu.fault, task);
        twin::park(&mut cpu.marks, task);
    }
}

/// Attached to nothing: userspace has it run on a CPU, from an interrupt.
#[raw_tracepoint(tracepoint = "sched_switch")]
pub fn task_run_now(_ctx: RawTracePointContext) -> i32 {
    if let Some(running) = RUNNING.get_ptr_mut(0) {
        // SAFETY: as above; a switch cannot come between, as preemption is off.
        let running = unsafe { &mut *running };
        let task = Task::current();
        charge(running, task);
        note(running, task);
    }
    0
}

/// Charges a task for the time since it was last read.
#[inline(always)]
fn charge(running: &Running, task: Task) {
    let since = if running.task == task.address() {
        running.ran_ns
    } else if running.task == 0 || task.tid() == 0 {
        return;
    } else if let Some(picked) = task.picked_ns() {
        // A different task was seen to run here: the switch to this one was hidden, as some virtual
        // machines hide those of their agent.
        picked
    } else {
        return;
    };
    let ran = task.ran_ns().wrapping_sub(since);
    let Some(slot) = slot::of_run_time(task) else {
        return;
    };
    slot::assign(slot, task, false);
    slot::tally(slot, CountKey::new(Stem::TaskRun), 1, ran);
}

/// Notes the task that runs from here on.
#[inline(always)]
fn note(running: &mut Running, task: Task) {
    if task.tid() == 0 {
        running.task = 0;
    } else {
        running.task = task.address();
        running.ran_ns = task.ran_ns();
    }
}
