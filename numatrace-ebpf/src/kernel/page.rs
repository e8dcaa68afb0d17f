//! `struct page` (include/linux/mm_types.h).

use super::load;
use crate::globals::global;

/// Node of a page: the top bits of its flags, `nodes_pgshift` from BTF (include/linux/page-flags-layout.h).
#[inline(always)]
pub fn node(page: *const u8) -> u16 {
    // SAFETY: a BTF-typed page pointer; the offset is `page.flags`, eight bytes on every kernel.
    let flags: u64 = unsafe { load(page, global!(offsets.page_flags)) };
    ((flags >> (global!(nodes_pgshift) & 63)) as u32 & global!(nodes_mask)) as u16
}
