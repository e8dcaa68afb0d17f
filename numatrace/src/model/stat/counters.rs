//! numastat's six counters per node, their sums and shares. They count allocations of any order, not pages.

use serde::{Deserialize, Serialize};

/// The six counters, or what they grew by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Wanted this node and got it.
    pub numa_hit: u64,
    /// Wanted another node and got this one.
    pub numa_miss: u64,
    /// Wanted this node and got another.
    pub numa_foreign: u64,
    /// Interleaving wanted this node and got it.
    pub interleave_hit: u64,
    /// Came from this node to one of its own CPUs.
    pub local_node: u64,
    /// Came from this node to a CPU of another.
    pub other_node: u64,
}

/// The counters' names in sysfs, in its order.
pub const NAMES: [&str; 6] = [
    "numa_hit",
    "numa_miss",
    "numa_foreign",
    "interleave_hit",
    "local_node",
    "other_node",
];

impl Counters {
    /// The values in the order of [`NAMES`].
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

    /// From values in the order of [`NAMES`].
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

    /// Allocations that came from this node, whoever wanted what: hit and miss.
    #[must_use]
    pub fn allocations(&self) -> u64 {
        self.numa_hit.saturating_add(self.numa_miss)
    }

    /// Part of the allocations from this node that had wanted it, 0 to 1; `None` when there were none.
    #[must_use]
    pub fn hit_share(&self) -> Option<f64> {
        share(self.numa_hit, self.numa_miss)
    }

    /// Part of the allocations from this node that went to its own CPUs, 0 to 1; `None` when there were none.
    #[must_use]
    pub fn local_share(&self) -> Option<f64> {
        share(self.local_node, self.other_node)
    }
}

/// `part` of `part + rest`.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share of counts beyond 2^53 is right to 15 digits all the same"
)]
fn share(part: u64, rest: u64) -> Option<f64> {
    let whole = part.saturating_add(rest);
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Counters with what follows from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CounterView {
    /// The counters themselves.
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

/// The counters of all nodes at one moment, and what they grew by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterSection {
    /// `false` when `vm.numa_stat` is 0 and every counter therefore 0; `null` when the kernel does not say.
    pub counting: Option<bool>,
    /// Since boot, per node; `null` for a node that could not be read.
    pub nodes: Vec<Option<CounterView>>,
    /// The sum over the nodes that could be read.
    pub total: CounterView,
    /// Growth since the reading before, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<CounterInterval>,
}

/// What the counters grew by between two readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterInterval {
    /// Growth per node; `null` for a node that was not there before, or whose counters went backwards (they are set to
    /// zero when `vm.numa_stat` is switched).
    pub nodes: Vec<Option<CounterView>>,
    /// The sum over the nodes that have one.
    pub total: CounterView,
    /// Part of the allocations that would have had to come from another node for all nodes with memory to give equally
    /// many: 0 is even, (n-1)/n is everything on one of n nodes. `null` without allocations or with one node.
    pub imbalance: Option<f64>,
}
