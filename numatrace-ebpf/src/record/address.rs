//! Nearness of addresses: which ones belong to a run.

use crate::kernel::page::bytes;

/// Base pages between a run and an address that still belongs to it: allocators leave gaps of some
/// pages.
const NEAR_PAGES: u64 = 16;

/// Returns whether an address lies close to a run from `low` to `high`.
#[inline(always)]
pub fn is_near(low: u64, high: u64, address: u64) -> bool {
    let near = bytes(NEAR_PAGES);
    address + near >= low && address <= high + near
}
