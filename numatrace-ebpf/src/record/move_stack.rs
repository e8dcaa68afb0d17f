//! Kernel stacks of changes of CPU, for `--verify-reasons`: the stack shows the reason a second
//! way.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_get_stack, programs::BtfTracePointContext,
};
use numatrace_common::{count_key::MoveReason, event::move_stack::MoveStack, limits::MOVE_FRAMES};

use super::emit::{emit_with, header};
use crate::{cpu, kernel::task::Task, who::owner::Owner};

/// Bytes of the stack in a record.
const STACK_BYTES: u32 = 8 * MOVE_FRAMES as u32;

/// Writes the kernel stack of a task's move, if the task is in scope.
#[inline(always)]
pub fn write(ctx: &BtfTracePointContext, task: Task, (from, to): (u32, u32), reason: MoveReason) {
    let owner = Owner::of(task);
    if !owner.is_thread() {
        return;
    }
    let forced = cpu::entry(from).is_leaving() || task.may_run_on(from) == Some(false);
    emit_with(|record: &mut MoveStack| {
        record.header = header::<MoveStack>();
        record.start_ns = owner.start_ns;
        record.tid = owner.tid;
        record.tgid = owner.tgid;
        record.from_cpu = from;
        record.to_cpu = to;
        record.reason = reason as u32;
        record.forced = u32::from(forced);
        // SAFETY: the context is this program's, and the buffer is as long as said; the helper
        // fills it whole, with zeros behind the last frame.
        record.frames = unsafe {
            bpf_get_stack(
                ctx.as_ptr(),
                record.stack.as_mut_ptr().cast(),
                STACK_BYTES,
                0,
            )
        };
    });
}
