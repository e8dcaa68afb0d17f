//! Writes records into the ring: reserve late, submit once, count losses where the ring has no
//! room.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use numatrace_common::{
    counters::Counter,
    header::{Header, Record, record_len},
};

use crate::{clock, counters, cpu, maps::EVENTS};

/// Returns the header of a record of type `T` that is written now, on this CPU.
#[inline(always)]
pub fn header<T: Record>() -> Header {
    Header {
        time_ns: clock::now(),
        cpu: cpu::number(),
        kind: T::KIND as u16,
        len: record_len::<T>(),
    }
}

/// Reserves room for a record, has `fill` write every field of it, and submits it; counts a lost
/// record where the ring has no room.
///
/// For records that are too large for the BPF stack, or that are in memory already.
#[inline(always)]
pub fn emit_with<T: Record + 'static>(fill: impl FnOnce(&mut T)) {
    let Some(mut entry) = EVENTS.reserve::<T>(0) else {
        counters::count(Counter::lost(T::KIND), 1);
        return;
    };
    // SAFETY: the reservation is as large as the record and aligned to eight bytes; a record is
    // `Pod`, so the bytes of older records there are a value of it until `fill` has written it.
    fill(unsafe { &mut *entry.as_mut_ptr() });
    // Nobody is woken: a wake-up costs forty times the record, and the reader comes on a timer.
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    counters::count(Counter::Records, 1);
}

/// Writes a record that was built on the stack.
#[inline(always)]
pub fn emit<T: Record + 'static>(record: T) {
    emit_with(|room| *room = record);
}
