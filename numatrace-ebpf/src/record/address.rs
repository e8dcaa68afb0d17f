//! Addresses of runs, in whole base pages.

/// Bytes of a base page, as on x86.
pub const PAGE: u64 = 4096;

/// Bytes between a run and an address that still belongs to it: allocators leave gaps of some pages.
const NEAR: u64 = 16 * PAGE;

/// Returns whether an address lies close to a run from `low` to `high`.
#[inline(always)]
pub fn is_near(low: u64, high: u64, address: u64) -> bool {
    address + NEAR >= low && address <= high + NEAR
}
