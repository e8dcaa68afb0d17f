//! CPUs: the state, node and number of this one, and a table of the nodes and last-level caches of
//! all, for which there is no helper.

use core::{arch::asm, ptr::read_volatile};

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_get_smp_processor_id, generated::bpf_get_numa_node_id},
};
use numatrace_common::{cpu::CpuState, mover::CpuEntry};

use crate::{
    control,
    maps::{CPU_STATE, CPU_TABLE},
};

/// log2 of the size and alignment of a kernel stack (`THREAD_SIZE`,
/// arch/x86/include/asm/page_64_types.h). A larger stack is taken for two.
const STACK_SHIFT: u32 = 14;

/// Returns this CPU's number.
#[inline(always)]
pub fn number() -> u32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_smp_processor_id() }
}

/// Returns this CPU's node.
#[inline(always)]
pub fn node() -> u32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_numa_node_id() as u32 }
}

/// Returns this CPU's state.
#[inline(always)]
pub fn state() -> Option<&'static mut CpuState> {
    CPU_STATE
        .get_ptr_mut(0)
        // SAFETY: a per-CPU array element lives as long as the program. Programs that can interrupt
        // one another write different members, or keep apart by the slot's `busy` word.
        .map(|state| unsafe { &mut *state })
}

/// Returns whether the current task is the cached one and its epoch the current one, so that its
/// events need no lookup.
#[inline(always)]
pub fn is_task_cached<C: EbpfContext>(cpu: &CpuState, ctx: &C) -> bool {
    cpu.cached_task != 0 && cpu.stack == stack(cpu, ctx) && cpu.slot.epoch == control::epoch()
}

/// Returns the number of the kernel stack that the hook's arguments lie on.
///
/// The verifier lets no program shift a pointer, but the difference of two pointers is a number.
/// The subtraction is in assembler, because the compiler would add the next operand to one of the
/// pointers.
#[expect(
    clippy::pointers_in_nomem_asm_block,
    reason = "only the addresses are looked at"
)]
#[inline(always)]
pub fn stack<C: EbpfContext>(cpu: &CpuState, ctx: &C) -> u64 {
    let mut apart = ctx.as_ptr() as u64;
    // SAFETY: a subtraction of two registers.
    unsafe {
        asm!(
            "{} -= {}",
            inout(reg) apart,
            in(reg) &raw const *cpu,
            options(pure, nomem, nostack)
        );
    }
    // SAFETY: a live element. Volatile, so that the verifier sees a number from memory and no
    // pointer, even where it has just been written.
    let address = unsafe { read_volatile(&raw const cpu.address) };
    apart.wrapping_add(address) >> STACK_SHIFT
}

/// Returns the table's entry of a CPU, an empty one for a CPU beyond its end.
#[inline(always)]
pub fn entry(cpu: u32) -> CpuEntry {
    CPU_TABLE.get(cpu).map_or(CpuEntry(0), |entry| *entry)
}

/// Notes that a CPU starts to go offline, or comes (back) online.
#[inline(always)]
pub fn set_leaving(cpu: u32, leaving: bool) {
    let Some(slot) = CPU_TABLE.get_ptr_mut(cpu) else {
        return;
    };
    // SAFETY: a live array element of four bytes, written whole.
    unsafe {
        *slot = match (*slot).node() {
            _ if leaving => (*slot).leaving(),
            // A CPU that was absent when the session began: the last steps of its start run on it.
            None if cpu == number() => CpuEntry::on(node() as u16),
            Some(_) => (*slot).online(),
            None => CpuEntry(0),
        };
    }
}
