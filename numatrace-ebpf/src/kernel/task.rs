//! `struct task_struct` (include/linux/sched.h).

use aya_ebpf::helpers::{
    bpf_probe_read_kernel,
    generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
};
use numatrace_common::{event::NodeSet, globals::ABSENT, limits::COMM_LEN};

use super::{bitmap, bitmap::NODE_WORDS, load, mempolicy::Mempolicy};
use crate::globals::{enabled, global};

/// `PF_KTHREAD` (include/linux/sched.h)
const PF_KTHREAD: u32 = 0x0020_0000;
/// `PF_MEMALLOC` (include/linux/sched.h): it reclaims memory.
const PF_MEMALLOC: u32 = 0x0000_0800;

/// Priorities below this one are real-time or deadline priorities (include/linux/sched/prio.h).
pub const MAX_RT_PRIO: i32 = 100;

/// A `struct task_struct *` that the verifier trusts: the current task, an argument, or a member of
/// such a task.
#[derive(Clone, Copy)]
pub struct Task(*const u8);

impl Task {
    /// Returns the task that this program runs in.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: the helper takes nothing and always returns the current task.
        Task(unsafe { bpf_get_current_task_btf() }.cast())
    }

    /// Wraps a task argument of a `tp_btf`, `fentry` or `fexit` program.
    #[inline(always)]
    pub fn from_arg(pointer: *const u8) -> Self {
        Task(pointer)
    }

    /// Wraps a task argument that the kernel may pass as NULL.
    #[inline(always)]
    pub fn from_nullable_arg(pointer: *const u8) -> Option<Self> {
        (!pointer.is_null()).then_some(Task(pointer))
    }

    /// Returns its address: its identity while it lives, reused soon after.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// Returns `pid`, the thread id in the initial PID namespace.
    #[inline(always)]
    pub fn tid(self) -> u32 {
        // SAFETY: a task pointer; the offset is `task_struct.pid`.
        unsafe { load(self.0, global!(offsets.task_pid)) }
    }

    /// Returns `tgid`, the process id in the initial PID namespace.
    #[inline(always)]
    pub fn tgid(self) -> u32 {
        // SAFETY: a task pointer; the offset is `task_struct.tgid`.
        unsafe { load(self.0, global!(offsets.task_tgid)) }
    }

    /// Returns `flags` (`PF_*`).
    #[inline(always)]
    pub fn flags(self) -> u32 {
        // SAFETY: a task pointer; the offset is `task_struct.flags`.
        unsafe { load(self.0, global!(offsets.task_flags)) }
    }

    /// Returns `start_boottime`, ns since boot.
    #[inline(always)]
    pub fn start_ns(self) -> u64 {
        // SAFETY: a task pointer; the offset is `task_struct.start_boottime`.
        unsafe { load(self.0, global!(offsets.task_start_boottime)) }
    }

    /// Returns `group_leader`, the task whose start time is the process's.
    #[inline(always)]
    pub fn leader(self) -> Task {
        // SAFETY: a task pointer; the offset is `task_struct.group_leader`, a `task_struct *`.
        Task(unsafe { load(self.0, global!(offsets.task_group_leader)) })
    }

    /// Returns `real_parent`, the task that forked it, or that adopted it when the parent died.
    #[inline(always)]
    pub fn parent(self) -> Task {
        // SAFETY: a task pointer; the offset is `task_struct.real_parent`, a `task_struct *`, never
        // NULL.
        Task(unsafe { load(self.0, global!(offsets.task_real_parent)) })
    }

    /// Returns its context switches so far, `nvcsw + nivcsw`: unchanged as long as the task has not
    /// been switched out.
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

    /// Returns whether it entered the kernel through an exception in user mode: the saved `orig_ax`
    /// is -1 then (arch/x86/entry), and the number of the call in a system call.
    #[inline(always)]
    pub fn in_user_exception(self) -> bool {
        if global!(offsets.regs_orig_ax) == 0 {
            return false;
        }
        self.user_regs().is_some_and(|regs| {
            // SAFETY: the helper's result is typed as pt_regs; the offset is
            // `unsigned long orig_ax`.
            let orig_ax: i64 = unsafe { load(regs, global!(offsets.regs_orig_ax)) };
            orig_ax == -1
        })
    }

    /// Returns the stack pointer that it had in user mode; 0 when it has none.
    #[inline(always)]
    pub fn user_sp(self) -> u64 {
        if global!(offsets.regs_sp) == ABSENT {
            return 0;
        }
        self.user_regs().map_or(0, |regs| {
            // SAFETY: the helper's result is typed as pt_regs; the offset is `unsigned long sp`.
            unsafe { load(regs, global!(offsets.regs_sp)) }
        })
    }

    /// Returns the registers saved when it left user mode, `None` for a kernel thread.
    #[inline(always)]
    pub fn user_regs(self) -> Option<*const u8> {
        if self.flags() & PF_KTHREAD != 0 {
            return None;
        }
        // SAFETY: a trusted task pointer; a user task has saved registers.
        let regs = unsafe { bpf_task_pt_regs(self.0.cast_mut().cast()) } as usize as *const u8;
        (!regs.is_null()).then_some(regs)
    }

    /// Returns `mempolicy`, the task's own policy, set by set_mempolicy(2).
    #[inline(always)]
    pub fn mempolicy(self) -> Mempolicy {
        // SAFETY: a task pointer; the offset is `task_struct.mempolicy`, a `struct mempolicy *`.
        Mempolicy::from_pointer(unsafe { load(self.0, global!(offsets.task_mempolicy)) })
    }

    /// Returns the signal that an exiting task ends by, 0 when it ends by itself: the low bits of
    /// `exit_code`, which `do_exit` sets before its tracepoint.
    #[inline(always)]
    pub fn fatal_signal(self) -> u32 {
        if global!(offsets.task_exit_code) == ABSENT {
            return 0;
        }
        // SAFETY: a task pointer; the offset is `int exit_code`.
        let code: u32 = unsafe { load(self.0, global!(offsets.task_exit_code)) };
        code & 0x7f
    }

    /// Copies `mems_allowed`: the nodes of its cpuset.
    #[inline(always)]
    pub fn mems_allowed(self, to: &mut NodeSet) {
        // SAFETY: a task pointer; the offset is `nodemask_t mems_allowed`.
        unsafe { bitmap::nodes(self.0, global!(offsets.task_mems_allowed), to) };
    }

    /// Returns whether its cpuset has a node. The words are read one by one: the verifier wants
    /// constant offsets.
    #[inline(always)]
    pub fn allows_memory_of(self, node: u32) -> bool {
        let mut found = false;
        for at in 0..NODE_WORDS {
            if at < global!(offsets.nodemask_words) && at == node >> 6 {
                // SAFETY: a task pointer; the offset is a word of `nodemask_t mems_allowed`.
                let word: u64 =
                    unsafe { load(self.0, global!(offsets.task_mems_allowed) + at * 8) };
                found |= word >> (node & 63) & 1 != 0;
            }
        }
        found
    }

    /// Returns whether it reclaims memory at the moment: then it allocates targets of demotion and
    /// room for compressed pages, whatever else it is in.
    #[inline(always)]
    pub fn is_reclaiming(self) -> bool {
        self.flags() & PF_MEMALLOC != 0
    }

    /// Returns whether it serves a softirq, where the kernel keeps that in the task (PREEMPT_RT).
    #[inline(always)]
    pub fn serves_softirq(self) -> bool {
        /// `SOFTIRQ_OFFSET` (include/linux/preempt.h)
        const SERVING: u32 = 0x100;
        // SAFETY: a task pointer; the offset is `int softirq_disable_cnt`.
        let count: u32 = unsafe { load(self.0, global!(offsets.task_softirqs)) };
        count & SERVING != 0
    }

    /// Is it a kernel thread?
    #[inline(always)]
    pub fn is_kthread(self) -> bool {
        self.flags() & PF_KTHREAD != 0
    }

    /// Returns whether it chose a memory policy of its own.
    #[inline(always)]
    pub fn has_policy(self) -> bool {
        self.mempolicy().chosen_mode() != 0
    }

    /// Returns whether its whole process is ending, `signal->live == 0` (`do_exit` decrements it
    /// before the exit tracepoint fires).
    #[inline(always)]
    pub fn group_dead(self) -> bool {
        // SAFETY: a task pointer; the offset is `task_struct.signal`, a `signal_struct *`, valid
        // until the task is released.
        let signal: *const u8 = unsafe { load(self.0, global!(offsets.task_signal)) };
        // SAFETY: a signal_struct pointer; the offset is `signal_struct.live`, an `atomic_t`.
        let live: i32 = unsafe { load(signal, global!(offsets.signal_live)) };
        live == 0
    }

    /// Returns `se.sum_exec_runtime`, its CPU time so far in ns, which schedstat shows; exact when
    /// the task is switched out.
    #[inline(always)]
    pub fn ran_ns(self) -> u64 {
        // SAFETY: a task pointer; the offset is `task_struct.se.sum_exec_runtime`.
        unsafe { load(self.0, global!(offsets.task_ran_ns)) }
    }

    /// Returns `se.prev_sum_exec_runtime`, its CPU time in ns when it was picked to run; `None` for
    /// real-time tasks, whose scheduler does not keep it.
    #[inline(always)]
    pub fn picked_ns(self) -> Option<u64> {
        if global!(offsets.task_picked_ns) == 0 || self.prio() < MAX_RT_PRIO {
            return None;
        }
        // SAFETY: a task pointer; the offset is `task_struct.se.prev_sum_exec_runtime`.
        Some(unsafe { load(self.0, global!(offsets.task_picked_ns)) })
    }

    /// Returns `thread_info.cpu`, the CPU on which it runs, waits, or ran last.
    #[inline(always)]
    pub fn cpu(self) -> u32 {
        // SAFETY: a task pointer; the offset is `task_struct.thread_info.cpu`.
        unsafe { load(self.0, global!(offsets.task_cpu)) }
    }

    /// Returns `__state`.
    #[inline(always)]
    pub fn state(self) -> u32 {
        // SAFETY: a task pointer; the offset is `task_struct.__state`.
        unsafe { load(self.0, global!(offsets.task_state)) }
    }

    /// Returns the low byte of `on_rq`, which is an int up to 6.18 and a byte from 7.2 on.
    #[inline(always)]
    pub fn on_rq(self) -> u8 {
        // SAFETY: a task pointer; the offset is `task_struct.on_rq`.
        unsafe { load(self.0, global!(offsets.task_on_rq)) }
    }

    /// Returns `prio`: below 100 for real-time tasks, below 0 for deadline ones.
    #[inline(always)]
    pub fn prio(self) -> i32 {
        // SAFETY: a task pointer; the offset is `task_struct.prio`.
        unsafe { load(self.0, global!(offsets.task_prio)) }
    }

    /// Returns whether a scheduler of sched_ext has it, by `task_struct.scx.flags`: its class,
    /// whose address the kernel may hide, says the same (kernel/sched/ext.c, `scx_enable_task`).
    #[inline(always)]
    pub fn is_of_sched_ext(self) -> bool {
        if !enabled!(offsets.scx_state) {
            return false;
        }
        // SAFETY: a task pointer; the offset is `u32 flags` of `struct sched_ext_entity`.
        let flags: u32 = unsafe { load(self.0, global!(offsets.task_scx_flags)) };
        flags & global!(offsets.scx_state) == global!(offsets.scx_enabled)
    }

    /// Returns whether its mask allows a CPU; `None` where the kernel refuses reads of addresses
    /// that the verifier did not check.
    #[inline(always)]
    pub fn may_run_on(self, cpu: u32) -> Option<bool> {
        if !enabled!(probe_read) {
            return None;
        }
        let member = self
            .address()
            .wrapping_add(u64::from(global!(offsets.task_cpus_ptr)));
        // The mask has as many words as the kernel has CPUs: a load at a variable offset is
        // refused, a checked read is not.
        // SAFETY: the helper checks the address.
        let mask = unsafe { bpf_probe_read_kernel(member as *const u64) }.ok()?;
        let word_at = mask.wrapping_add(u64::from(cpu >> 6) * 8);
        // SAFETY: the helper checks the address.
        let word = unsafe { bpf_probe_read_kernel(word_at as *const u64) }.ok()?;
        Some(word >> (cpu & 63) & 1 != 0)
    }

    /// Returns whether it is `migration/N`, the kernel thread that moves running tasks off its CPU.
    /// The name alone could be any thread's.
    #[inline(always)]
    pub fn is_stopper(self) -> bool {
        let at = global!(offsets.task_comm);
        // SAFETY: a task pointer; the loads lie within `task_struct.comm`, sixteen bytes.
        let (head, tail): (u64, u16) = unsafe { (load(self.0, at), load(self.0, at + 8)) };
        self.flags() & PF_KTHREAD != 0
            && head == u64::from_le_bytes(*b"migratio")
            && tail == u16::from_le_bytes(*b"n/")
    }

    /// Returns `comm`, read as two words: the verifier allows no variable offset here.
    #[inline(always)]
    pub fn comm(self) -> [u8; COMM_LEN] {
        let at = global!(offsets.task_comm);
        // SAFETY: a task pointer; the two loads cover `task_struct.comm`, sixteen bytes.
        let words: [u64; 2] = unsafe { [load(self.0, at), load(self.0, at + 8)] };
        // SAFETY: both are sixteen plain bytes.
        unsafe { core::mem::transmute(words) }
    }
}
