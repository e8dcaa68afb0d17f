//! This CPU: its state, its node, and the table of all CPUs' nodes, which no helper tells of the others.

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

/// log2 of a kernel stack's size; it is aligned to that (`THREAD_SIZE`, arch/x86/include/asm/page_64_types.h). Where stacks are larger, one is taken
/// for two.
const STACK_SHIFT: u32 = 14;

/// This CPU's state.
#[inline(always)]
pub fn state() -> Option<&'static mut CpuState> {
    CPU_STATE
        .get_ptr_mut(0)
        // SAFETY: a per-CPU array element lives as long as the program. Programs that can interrupt one another write different members, or
        // keep apart by the slot's `busy` word.
        .map(|state| unsafe { &mut *state })
}

/// Is it still the task whose streaks these are, in the same epoch?
#[inline(always)]
pub fn is_held<C: EbpfContext>(cpu: &CpuState, ctx: &C) -> bool {
    cpu.streaking != 0 && cpu.stack == stack(cpu, ctx) && cpu.slot.epoch == control::epoch()
}

/// The kernel stack that the hook's arguments lie on. A pointer cannot be shifted, but the difference of two is a number; in assembler, because the
/// compiler would add what comes next to one of the pointers.
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
    // SAFETY: a live element. Volatile, so that it is a number from memory even where it has just been written, and no pointer.
    let address = unsafe { read_volatile(&raw const cpu.address) };
    apart.wrapping_add(address) >> STACK_SHIFT
}

/// This CPU's number.
#[inline(always)]
pub fn number() -> u32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_smp_processor_id() }
}

/// Node of this CPU.
#[inline(always)]
pub fn node() -> u32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_numa_node_id() as u32 }
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
            None if cpu == number() => CpuEntry::on(node() as u16),
            Some(node) => CpuEntry::on(node),
            None => CpuEntry(0),
        };
    }
}
