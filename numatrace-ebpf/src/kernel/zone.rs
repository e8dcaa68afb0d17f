//! `struct zone` (include/linux/mmzone.h): free memory and watermarks.

use numatrace_common::globals::ABSENT;

use super::load;
use crate::globals::global;

/// Free memory of a zone.
#[derive(Clone, Copy, Default)]
pub struct Free {
    /// Base pages.
    pub pages: u64,
    /// Blocks of at least the order that was asked for.
    pub blocks: u64,
}

/// Adds up a zone's free blocks: the verifiers of older kernels do not let programs read its
/// `vm_stat`, an array of a typedef. Pages on the lists of CPUs are not among them.
#[inline(always)]
pub fn free(zone: *const u8, at_least: u32) -> Free {
    let mut free = Free::default();
    for order in 0..global!(offsets.page_orders) {
        let at = global!(offsets.zone_nr_free) + order * global!(offsets.free_area_size);
        // SAFETY: a zone pointer; the offset is `unsigned long nr_free` of an element of its array
        // of free areas.
        let blocks: u64 = unsafe { load(zone, at) };
        free.pages += blocks << (order & 63);
        if order >= at_least {
            free.blocks += blocks;
        }
    }
    free
}

/// Returns the free pages that a zone keeps back from requests while other zones have some: its low
/// watermark with its boost, and what is reserved for atomic requests (mm/page_alloc.c,
/// `zone_watermark_fast`). `u64::MAX` where the kernel does not tell.
#[inline(always)]
pub fn kept_back(zone: *const u8) -> u64 {
    let member = |at: u32| {
        if at == ABSENT {
            return 0;
        }
        // SAFETY: a zone pointer; the offset is that of an `unsigned long` member.
        unsafe { load::<u64>(zone, at) }
    };
    if global!(offsets.zone_low) == ABSENT {
        return u64::MAX;
    }
    member(global!(offsets.zone_low))
        + member(global!(offsets.zone_boost))
        + member(global!(offsets.zone_highatomic))
}
