//! Kernel side of numatrace: the module list.
//!
//! `probes/` holds the programs, one hook family per file; `kernel/` is the only place that reads
//! kernel structs. An event is charged to an owner (`who/`), and leaves in one of two lanes:
//! counted into the totals (`count/`), or written as a record into the ring (`record/`).
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![feature(asm_experimental_arch)]
#![expect(
    internal_features,
    reason = "atomic_xadd is the one atomic the BPF target has"
)]

mod atomic;
mod clock;
mod control;
mod counters;
mod cpu;
mod globals;
mod maps;

mod kernel;

mod who;

mod count;
mod record;

mod probes;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses what can panic, so this is never reached.
    loop {}
}

/// Several helpers are open to GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
