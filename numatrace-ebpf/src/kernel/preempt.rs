//! Interrupt context, for which there is no helper: the per-CPU preempt count
//! (include/linux/preempt.h).

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_probe_read_kernel};
use numatrace_common::slot::Slot;

use super::task::Task;
use crate::globals::{enabled, global};

/// Bits that are set while a softirq is served (0x100), in a hard interrupt (0xf0000) and in an NMI
/// (0xf00000). A task that merely disabled bottom halves has 0x200.
const IN_INTERRUPT: u32 = 0x100 | 0xf_0000 | 0xf0_0000;

/// Returns whether the program runs in softirq, hardirq or NMI context; false as well where the
/// kernel hides the address of its count (the report says so). Not inlined: few allocations ask.
#[inline(never)]
pub fn in_interrupt(slot: &mut Slot) -> bool {
    if enabled!(offsets.task_softirqs) && Task::current().serves_softirq() {
        return true;
    }
    if !enabled!(preempt_count) || !enabled!(probe_read) {
        return false;
    }
    if slot.preempt_count == 0 {
        // SAFETY: the helper has no preconditions.
        let cpu = u64::from(unsafe { bpf_get_smp_processor_id() });
        let at = global!(per_cpu_offset) + cpu * 8;
        // SAFETY: the helper checks the address and fails where it is not mapped.
        let Ok(base) = (unsafe { bpf_probe_read_kernel(at as *const u64) }) else {
            return false;
        };
        slot.preempt_count = base.wrapping_add(global!(preempt_count));
    }
    // SAFETY: as above.
    let count = unsafe { bpf_probe_read_kernel(slot.preempt_count as *const u32) };
    count.is_ok_and(|count| count & IN_INTERRUPT != 0)
}
