//! The one clock of the kernel side.

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;

/// Now, ns since boot, suspends included: the clock of `task_struct.start_boottime` and of
/// userspace's `CLOCK_BOOTTIME`.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}
