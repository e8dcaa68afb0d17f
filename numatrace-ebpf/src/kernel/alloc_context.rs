//! `struct alloc_context` (mm/internal.h), `struct zoneref` and `struct zone` (include/linux/mmzone.h).

use super::load;
use crate::globals::global;

/// Node of the preferred zone: `ac->preferred_zoneref->zone->node`, what `zone_statistics` compares with.
#[inline(always)]
pub fn preferred_node(ac: *const u8) -> u16 {
    // SAFETY: `ac` is the traced function's argument; the offset is a `struct zoneref *`.
    let zoneref: *const u8 = unsafe { load(ac, global!(offsets.ac_preferred_zoneref)) };
    // SAFETY: a zoneref of the zonelist in use; the offset is a `struct zone *`, not NULL after a success.
    let zone: *const u8 = unsafe { load(zoneref, global!(offsets.zoneref_zone)) };
    // SAFETY: a zone lives as long as its node; the offset is `int node`.
    let node: i32 = unsafe { load(zone, global!(offsets.zone_node)) };
    node as u16
}
