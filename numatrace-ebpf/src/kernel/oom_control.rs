//! `struct oom_control` (include/linux/oom.h) and `struct zonelist` (include/linux/mmzone.h): why
//! memory is short, and where there is some.

use numatrace_common::event::oom_kill::{FREE_ZONES, OomContext, ZoneFree};

use super::{bitmap, load, task::Task, zone};
use crate::{cpu, globals::global};

/// A `struct oom_control *` argument.
#[derive(Clone, Copy)]
pub struct OomControl(*const u8);

impl OomControl {
    /// The traced function's argument.
    #[inline(always)]
    pub fn from_arg(pointer: *const u8) -> Self {
        Self(pointer)
    }

    /// Writes what the kernel knows of the shortage of the current task.
    #[inline(always)]
    pub fn describe(self, to: &mut OomContext) {
        // SAFETY: the traced function's argument; the offsets are `enum oom_constraint constraint`,
        // `int order` and `gfp_t gfp_mask`.
        unsafe {
            to.constraint = load(self.0, global!(offsets.oom_constraint));
            to.order = load(self.0, global!(offsets.oom_order));
            to.gfp = load(self.0, global!(offsets.oom_gfp_mask));
        }
        to.cpu_node = cpu::node();
        // SAFETY: as above; the offset is `nodemask_t *nodemask`.
        let mask: *const u8 = unsafe { load(self.0, global!(offsets.oom_nodemask)) };
        if mask.is_null() {
            // A cpuset is known by the task alone.
            Task::current().mems_allowed(&mut to.nodes);
        } else {
            // SAFETY: a nodemask_t pointer that is not NULL.
            unsafe { bitmap::nodes(mask, 0, &mut to.nodes) };
        }
        self.free(&mut to.free);
    }

    /// Free memory by zone. A cgroup's limit has no zonelist: then nothing is known. Zones are
    /// added up by node in userspace: the verifier would follow each order of nodes that there may
    /// be.
    #[inline(always)]
    fn free(self, to: &mut [ZoneFree; FREE_ZONES]) {
        *to = [ZoneFree::default(); FREE_ZONES];
        // SAFETY: the traced function's argument; the offset is `struct zonelist *zonelist`.
        let zonelist: *const u8 = unsafe { load(self.0, global!(offsets.oom_zonelist)) };
        if zonelist.is_null() {
            return;
        }
        for (at, entry) in (0u32..).zip(to.iter_mut()) {
            let element = global!(offsets.zonelist_zonerefs)
                + at * global!(offsets.zoneref_size)
                + global!(offsets.zoneref_zone);
            // SAFETY: a zonelist pointer; the offset is `_zonerefs[at].zone`, of far fewer than
            // there are elements (`MAX_ZONES_PER_ZONELIST`).
            let zone: *const u8 = unsafe { load(zonelist, element) };
            if zone.is_null() {
                return;
            }
            // SAFETY: a zone lives as long as its node; the offset is `int node`.
            entry.node = unsafe { load(zone, global!(offsets.zone_node)) };
            entry.known = 1;
            entry.pages = zone::free(zone, 0).pages;
        }
    }
}
