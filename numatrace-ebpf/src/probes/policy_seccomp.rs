//! Calls about memory policy and CPU affinity that a seccomp filter refuses: they never reach the
//! functions of `policy_refused`.
//!
//! The kernel comes here for every system call of a task with a filter, and for no other task. So
//! this is attached on request only.
//!
//! proto: 6.1..6.15: int __seccomp_filter(int this_syscall, const struct seccomp_data *sd, const bool recheck_after_trace)
//! proto: 6.15..7.3: int __seccomp_filter(int this_syscall, const bool recheck_after_trace)
//! proto: 7.0..: bool __seccomp_filter(int this_syscall, const bool recheck_after_trace)

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_get_func_ret, macros::fexit, programs::FExitContext,
};
use numatrace_common::event::policy_refused::PolicyCall;

use super::policy_refused::{Asked, Refusal};
use crate::{
    globals::global,
    kernel::{load, task::Task},
};

/// kernel/seccomp.c; -1, or false on later kernels, where the call is not made.
#[fexit(function = "__seccomp_filter")]
pub fn policy_refused_seccomp(ctx: FExitContext) -> u32 {
    let mut result = 0u64;
    // SAFETY: the context is this program's; the helper writes eight bytes.
    unsafe { bpf_get_func_ret(ctx.as_ptr(), &raw mut result) };
    let refused = if global!(offsets.seccomp_is_bool) != 0 {
        // A bool is one byte.
        result & 0xff == 0
    } else {
        result as u32 as i32 == -1
    };
    if refused {
        filtered(&ctx);
    }
    0
}

/// Tells of a call about memory or CPUs. Not inlined: it is seldom.
#[inline(never)]
fn filtered(ctx: &FExitContext) {
    let Some(regs) = Task::current().user_regs() else {
        return;
    };
    // SAFETY: the helper's result is typed as pt_regs; the offsets are those of `unsigned long`.
    let (number, result, args) = unsafe {
        (
            load::<u64>(regs, global!(offsets.regs_number)),
            load::<i64>(regs, global!(offsets.regs_result)),
            [
                load::<u64>(regs, global!(offsets.regs_arg0)),
                load::<u64>(regs, global!(offsets.regs_arg1)),
                load::<u64>(regs, global!(offsets.regs_arg2)),
                load::<u64>(regs, global!(offsets.regs_arg3)),
            ],
        )
    };
    let Some(call) = call(number) else {
        return;
    };
    // Arguments in the order that the functions of `policy_refused` have them.
    let args = match call {
        PolicyCall::Mbind => [args[0], args[1], args[2], 0],
        PolicyCall::SetMempolicyHomeNode => args,
        _ => [args[0], 0, 0, 0],
    };
    Refusal {
        call,
        args,
        filtered: true,
    }
    .tell(ctx, result, Asked::Nothing);
}

/// The call of a number of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).
#[inline(always)]
fn call(number: u64) -> Option<PolicyCall> {
    Some(match number {
        203 => PolicyCall::SchedSetaffinity,
        237 => PolicyCall::Mbind,
        238 => PolicyCall::SetMempolicy,
        256 => PolicyCall::MigratePages,
        279 => PolicyCall::MovePages,
        450 => PolicyCall::SetMempolicyHomeNode,
        _ => return None,
    })
}
