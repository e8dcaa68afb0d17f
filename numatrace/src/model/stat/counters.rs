//! numastat's six counters per node, with sums and shares. They count allocations of any order, not
//! pages.

use serde::{Deserialize, Serialize};

/// The six counters, or their growth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Allocations that preferred this node and got a page of it.
    pub numa_hit: u64,
    /// Allocations that preferred a different node and got a page of this one.
    pub numa_miss: u64,
    /// Allocations that preferred this node and got a page of a different one.
    pub numa_foreign: u64,
    /// Interleaved allocations that got a page of this node as intended.
    pub interleave_hit: u64,
    /// Pages of this node allocated by its own CPUs.
    pub local_node: u64,
    /// Pages of this node allocated by CPUs of other nodes.
    pub other_node: u64,
}

/// The names of the counters in sysfs, in its order.
pub const NAMES: [&str; 6] = [
    "numa_hit",
    "numa_miss",
    "numa_foreign",
    "interleave_hit",
    "local_node",
    "other_node",
];

impl Counters {
    /// Returns the values in the order of [`NAMES`].
    #[must_use]
    pub fn values(&self) -> [u64; 6] {
        let Self {
            numa_hit,
            numa_miss,
            numa_foreign,
            interleave_hit,
            local_node,
            other_node,
        } = *self;
        [
            numa_hit,
            numa_miss,
            numa_foreign,
            interleave_hit,
            local_node,
            other_node,
        ]
    }

    /// Builds the counters from values in the order of [`NAMES`].
    #[must_use]
    pub fn from_values(values: [u64; 6]) -> Self {
        let [
            numa_hit,
            numa_miss,
            numa_foreign,
            interleave_hit,
            local_node,
            other_node,
        ] = values;
        Self {
            numa_hit,
            numa_miss,
            numa_foreign,
            interleave_hit,
            local_node,
            other_node,
        }
    }

    /// Returns all allocations of this node's pages: hits and misses.
    #[must_use]
    pub fn allocations(&self) -> u64 {
        self.numa_hit.saturating_add(self.numa_miss)
    }

    /// Returns the share of this node's allocations that preferred it, 0 to 1; `None` when there
    /// were none.
    #[must_use]
    pub fn hit_share(&self) -> Option<f64> {
        share(self.numa_hit, self.numa_miss)
    }

    /// Returns the share of this node's allocations by its own CPUs, 0 to 1; `None` when there were
    /// none.
    #[must_use]
    pub fn local_share(&self) -> Option<f64> {
        share(self.local_node, self.other_node)
    }
}

/// Returns `part / (part + rest)`.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share of counts beyond 2^53 is right to 15 digits all the same"
)]
fn share(part: u64, rest: u64) -> Option<f64> {
    let whole = part.saturating_add(rest);
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Counters with their shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CounterView {
    /// The counters.
    #[serde(flatten)]
    pub counters: Counters,
    /// numa_hit / (numa_hit + numa_miss), 0 to 1; `null` without allocations.
    pub hit_share: Option<f64>,
    /// local_node / (local_node + other_node), 0 to 1; `null` without allocations.
    pub local_share: Option<f64>,
}

impl From<Counters> for CounterView {
    fn from(counters: Counters) -> Self {
        Self {
            counters,
            hit_share: counters.hit_share(),
            local_share: counters.local_share(),
        }
    }
}

/// The counters of all nodes at one moment, and their growth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterSection {
    /// `false` when `vm.numa_stat` is 0 and so every counter is 0; `null` when the kernel does not
    /// have the setting.
    pub counting: Option<bool>,
    /// Since boot, per node; `null` for a node that could not be read.
    pub nodes: Vec<Option<CounterView>>,
    /// The sum over the nodes that could be read.
    pub total: CounterView,
    /// Growth since the previous reading, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<CounterInterval>,
}

/// Growth of the counters between two readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterInterval {
    /// Growth per node; `null` for a node that is new, or whose counters went backwards (switching
    /// `vm.numa_stat` sets them to zero).
    pub nodes: Vec<Option<CounterView>>,
    /// The sum over the nodes that have a value.
    pub total: CounterView,
    /// Share of the allocations that would have to move to a different node for all nodes with
    /// memory to serve equally many: 0 is even, (n-1)/n is everything on one of n nodes. `null`
    /// without allocations or with one node.
    pub imbalance: Option<f64>,
}
