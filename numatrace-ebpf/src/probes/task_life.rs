//! Birth, exec and death of tasks: the source of names and of scope.
//!
//! tp: 6.1..: sched_process_fork(struct task_struct *parent, struct task_struct *child)
//! tp: 6.1..: sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
//! tp: 6.1..6.18: sched_process_exit(struct task_struct *p)
//! tp: 6.18..: sched_process_exit(struct task_struct *p, bool group_dead)

use aya_ebpf::{
    helpers::generated::bpf_probe_read_kernel_str, macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use aya_log_ebpf::debug;
use numatrace_common::{
    event::task_life::{TaskExec, TaskExit, TaskFork},
    limits::FILENAME_LEN,
};

use super::{alloc_bulk, balancer};
use crate::{
    control,
    count::twin,
    globals::{enabled, global},
    kernel::{load, task::Task},
    record::emit::{emit, emit_with, header},
    who::{fault, mover, scope},
};

/// include/trace/events/sched.h; runs in the parent. New threads pass here too and are ignored.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn task_fork(ctx: BtfTracePointContext) -> u32 {
    let (parent, child) = (Task::from_arg(ctx.arg(0)), Task::from_arg(ctx.arg(1)));
    if child.tid() != child.tgid() {
        return 0;
    }
    if scope::inherit(parent, child) {
        debug!(
            &ctx,
            "process {} inherits the scope of {}",
            child.tgid(),
            parent.tgid()
        );
    }
    if scope::in_scope(child) {
        emit(TaskFork {
            header: header::<TaskFork>(),
            start_ns: child.start_ns(),
            pid: child.tgid(),
            parent: parent.tgid(),
            flags: child.flags(),
            reserved: 0,
            comm: child.comm(),
        });
    }
    0
}

/// include/trace/events/sched.h; runs in the process itself, after its new memory and name are in
/// place.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn task_exec(ctx: BtfTracePointContext) -> u32 {
    let task = Task::from_arg(ctx.arg(0));
    if enabled!(scoped) && scope::activate(task) {
        debug!(&ctx, "process {} is in scope from its exec on", task.tgid());
        // Slots still hold the launcher as their owner: a new epoch makes each of them look the
        // owner up again.
        control::begin_epoch();
    }
    if scope::in_scope(task) {
        emit_exec(task, ctx.arg(2));
    }
    0
}

/// Writes the record of an exec, in place: it is too large to be built on the BPF stack.
#[inline(always)]
fn emit_exec(task: Task, bprm: *const u8) {
    emit_with(|record: &mut TaskExec| {
        record.header = header::<TaskExec>();
        record.start_ns = task.start_ns();
        record.pid = task.tgid();
        record.reserved = 0;
        record.comm = task.comm();
        let filename = record.filename.as_mut_ptr();
        for word in 0..FILENAME_LEN / 8 {
            // SAFETY: within the array, whose offset in the record is a multiple of eight.
            unsafe { core::ptr::write_volatile(filename.cast::<u64>().add(word), 0) };
        }
        if enabled!(probe_read) {
            // SAFETY: a BTF-typed argument; the offset is `const char *filename`.
            let path: *const u8 = unsafe { load(bprm, global!(offsets.bprm_filename)) };
            // SAFETY: the buffer is as long as said, and the helper checks the address that it
            // reads from.
            unsafe {
                bpf_probe_read_kernel_str(filename.cast(), FILENAME_LEN as u32, path.cast());
            }
        }
    });
}

/// include/trace/events/sched.h; runs in the thread that ends. The second argument exists from 6.18
/// on and is not needed.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn task_exit(ctx: BtfTracePointContext) -> u32 {
    let task = Task::from_arg(ctx.arg(0));
    mover::forget(task);
    balancer::forget(task);
    twin::forget(task);
    fault::forget(task);
    alloc_bulk::forget(task);
    if scope::in_scope(task) {
        emit(TaskExit {
            header: header::<TaskExit>(),
            start_ns: task.start_ns(),
            process_start_ns: task.leader().start_ns(),
            tid: task.tid(),
            pid: task.tgid(),
            flags: task.flags(),
            group_dead: if task.group_dead() {
                1 | task.fatal_signal() << 8
            } else {
                0
            },
            comm: task.comm(),
        });
    }
    0
}
