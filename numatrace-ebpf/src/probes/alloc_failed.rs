//! Page allocations that failed for good, as far as the kernel warns of them.
//!
//! No function on the failing path alone can be hooked: `warn_alloc` takes a variable number of
//! arguments, which trampolines refuse, and `__alloc_pages_slowpath` is a `.constprop` copy on
//! every kernel. `warn_alloc` calls `cpuset_print_current_mems_allowed` once it is sure to print:
//! not for callers that can do without (`__GFP_NOWARN`), and at most ten times in five seconds. The
//! OOM killer calls the same function, so it is marked where that is at work: in one thread at a
//! time, under its lock. Order and flags stay unknown; the kernel stack says who asked.
//!
//! proto: 6.1..: void oom_kill_process(struct oom_control *oc, const char *message)
//! proto: 6.1..: void cpuset_print_current_mems_allowed(void)

use aya_ebpf::{
    macros::{fentry, fexit, map},
    maps::Array,
    programs::{FEntryContext, FExitContext, tracing::StackIdContext as _},
};
use numatrace_common::{event::alloc_failed::AllocFailed, slot::SlotIndex};

use crate::{
    count::slot,
    cpu,
    kernel::{preempt, task::Task},
    maps::STACKS,
    record::{
        emit::{emit_with, header},
        limit,
    },
    who::owner::Owner,
};

/// Thread in `oom_kill_process`; 0 for none.
#[map]
static KILLER: Array<u64> = Array::with_max_entries(1, 0);

/// mm/oom_kill.c
#[fentry(function = "oom_kill_process")]
pub fn alloc_failed_kill_enter(_ctx: FEntryContext) -> u32 {
    set_killer(u64::from(Task::current().tid()));
    0
}

/// mm/oom_kill.c
#[fexit(function = "oom_kill_process")]
pub fn alloc_failed_kill_leave(_ctx: FExitContext) -> u32 {
    set_killer(0);
    0
}

#[inline(always)]
fn set_killer(tid: u64) {
    if let Some(killer) = KILLER.get_ptr_mut(0) {
        // SAFETY: a live array element; the kernel's lock lets one thread at a time write it.
        unsafe { *killer = tid };
    }
}

/// kernel/cgroup/cpuset.c
#[fentry(function = "cpuset_print_current_mems_allowed")]
pub fn alloc_failed(ctx: FEntryContext) -> u32 {
    let task = Task::current();
    if KILLER.get(0) != Some(&u64::from(task.tid())) {
        failed(&ctx, task);
    }
    0
}

#[inline(always)]
fn failed(ctx: &FEntryContext, task: Task) {
    let in_interrupt = slot::get(SlotIndex::HintFault).is_some_and(preempt::in_interrupt);
    let owner = if in_interrupt {
        Owner::IRQ
    } else {
        Owner::of(task)
    };
    if !in_interrupt && !owner.is_thread() || !limit::may_emit::<AllocFailed>() {
        return;
    }
    emit_with(|record: &mut AllocFailed| {
        record.header = header::<AllocFailed>();
        record.start_ns = owner.start_ns;
        record.tid = owner.tid;
        record.tgid = owner.tgid;
        record.cpu_node = cpu::node();
        record.reserved = 0;
        task.mems_allowed(&mut record.allowed);
        record.stack = ctx.get_stackid(&STACKS, 0).unwrap_or_else(i64::from);
    });
}
