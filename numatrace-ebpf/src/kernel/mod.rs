//! The only reads of kernel structs: one struct per file, each offset from the running kernel's
//! BTF.
//!
//! Members are loaded directly through BTF-typed pointers at constant offsets. The verifier checks
//! such loads, they work under lockdown too, and a load through a stale pointer reads zero instead
//! of faulting.

pub mod alloc_context;
pub mod bitmap;
pub mod folio;
pub mod hstate;
pub mod mempolicy;
pub mod mm;
pub mod oom_control;
pub mod page;
pub mod page_cache;
pub mod preempt;
pub mod task;
pub mod vma;
pub mod zone;

/// Returns a member of a struct behind a BTF-typed pointer.
///
/// # Safety
/// `base` must be a pointer the verifier knows the BTF type of, and `offset` that of a member of
/// type `T`.
#[inline(always)]
pub unsafe fn load<T: Copy>(base: *const u8, offset: u32) -> T {
    // SAFETY: the verifier refuses the program unless the load lies within the struct; volatile
    // keeps the compiler from merging two loads into a wider one the verifier would refuse.
    unsafe { core::ptr::read_volatile(base.add(offset as usize).cast::<T>()) }
}
