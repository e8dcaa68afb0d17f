//! OOM kills: the victim, the limit that made memory short, and where there was memory meanwhile.
//!
//! `mark_victim` fires for each thread that is marked, under the lock of the OOM killer, in the
//! thread whose allocation failed. It tells the victim alone; the reason is in `struct
//! oom_control`, which only `oom_kill_process` is passed. One kill is under way at a time
//! (`oom_lock`, for a cgroup's limit too), so one element keeps it. Free memory is read here and
//! not when the record arrives: by then the victim has given its memory back.
//!
//! proto: 6.1..: void oom_kill_process(struct oom_control *oc, const char *message)
//! tp: 6.1..: mark_victim(struct task_struct *task, uid_t uid)

use aya_ebpf::{
    macros::{btf_tracepoint, fentry, fexit, map},
    maps::Array,
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};
use numatrace_common::event::oom_kill::{CONSTRAINT_UNKNOWN, OomContext, OomKill};

use crate::{
    cpu,
    kernel::{oom_control::OomControl, task::Task},
    record::emit::{emit_with, header},
    who::scope,
};

/// The kill under way.
#[repr(C)]
struct UnderWay {
    /// Thread that asked for memory; 0 for none.
    tid: u32,
    reserved: u32,
    context: OomContext,
}

/// See [`UnderWay`].
#[map]
static OOM: Array<UnderWay> = Array::with_max_entries(1, 0);

/// mm/oom_kill.c; a victim is chosen, and will be killed with all that share its memory.
#[fentry(function = "oom_kill_process")]
pub fn oom_kill_enter(ctx: FEntryContext) -> u32 {
    if let Some(under_way) = under_way() {
        OomControl::from_arg(ctx.arg(0)).describe(&mut under_way.context);
        under_way.tid = Task::current().tid();
    }
    0
}

/// mm/oom_kill.c
#[fexit(function = "oom_kill_process")]
pub fn oom_kill_leave(_ctx: FExitContext) -> u32 {
    if let Some(under_way) = under_way() {
        under_way.tid = 0;
    }
    0
}

/// include/trace/events/oom.h; also for threads that are on their way out by themselves when they
/// run out of memory, with nothing under way then.
#[btf_tracepoint(function = "mark_victim")]
pub fn oom_kill(ctx: BtfTracePointContext) -> u32 {
    marked(Task::from_arg(ctx.arg(0)));
    0
}

#[inline(always)]
fn marked(victim: Task) {
    let asker = Task::current();
    if !scope::in_scope(victim) && !scope::in_scope(asker) {
        return;
    }
    emit_with(|record: &mut OomKill| {
        record.header = header::<OomKill>();
        record.start_ns = victim.start_ns();
        record.tid = victim.tid();
        record.tgid = victim.tgid();
        record.asker_start_ns = asker.start_ns();
        record.asker_tid = asker.tid();
        record.asker_tgid = asker.tgid();
        record.comm = victim.comm();
        match under_way().filter(|under_way| under_way.tid == asker.tid()) {
            Some(under_way) => copy(&under_way.context, &mut record.context),
            None => {
                const NOTHING: OomContext = OomContext {
                    constraint: CONSTRAINT_UNKNOWN,
                    ..ZERO
                };
                copy(&NOTHING, &mut record.context);
                record.context.cpu_node = cpu::node();
            }
        }
    });
}

// SAFETY: the struct is `Pod`: all zeroes is a value of it.
const ZERO: OomContext = unsafe { core::mem::zeroed() };

/// Copies word by word: the verifier has no `memcpy`.
#[inline(always)]
fn copy(from: &OomContext, to: &mut OomContext) {
    const WORDS: usize = size_of::<OomContext>() / 8;
    let (from, to) = (
        (&raw const *from).cast::<u64>(),
        (&raw mut *to).cast::<u64>(),
    );
    for word in 0..WORDS {
        // SAFETY: both have that many words, eight-byte aligned.
        unsafe { to.add(word).write_volatile(from.add(word).read_volatile()) };
    }
}

#[inline(always)]
fn under_way() -> Option<&'static mut UnderWay> {
    // SAFETY: a live array element; the kernel's lock lets one thread at a time through here.
    OOM.get_ptr_mut(0)
        .map(|under_way| unsafe { &mut *under_way })
}
