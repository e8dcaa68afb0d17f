//! `struct alloc_context` (mm/internal.h), `struct zoneref` and `struct zone`
//! (include/linux/mmzone.h), `nodemask_t`.

use aya_ebpf::helpers::bpf_probe_read_kernel;
use numatrace_common::event::NodeSet;

use super::{bitmap, load, task::Task};
use crate::globals::{enabled, global};

/// A `const struct alloc_context *` argument.
#[derive(Clone, Copy)]
pub struct AllocContext(*const u8);

impl AllocContext {
    /// Wraps the argument of the traced function.
    #[inline(always)]
    pub fn from_arg(pointer: *const u8) -> Self {
        Self(pointer)
    }

    /// Returns `ac->preferred_zoneref`: the place of the preferred zone in the zonelist of the node
    /// that was asked for.
    #[inline(always)]
    pub fn preferred_zoneref(self) -> *const u8 {
        // SAFETY: the traced function's argument; the offset is a `struct zoneref *`.
        unsafe { load(self.0, global!(offsets.ac_preferred_zoneref)) }
    }

    /// Returns the preferred zone, `ac->preferred_zoneref->zone`.
    #[inline(always)]
    pub fn preferred_zone(self) -> *const u8 {
        // SAFETY: a zoneref of the zonelist in use; the offset is a `struct zone *`, not NULL after
        // a success.
        unsafe { load(self.preferred_zoneref(), global!(offsets.zoneref_zone)) }
    }

    /// Returns the node whose zonelist is in use: the first zone in it is of that node, whether or
    /// not the request may use it. Known for nodes with memory only, and a policy has no others.
    #[inline(always)]
    pub fn node_asked(self) -> u16 {
        let first = global!(offsets.zonelist_zonerefs) + global!(offsets.zoneref_zone);
        // SAFETY: the traced function's argument; the offset is a `struct zonelist *`.
        let zonelist: *const u8 = unsafe { load(self.0, global!(offsets.ac_zonelist)) };
        // SAFETY: a zonelist in use, which begins with a zone; the offset is a `struct zone *`.
        let zone: *const u8 = unsafe { load(zonelist, first) };
        // SAFETY: a zone lives as long as its node; the offset is `int node`.
        let node: i32 = unsafe { load(zone, global!(offsets.zone_node)) };
        node as u16
    }

    /// Returns the node of the preferred zone, with which `zone_statistics` compares.
    #[inline(always)]
    pub fn preferred_node(self) -> u16 {
        // SAFETY: a zone lives as long as its node; the offset is `int node`.
        let node: i32 = unsafe { load(self.preferred_zone(), global!(offsets.zone_node)) };
        node as u16
    }

    /// Returns the nodes that the allocation may use, `None` for all.
    #[inline(always)]
    pub fn nodemask(self) -> Option<Nodemask> {
        // SAFETY: the traced function's argument; the offset is a `nodemask_t *`.
        let mask: *const u8 = unsafe { load(self.0, global!(offsets.ac_nodemask)) };
        (!mask.is_null()).then_some(Nodemask(mask))
    }
}

/// A `nodemask_t *` that is not NULL.
#[derive(Clone, Copy)]
pub struct Nodemask(*const u8);

impl Nodemask {
    /// An argument that the kernel may pass as NULL.
    #[inline(always)]
    pub fn from_nullable_arg(pointer: *const u8) -> Option<Self> {
        (!pointer.is_null()).then_some(Self(pointer))
    }

    /// Copies it.
    #[inline(always)]
    pub fn copy(self, to: &mut NodeSet) {
        // SAFETY: a nodemask_t pointer that is not NULL.
        unsafe { bitmap::nodes(self.0, 0, to) };
    }

    /// Returns whether a node is in the mask; true for nodes beyond 63 where the kernel refuses
    /// reads.
    #[inline(always)]
    pub fn contains(self, node: u16) -> bool {
        let word: u64 = if node < 64 {
            // SAFETY: a nodemask_t pointer; its first word is there on every kernel.
            unsafe { load(self.0, 0) }
        } else if enabled!(probe_read) {
            let at = (self.0 as u64).wrapping_add(u64::from(node >> 6) * 8);
            // SAFETY: the helper checks the address and fails where it is not mapped.
            unsafe { bpf_probe_read_kernel(at as *const u64) }.unwrap_or(u64::MAX)
        } else {
            u64::MAX
        };
        word >> (node & 63) & 1 != 0
    }

    /// Returns whether the mask is the task's own `mems_allowed`, that is its cpuset.
    #[inline(always)]
    pub fn is_cpuset_of(self, task: Task) -> bool {
        self.0 as u64
            == task
                .address()
                .wrapping_add(u64::from(global!(offsets.task_mems_allowed)))
    }
}
