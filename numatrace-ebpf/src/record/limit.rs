//! A bound on records of failures: who fails in a loop must not push other records out of the ring.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use numatrace_common::{counters::Counter, header::Record, limits::FAILURES_PER_SECOND};

use crate::{clock, counters};

/// Records of failures in the current second, all kinds together.
#[repr(C)]
struct Second {
    number: u64,
    records: u64,
}

/// This CPU's.
#[map]
static FAILURES: PerCpuArray<Second> = PerCpuArray::with_max_entries(1, 0);

/// Returns whether this CPU may write one more record of a failure in this second (of 2^30 ns);
/// counts the record as lost when it may not.
#[inline(always)]
pub fn may_emit<T: Record>() -> bool {
    let Some(second) = FAILURES.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: a live per-CPU element. Where one program interrupts another a record may go
    // uncounted, which changes the bound by one.
    let second = unsafe { &mut *second };
    let now = clock::now() >> 30;
    if second.number != now {
        second.number = now;
        second.records = 0;
    }
    second.records += 1;
    if second.records > u64::from(FAILURES_PER_SECOND) {
        counters::count(Counter::lost(T::KIND), 1);
        return false;
    }
    true
}
