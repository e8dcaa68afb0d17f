//! `struct task_struct` (include/linux/sched.h).

use aya_ebpf::helpers::{
    bpf_probe_read_kernel,
    generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
};
use numatrace_common::{globals::ABSENT, limits::COMM_LEN};

use super::{load, mempolicy::Mempolicy};
use crate::globals::{enabled, global};

/// `PF_KTHREAD` (include/linux/sched.h)
const PF_KTHREAD: u32 = 0x0020_0000;

/// A `struct task_struct *` that the verifier trusts: the current task or a tracepoint's argument.
#[derive(Clone, Copy)]
pub struct Task(*const u8);

/// Priorities below are real-time or deadline ones (include/linux/sched/prio.h).
pub const MAX_RT_PRIO: i32 = 100;

impl Task {
    /// The task this program runs in.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: the helper takes nothing and always returns the current task.
        Task(unsafe { bpf_get_current_task_btf() }.cast())
    }

    /// A task argument of a `tp_btf`, `fentry` or `fexit` program.
    #[inline(always)]
    pub fn from_arg(pointer: *const u8) -> Self {
        Task(pointer)
    }

    /// The same for an argument that the kernel may pass as NULL.
    #[inline(always)]
    pub fn from_nullable_arg(pointer: *const u8) -> Option<Self> {
        (!pointer.is_null()).then_some(Task(pointer))
    }

    /// Its address: identity while it lives, reused soon after.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// `pid`: the thread id in the initial namespace.
    #[inline(always)]
    pub fn tid(self) -> u32 {
        // SAFETY: a task pointer; the offset is `task_struct.pid`.
        unsafe { load(self.0, global!(offsets.task_pid)) }
    }

    /// `tgid`: the process id in the initial namespace.
    #[inline(always)]
    pub fn tgid(self) -> u32 {
        // SAFETY: a task pointer; the offset is `task_struct.tgid`.
        unsafe { load(self.0, global!(offsets.task_tgid)) }
    }

    /// `flags` (`PF_*`).
    #[inline(always)]
    pub fn flags(self) -> u32 {
        // SAFETY: a task pointer; the offset is `task_struct.flags`.
        unsafe { load(self.0, global!(offsets.task_flags)) }
    }

    /// `start_boottime`, ns since boot.
    #[inline(always)]
    pub fn start_ns(self) -> u64 {
        // SAFETY: a task pointer; the offset is `task_struct.start_boottime`.
        unsafe { load(self.0, global!(offsets.task_start_boottime)) }
    }

    /// `group_leader`: the task whose start time is the process's.
    #[inline(always)]
    pub fn leader(self) -> Task {
        // SAFETY: a task pointer; the offset is `task_struct.group_leader`, a `task_struct *`.
        Task(unsafe { load(self.0, global!(offsets.task_group_leader)) })
    }

    /// `real_parent`: who forked it, or who took it over when that one died.
    #[inline(always)]
    pub fn parent(self) -> Task {
        // SAFETY: a task pointer; the offset is `task_struct.real_parent`, a `task_struct *`, never NULL.
        Task(unsafe { load(self.0, global!(offsets.task_real_parent)) })
    }

    /// Context switches so far, `nvcsw + nivcsw`: unchanged as long as the task has not been switched out.
    #[inline(always)]
    pub fn switches(self) -> u64 {
        // SAFETY: a task pointer; the offsets are `unsigned long nvcsw` and `nivcsw`.
        let (voluntary, involuntary): (u64, u64) = unsafe {
            (
                load(self.0, global!(offsets.task_nvcsw)),
                load(self.0, global!(offsets.task_nivcsw)),
            )
        };
        voluntary.wrapping_add(involuntary)
    }

    /// Did it enter the kernel through an exception in user mode? Then the saved `orig_ax` is -1 (arch/x86/entry), a system call's number otherwise.
    #[inline(always)]
    pub fn in_user_exception(self) -> bool {
        if global!(offsets.regs_orig_ax) == 0 || self.flags() & PF_KTHREAD != 0 {
            return false;
        }
        // SAFETY: a trusted task pointer; a user task has saved registers.
        let regs: *const u8 =
            unsafe { bpf_task_pt_regs(self.0.cast_mut().cast()) as usize as *const u8 };
        if regs.is_null() {
            return false;
        }
        // SAFETY: the helper's result is typed as pt_regs; the offset is `unsigned long orig_ax`.
        let orig_ax: i64 = unsafe { load(regs, global!(offsets.regs_orig_ax)) };
        orig_ax == -1
    }

    /// The stack pointer it had in user mode; 0 when it has none.
    #[inline(always)]
    pub fn user_sp(self) -> u64 {
        if global!(offsets.regs_sp) == ABSENT || self.flags() & PF_KTHREAD != 0 {
            return 0;
        }
        // SAFETY: a trusted task pointer; a user task has saved registers.
        let regs: *const u8 =
            unsafe { bpf_task_pt_regs(self.0.cast_mut().cast()) as usize as *const u8 };
        if regs.is_null() {
            return 0;
        }
        // SAFETY: the helper's result is typed as pt_regs; the offset is `unsigned long sp`.
        unsafe { load(regs, global!(offsets.regs_sp)) }
    }

    /// `mempolicy`: the task's own policy, set by set_mempolicy(2).
    #[inline(always)]
    pub fn mempolicy(self) -> Mempolicy {
        // SAFETY: a task pointer; the offset is `task_struct.mempolicy`, a `struct mempolicy *`.
        Mempolicy::from_pointer(unsafe { load(self.0, global!(offsets.task_mempolicy)) })
    }

    /// Has it a policy of its own choosing?
    #[inline(always)]
    pub fn has_policy(self) -> bool {
        self.mempolicy().chosen_mode() != 0
    }

    /// `signal->live == 0`: its whole process is on the way out (`do_exit` decrements before the exit tracepoint fires).
    #[inline(always)]
    pub fn group_dead(self) -> bool {
        // SAFETY: a task pointer; the offset is `task_struct.signal`, a `signal_struct *`, valid until the task is released.
        let signal: *const u8 = unsafe { load(self.0, global!(offsets.task_signal)) };
        // SAFETY: a signal_struct pointer; the offset is `signal_struct.live`, an `atomic_t`.
        let live: i32 = unsafe { load(signal, global!(offsets.signal_live)) };
        live == 0
    }

    /// `se.sum_exec_runtime`: CPU time so far, ns, the number schedstat shows; exact when the task is switched out.
    #[inline(always)]
    pub fn ran_ns(self) -> u64 {
        // SAFETY: a task pointer; the offset is `task_struct.se.sum_exec_runtime`.
        unsafe { load(self.0, global!(offsets.task_ran_ns)) }
    }

    /// `se.prev_sum_exec_runtime`: its CPU time when it was picked to run, ns. `None` for real-time tasks, whose scheduler does not keep it.
    #[inline(always)]
    pub fn picked_ns(self) -> Option<u64> {
        if global!(offsets.task_picked_ns) == 0 || self.prio() < MAX_RT_PRIO {
            return None;
        }
        // SAFETY: a task pointer; the offset is `task_struct.se.prev_sum_exec_runtime`.
        Some(unsafe { load(self.0, global!(offsets.task_picked_ns)) })
    }

    /// `thread_info.cpu`: where it runs, waits, or ran last.
    #[inline(always)]
    pub fn cpu(self) -> u32 {
        // SAFETY: a task pointer; the offset is `task_struct.thread_info.cpu`.
        unsafe { load(self.0, global!(offsets.task_cpu)) }
    }

    /// `__state`
    #[inline(always)]
    pub fn state(self) -> u32 {
        // SAFETY: a task pointer; the offset is `task_struct.__state`.
        unsafe { load(self.0, global!(offsets.task_state)) }
    }

    /// `on_rq`: an int up to 6.18 and a byte from 7.2 on, so its low byte is read.
    #[inline(always)]
    pub fn on_rq(self) -> u8 {
        // SAFETY: a task pointer; the offset is `task_struct.on_rq`.
        unsafe { load(self.0, global!(offsets.task_on_rq)) }
    }

    /// `prio`: below 100 for real-time tasks, below 0 for deadline ones.
    #[inline(always)]
    pub fn prio(self) -> i32 {
        // SAFETY: a task pointer; the offset is `task_struct.prio`.
        unsafe { load(self.0, global!(offsets.task_prio)) }
    }

    /// May it run on a CPU? `None` where the kernel refuses reads of addresses it did not check.
    #[inline(always)]
    pub fn may_run_on(self, cpu: u32) -> Option<bool> {
        if !enabled!(probe_read) {
            return None;
        }
        let member = self
            .address()
            .wrapping_add(u64::from(global!(offsets.task_cpus_ptr)));
        // The mask has as many words as the kernel has CPUs: a load at a variable offset is refused, a checked read is not.
        // SAFETY: the helper checks the address.
        let mask = unsafe { bpf_probe_read_kernel(member as *const u64) }.ok()?;
        let word_at = mask.wrapping_add(u64::from(cpu >> 6) * 8);
        // SAFETY: the helper checks the address.
        let word = unsafe { bpf_probe_read_kernel(word_at as *const u64) }.ok()?;
        Some(word >> (cpu & 63) & 1 != 0)
    }

    /// Is it `migration/N`, the thread that moves running tasks off its CPU? A name alone could be anybody's.
    #[inline(always)]
    pub fn is_stopper(self) -> bool {
        let at = global!(offsets.task_comm);
        // SAFETY: a task pointer; the loads lie within `task_struct.comm`, sixteen bytes.
        let (head, tail): (u64, u16) = unsafe { (load(self.0, at), load(self.0, at + 8)) };
        self.flags() & PF_KTHREAD != 0
            && head == u64::from_le_bytes(*b"migratio")
            && tail == u16::from_le_bytes(*b"n/")
    }

    /// `comm`, as two words: the verifier allows no variable offset here.
    #[inline(always)]
    pub fn comm(self) -> [u8; COMM_LEN] {
        let at = global!(offsets.task_comm);
        // SAFETY: a task pointer; the two loads cover `task_struct.comm`, sixteen bytes.
        let words: [u64; 2] = unsafe { [load(self.0, at), load(self.0, at + 8)] };
        // SAFETY: both are sixteen plain bytes.
        unsafe { core::mem::transmute(words) }
    }
}
