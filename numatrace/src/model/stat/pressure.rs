//! Memory pressure per node: fill level, distance from reclaim, fragmentation, and the kernel's
//! activity against it.

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;

/// The pressure on all nodes at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PressureSection {
    /// Per node, parallel to the sample's nodes.
    pub nodes: Vec<NodePressure>,
    /// Reclaim, swap, compaction and migration of the whole system, which the kernel does not count
    /// per node.
    pub system: Vec<Activity>,
    /// Settings that decide what happens when a node is full, `name = value: meaning`.
    pub settings: Vec<String>,
    /// Conclusions from the numbers, in words.
    pub findings: Vec<String>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodePressure {
    /// The node.
    pub node: NodeId,
    /// All memory, KiB.
    pub total_kib: Option<u64>,
    /// Free memory, KiB.
    pub free_kib: Option<u64>,
    /// File pages and reclaimable slab, KiB: memory that reclaim can free without swapping,
    /// including dirty pages.
    pub reclaimable_kib: Option<u64>,
    /// Anonymous and shared pages, KiB: memory that only swap or demotion can free.
    pub swappable_kib: Option<u64>,
    /// Reclaimable slab, KiB.
    pub slab_reclaimable_kib: Option<u64>,
    /// Unreclaimable slab, KiB.
    pub slab_unreclaimable_kib: Option<u64>,
    /// Unreclaimable slab as a share of the memory in use, 0 to 1.
    pub slab_unreclaimable_share: Option<f64>,
    /// Memory that no row of meminfo explains, KiB: drivers, pipes, page pools, vmalloc. `null`
    /// when a part that it is computed from could not be read.
    #[serde(default)]
    pub unexplained_kib: Option<u64>,
    /// Zones with memory.
    pub zones: Vec<ZonePressure>,
    /// Memory that programs can get before kswapd runs and other nodes are tried, KiB: free memory
    /// of the zones above their low watermarks and reserves. Negative when the node is below.
    /// `null` without zones.
    pub above_low_kib: Option<i64>,
    /// Memory for each kind of request; `null` without zones.
    #[serde(default)]
    pub room: Option<Room>,
    /// Memory that programs can get without swapping, KiB: `above_low_kib`, and what reclaim can
    /// free of file pages and slab. `null` when a part could not be read.
    #[serde(default)]
    pub available_kib: Option<u64>,
    /// Pools of huge pages, smallest pages first.
    #[serde(default)]
    pub huge_pages: Vec<HugePages>,
    /// Fragmentation by order: share of the free memory in blocks too small for an allocation of
    /// that order, 0 to 1 (the kernel's unusable free space index over the node's zones). Empty
    /// when not known.
    pub unusable: Vec<f64>,
    /// Events that the kernel counts per node: reclaim, refaults, demotion and promotion.
    pub activity: Vec<Activity>,
}

/// Memory that requests can get before reclaim, KiB; `null` where the node has no zone for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Memory of programs and files (movable).
    pub user_kib: Option<u64>,
    /// The kernel's own memory, which never comes from Movable.
    pub kernel_kib: Option<u64>,
    /// Memory below 4 GiB, for devices.
    pub dma32_kib: Option<u64>,
}

/// The pool of one size of huge pages on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HugePages {
    /// Size of a page, KiB.
    pub page_kib: u64,
    /// Pages in the pool.
    pub total: u64,
    /// Pages that are not in use.
    pub free: u64,
}

/// One zone, KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonePressure {
    /// `DMA`, `DMA32`, `Normal`, `Movable`.
    pub zone: String,
    /// Memory that the page allocator manages.
    pub managed_kib: u64,
    /// Free memory.
    pub free_kib: u64,
    /// Watermark below which an allocation reclaims memory itself.
    pub min_kib: u64,
    /// Watermark below which kswapd is woken and other nodes are tried first.
    pub low_kib: u64,
    /// Watermark up to which kswapd reclaims.
    pub high_kib: u64,
}

/// A counter of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// The kernel's name.
    pub name: String,
    /// Since boot, in pages or events.
    pub total: u64,
    /// Growth since the previous reading; `null` in the first.
    pub growth: Option<u64>,
}

impl NodePressure {
    /// Returns whether programs get nothing from it without reclaim.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.above_low_kib.is_some_and(|kib| kib < 0)
    }
}

impl PressureSection {
    /// Returns the growth of a system-wide counter; `None` when the kernel does not have it or this
    /// is the first reading.
    #[must_use]
    pub fn growth(&self, name: &str) -> Option<u64> {
        self.system
            .iter()
            .find(|activity| activity.name == name)?
            .growth
    }
}
