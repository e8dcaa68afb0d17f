//! Nodes of CPUs other than this one, which no helper tells.

use aya_ebpf::helpers::bpf_get_smp_processor_id;
use numatrace_common::mover::CpuEntry;

use crate::{maps::CPU_TABLE, totals::cpu_node};

/// This CPU's number.
#[inline(always)]
pub fn here() -> u32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_smp_processor_id() }
}

/// What the table says about a CPU; nothing for one beyond its end.
#[inline(always)]
pub fn entry(cpu: u32) -> CpuEntry {
    CPU_TABLE.get(cpu).map_or(CpuEntry(0), |entry| *entry)
}

/// A CPU starts to go offline, or comes (back) online.
#[inline(always)]
pub fn set_leaving(cpu: u32, leaving: bool) {
    let Some(slot) = CPU_TABLE.get_ptr_mut(cpu) else {
        return;
    };
    // SAFETY: a live array element of four bytes, written whole.
    unsafe {
        *slot = match (*slot).node() {
            _ if leaving => (*slot).leaving(),
            // A CPU that was not there when the session began: the last steps of its start run on itself.
            None if cpu == here() => CpuEntry::on(cpu_node() as u16),
            Some(node) => CpuEntry::on(node),
            None => CpuEntry(0),
        };
    }
}
