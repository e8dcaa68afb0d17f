//! CPU time of each thread on each node.
//!
//! `se.sum_exec_runtime` is the number schedstat shows. A task switched in on a CPU has it at one value, switched out at another: the
//! difference is what it ran there, without a clock. Userspace runs `task_run_now` on each CPU when a session begins and whenever
//! it reads the totals, for those that are not switched at all; there the number is as old as the last tick. Interrupts are charged
//! to whom they interrupt, as the scheduler does, and the idle task to nobody.
//! Whatever else must follow a task that is switched out is parked here.
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

/// The task on this CPU and what it had run when it was last looked at.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Running {
    /// Address of its `task_struct`, 0 for the idle task and before the first switch.
    task: u64,
    /// Its CPU time then, ns.
    ran_ns: u64,
}

/// One entry: who runs here. Only that task can be the next one switched out here, so its address is identity enough.
#[map]
static RUNNING: PerCpuArray<Running> = PerCpuArray::with_max_entries(1, 0);

/// include/trace/events/sched.h; runs with interrupts off, so nothing else is between it and its CPU's entry.
#[btf_tracepoint(function = "sched_switch")]
pub fn task_run(ctx: BtfTracePointContext) -> u32 {
    if let Some(running) = RUNNING.get_ptr_mut(0) {
        // SAFETY: a live element of this CPU, which nobody else writes meanwhile.
        let running = unsafe { &mut *running };
        let out = Task::from_arg(ctx.arg(1));
        settle(running, out);
        park(out);
        look_at(running, Task::from_arg(ctx.arg(2)));
    }
    0
}

/// The same tracepoint in a session that does not want run time: only what other programs left half done goes with its task.
#[btf_tracepoint(function = "sched_switch")]
pub fn task_park(ctx: BtfTracePointContext) -> u32 {
    let out = Task::from_arg(ctx.arg(1));
    park(out);
    0
}

/// What is known of this CPU ends, and what `task` leaves half done goes with it.
#[inline(always)]
fn park(task: Task) {
    if let Some(cpu) = cpu::state() {
        cpu.streaking = 0;
        fault::park(&mut cpu.fault, task);
        twin::park(&mut cpu.marks, task);
    }
}

/// Not attached anywhere: userspace has it run on a CPU, from an interrupt.
#[raw_tracepoint(tracepoint = "sched_switch")]
pub fn task_run_now(_ctx: RawTracePointContext) -> i32 {
    if let Some(running) = RUNNING.get_ptr_mut(0) {
        // SAFETY: as above; a switch cannot come between, as preemption is off.
        let running = unsafe { &mut *running };
        let task = Task::current();
        settle(running, task);
        look_at(running, task);
    }
    0
}

/// Charges a task for the time since it was last looked at.
#[inline(always)]
fn settle(running: &Running, task: Task) {
    let since = if running.task == task.address() {
        running.ran_ns
    } else if running.task == 0 || task.tid() == 0 {
        return;
    } else if let Some(picked) = task.picked_ns() {
        // Somebody else was seen to run here: the switch to this one was not, as some virtual machines hide those of their agent.
        picked
    } else {
        return;
    };
    let ran = task.ran_ns().wrapping_sub(since);
    let Some(slot) = slot::run_slot(task) else {
        return;
    };
    slot::own(slot, task, false);
    slot::tally(slot, CountKey::new(Stem::TaskRun), 1, ran);
}

/// Remembers the task that runs from here on.
#[inline(always)]
fn look_at(running: &mut Running, task: Task) {
    if task.tid() == 0 {
        running.task = 0;
    } else {
        running.task = task.address();
        running.ran_ns = task.ran_ns();
    }
}
