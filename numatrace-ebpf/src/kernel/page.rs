//! `struct page` (include/linux/mm_types.h).

use super::load;
use crate::globals::global;

/// Returns the bytes of a number of base pages.
#[inline(always)]
pub fn bytes(pages: u64) -> u64 {
    pages << (global!(page_shift) & 63)
}

/// Returns the node of a page behind a BTF-typed pointer.
#[inline(always)]
pub fn node(page: *const u8) -> u16 {
    // SAFETY: a BTF-typed page pointer; the offset is `page.flags`, eight bytes on every kernel.
    node_of_flags(unsafe { load(page, global!(offsets.page_flags)) })
}

/// Returns the node in a page's flags: the top bits, from `nodes_pgshift` on, known from BTF
/// (include/linux/page-flags-layout.h).
#[inline(always)]
pub fn node_of_flags(flags: u64) -> u16 {
    ((flags >> (global!(nodes_pgshift) & 63)) as u32 & global!(nodes_mask)) as u16
}
