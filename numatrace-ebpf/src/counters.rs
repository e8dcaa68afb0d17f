//! Losses, counted per CPU for userspace to report.

use numatrace_common::counters::Counter;

use crate::{atomic, maps::LOSSES};

/// Adds to one of this CPU's loss counters.
#[inline(always)]
pub fn count(counter: Counter, n: u64) {
    if let Some(value) = LOSSES.get_ptr_mut(counter as u32) {
        // Two programs can interleave on one CPU (one interrupts the other), so the addition is atomic.
        // SAFETY: a live per-CPU array element.
        unsafe { atomic::add(value, n) };
    }
}
