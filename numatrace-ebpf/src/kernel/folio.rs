//! `struct folio` (include/linux/mm_types.h).

use super::{load, page::node_of_flags};
use crate::globals::global;

/// A `struct folio *` argument.
#[derive(Clone, Copy)]
pub struct Folio(*const u8);

impl Folio {
    /// Wraps the argument of the traced function.
    #[inline(always)]
    pub fn from_arg(pointer: *const u8) -> Self {
        Self(pointer)
    }

    /// Returns its address: its identity while it exists.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// Returns the node that it lies on.
    #[inline(always)]
    pub fn node(self) -> u16 {
        node_of_flags(self.flags())
    }

    /// Returns the number of its base pages.
    #[inline(always)]
    pub fn pages(self) -> u64 {
        let head = global!(offsets.folio_head);
        if head == 0 || self.flags() >> (head & 63) & 1 == 0 {
            return 1;
        }
        // SAFETY: a BTF-typed folio pointer, a large one; the offset is `_folio_order` before 6.6
        // and the low byte of `_flags_1` since.
        let order: u8 = unsafe { load(self.0, global!(offsets.folio_order)) };
        1 << (order & 31)
    }

    #[inline(always)]
    fn flags(self) -> u64 {
        // SAFETY: a BTF-typed folio pointer; the offset is `folio.flags`, eight bytes on every
        // kernel.
        unsafe { load(self.0, global!(offsets.folio_flags)) }
    }
}
