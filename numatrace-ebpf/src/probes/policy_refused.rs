//! Calls about memory policy and CPU affinity that the kernel refuses.
//!
//! Hooked are the functions behind those very calls, so no other system call pays. Calls that a
//! seccomp filter refuses do not come here (`policy_seccomp`); nor do arguments of
//! sched_setaffinity(2) that cannot be read. set_mempolicy_home_node(2) has no function of its own
//! besides its entry.
//!
//! proto: 6.1..: long kernel_mbind(unsigned long start, unsigned long len, unsigned long mode, const unsigned long *nmask, unsigned long maxnode, unsigned int flags)
//! proto: 6.1..: long kernel_set_mempolicy(int mode, const unsigned long *nmask, unsigned long maxnode)
//! proto: 6.1..: long __x64_sys_set_mempolicy_home_node(const struct pt_regs *regs)
//! proto: 6.1..: int kernel_move_pages(pid_t pid, unsigned long nr_pages, const void **pages, const int *nodes, int *status, int flags)
//! proto: 6.1..: int kernel_migrate_pages(pid_t pid, unsigned long maxnode, const unsigned long *old_nodes, const unsigned long *new_nodes)
//! proto: 6.1..: long sched_setaffinity(pid_t pid, const struct cpumask *in_mask)

use aya_ebpf::{
    bindings::BPF_F_USER_STACK,
    helpers::generated::bpf_probe_read_user,
    macros::fexit,
    programs::{FExitContext, tracing::StackIdContext as _},
};
use numatrace_common::event::policy_refused::{PolicyCall, PolicyRefused};

use crate::{
    cpu,
    globals::global,
    kernel::{bitmap, load, task::Task},
    maps::STACKS,
    record::{
        emit::{emit_with, header},
        limit,
    },
    who::scope,
};

/// The set that a call was passed.
pub enum Asked {
    /// No set.
    Nothing,
    /// Nodes in user memory, and one more than their number.
    Nodes(u64, u64),
    /// CPUs, a `struct cpumask *`.
    Cpus(*const u8),
}

/// mm/mempolicy.c
#[fexit(function = "kernel_mbind")]
pub fn policy_refused_mbind(ctx: FExitContext) -> u32 {
    let args = [ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(5)];
    let asked = Asked::Nodes(ctx.arg(3), ctx.arg(4));
    refused(&ctx, ctx.arg(6), PolicyCall::Mbind, args, asked);
    0
}

/// mm/mempolicy.c
#[fexit(function = "kernel_set_mempolicy")]
pub fn policy_refused_set(ctx: FExitContext) -> u32 {
    let args = [ctx.arg::<u32>(0).into(), 0, 0, 0];
    let asked = Asked::Nodes(ctx.arg(1), ctx.arg(2));
    refused(&ctx, ctx.arg(3), PolicyCall::SetMempolicy, args, asked);
    0
}

/// mm/mempolicy.c
#[fexit(function = "__x64_sys_set_mempolicy_home_node")]
pub fn policy_refused_home(ctx: FExitContext) -> u32 {
    let regs: *const u8 = ctx.arg(0);
    // SAFETY: a BTF-typed argument; the offsets are those of four `unsigned long`.
    let args = unsafe {
        [
            load(regs, global!(offsets.regs_arg0)),
            load(regs, global!(offsets.regs_arg1)),
            load(regs, global!(offsets.regs_arg2)),
            load(regs, global!(offsets.regs_arg3)),
        ]
    };
    let call = PolicyCall::SetMempolicyHomeNode;
    refused(&ctx, ctx.arg(1), call, args, Asked::Nothing);
    0
}

/// mm/migrate.c; a positive result is a number of pages that stayed. Without nodes it only asks
/// where pages are.
#[fexit(function = "kernel_move_pages")]
pub fn policy_refused_move_pages(ctx: FExitContext) -> u32 {
    let nodes: u64 = ctx.arg(3);
    if nodes != 0 {
        let mut first = u32::MAX;
        // SAFETY: the helper checks the address; an int is four bytes.
        unsafe { bpf_probe_read_user((&raw mut first).cast(), 4, nodes as *const _) };
        let (pid, flags): (u32, u32) = (ctx.arg(0), ctx.arg(5));
        let args = [pid.into(), ctx.arg(1), flags.into(), first.into()];
        let result = i64::from(ctx.arg::<i32>(6));
        refused(&ctx, result, PolicyCall::MovePages, args, Asked::Nothing);
    }
    0
}

/// mm/mempolicy.c
#[fexit(function = "kernel_migrate_pages")]
pub fn policy_refused_migrate_pages(ctx: FExitContext) -> u32 {
    let args = [ctx.arg::<u32>(0).into(), 0, 0, 0];
    let asked = Asked::Nodes(ctx.arg(3), ctx.arg(1));
    let result = i64::from(ctx.arg::<i32>(4));
    refused(&ctx, result, PolicyCall::MigratePages, args, asked);
    0
}

/// kernel/sched/syscalls.c
#[fexit(function = "sched_setaffinity")]
pub fn policy_refused_affinity(ctx: FExitContext) -> u32 {
    let args = [ctx.arg::<u32>(0).into(), 0, 0, 0];
    let asked = Asked::Cpus(ctx.arg(1));
    refused(&ctx, ctx.arg(2), PolicyCall::SchedSetaffinity, args, asked);
    0
}

#[inline(always)]
fn refused(ctx: &FExitContext, result: i64, call: PolicyCall, args: [u64; 4], asked: Asked) {
    let refusal = Refusal {
        call,
        args,
        filtered: false,
    };
    refusal.tell(ctx, result, asked);
}

/// A call that may have been refused.
pub struct Refusal {
    /// The call.
    pub call: PolicyCall,
    /// Its arguments that matter.
    pub args: [u64; 4],
    /// A seccomp filter refused it.
    pub filtered: bool,
}

impl Refusal {
    /// Tells of the call if it was refused.
    #[inline(always)]
    pub fn tell(self, ctx: &FExitContext, result: i64, asked: Asked) {
        let task = Task::current();
        if result >= 0 || !scope::in_scope(task) || !limit::may_emit::<PolicyRefused>() {
            return;
        }
        emit_with(|record: &mut PolicyRefused| {
            record.header = header::<PolicyRefused>();
            record.start_ns = task.start_ns();
            record.tid = task.tid();
            record.tgid = task.tgid();
            record.call = self.call as u32;
            record.errno = result.wrapping_neg() as u32;
            record.args = self.args;
            record.cpu_node = cpu::node();
            record.filtered = u32::from(self.filtered);
            match asked {
                Asked::Nothing => record.set = [0; 16],
                Asked::Nodes(mask, maxnode) => bitmap::user_nodes(mask, maxnode, &mut record.set),
                // SAFETY: a `struct cpumask *` argument.
                Asked::Cpus(mask) => unsafe { bitmap::cpus(mask, &mut record.set) },
            }
            task.mems_allowed(&mut record.allowed);
            record.stack = ctx
                .get_stackid(&STACKS, u64::from(BPF_F_USER_STACK))
                .unwrap_or_else(i64::from);
            record.caller = 0;
            let top = task.user_sp();
            // SAFETY: the helper checks the address; the field is eight bytes.
            unsafe { bpf_probe_read_user((&raw mut record.caller).cast(), 8, top as *const _) };
        });
    }
}
