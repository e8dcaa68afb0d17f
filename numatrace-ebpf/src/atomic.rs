//! The one atomic operation that the BPF target offers on all kernels: addition.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

/// Adds `n` to a counter that other programs and CPUs add to as well.
///
/// # Safety
/// `target` must point into a live map element, eight-byte aligned.
#[inline(always)]
pub unsafe fn add(target: *mut u64, n: u64) {
    // SAFETY: the caller's promise.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(target, n) };
}
