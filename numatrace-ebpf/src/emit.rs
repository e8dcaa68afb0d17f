//! The record bin: reserve late, submit once, count what the ring had no room for.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{bpf_get_smp_processor_id, generated::bpf_ktime_get_boot_ns},
};
use numatrace_common::{
    counters::Counter,
    header::{Header, Record, record_len},
};

use crate::{counters::count, maps::EVENTS};

/// The header of a record of type `T`, now, on this CPU.
#[inline(always)]
pub fn header<T: Record>() -> Header {
    Header {
        // SAFETY: the helpers have no preconditions.
        time_ns: unsafe { bpf_ktime_get_boot_ns() },
        // SAFETY: as above.
        cpu: unsafe { bpf_get_smp_processor_id() },
        kind: T::KIND as u16,
        len: record_len::<T>(),
    }
}

/// Writes a record, or counts its loss.
#[inline(always)]
pub fn emit<T: Record + 'static>(record: T) {
    let Some(mut entry) = EVENTS.reserve::<T>(0) else {
        count(Counter::lost(T::KIND), 1);
        return;
    };
    entry.write(record);
    // Nobody is woken: a wake-up costs forty times the record, and the reader comes on a timer.
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    count(Counter::Records, 1);
}
