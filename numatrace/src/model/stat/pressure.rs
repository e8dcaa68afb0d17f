//! How full each node is, how far from reclaim, how fragmented, and what the kernel did about it.

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;

/// The pressure on all nodes at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PressureSection {
    /// Per node, parallel to the sample's nodes.
    pub nodes: Vec<NodePressure>,
    /// Reclaim, swap, compaction and migration of the whole system, which the kernel does not count per node.
    pub system: Vec<Activity>,
    /// Settings that decide what a full node does, `name = value: meaning`.
    pub settings: Vec<String>,
    /// What the numbers say together, in words.
    pub findings: Vec<String>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodePressure {
    /// The node.
    pub node: NodeId,
    /// All its memory, KiB.
    pub total_kib: Option<u64>,
    /// Free memory, KiB.
    pub free_kib: Option<u64>,
    /// File pages and reclaimable slab, KiB: what reclaim could free without swapping, dirty pages included.
    pub reclaimable_kib: Option<u64>,
    /// Anonymous and shared pages, KiB: what only swap or demotion could free.
    pub swappable_kib: Option<u64>,
    /// Slab that can be reclaimed, KiB.
    pub slab_reclaimable_kib: Option<u64>,
    /// Slab that cannot, KiB.
    pub slab_unreclaimable_kib: Option<u64>,
    /// Unreclaimable slab of the memory in use, 0 to 1.
    pub slab_unreclaimable_share: Option<f64>,
    /// Its zones with memory.
    pub zones: Vec<ZonePressure>,
    /// Free memory of its zones above their low watermarks, KiB: what can be taken before kswapd runs and other nodes are
    /// tried. Negative when below. `null` without zones.
    pub above_low_kib: Option<i64>,
    /// By order: part of the free memory that is in too small blocks for an allocation of that order, 0 to 1 (the kernel's
    /// unusable free space index over the node's zones). Empty when not known.
    pub unusable: Vec<f64>,
    /// What the kernel counts per node: reclaim, refaults, demotion and promotion.
    pub activity: Vec<Activity>,
}

/// One zone, KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonePressure {
    /// `DMA`, `DMA32`, `Normal`, `Movable`.
    pub zone: String,
    /// Memory the allocator manages.
    pub managed_kib: u64,
    /// Free memory.
    pub free_kib: u64,
    /// Below: an allocation reclaims by itself.
    pub min_kib: u64,
    /// Below: kswapd is woken and other nodes are tried first.
    pub low_kib: u64,
    /// Up to here kswapd reclaims.
    pub high_kib: u64,
}

/// Something the kernel counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// The kernel's name.
    pub name: String,
    /// Since boot, in pages or events.
    pub total: u64,
    /// Growth since the reading before; `null` in the first.
    pub growth: Option<u64>,
}

impl PressureSection {
    /// The growth of a system-wide count; `None` when it is not counted or this is the first reading.
    #[must_use]
    pub fn growth(&self, name: &str) -> Option<u64> {
        self.system
            .iter()
            .find(|activity| activity.name == name)?
            .growth
    }
}
