//! Losses, counted per CPU for userspace to report.

use numatrace_common::counters::Counter;

use crate::{atomic, maps::LOSSES};

/// Adds to one of this CPU's loss counters.
#[inline(always)]
pub fn count(counter: Counter, n: u64) {
    if let Some(value) = LOSSES.get_ptr_mut(counter as u32) {
        // SAFETY: a live per-CPU array element. The addition is atomic because one program can
        // interrupt another on the same CPU.
        unsafe { atomic::add(value, n) };
    }
}
