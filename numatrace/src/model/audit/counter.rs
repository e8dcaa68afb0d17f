//! numastat's six counters, and the comparison of the kernel's value with the traced one.

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;

/// numastat's six counters, in numastat's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counter {
    /// Allocations that preferred this node and got a page of it.
    NumaHit,
    /// Allocations that preferred a different node and got a page of this one.
    NumaMiss,
    /// Allocations that preferred this node and got a page of a different one.
    NumaForeign,
    /// Interleaved allocations that got a page of this node as intended.
    InterleaveHit,
    /// Pages of this node allocated by its own CPUs.
    LocalNode,
    /// Pages of this node allocated by CPUs of other nodes.
    OtherNode,
}

impl Counter {
    /// All six counters.
    pub const ALL: [Self; 6] = [
        Self::NumaHit,
        Self::NumaMiss,
        Self::NumaForeign,
        Self::InterleaveHit,
        Self::LocalNode,
        Self::OtherNode,
    ];

    /// Returns numastat's name, which is also the name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NumaHit => "numa_hit",
            Self::NumaMiss => "numa_miss",
            Self::NumaForeign => "numa_foreign",
            Self::InterleaveHit => "interleave_hit",
            Self::LocalNode => "local_node",
            Self::OtherNode => "other_node",
        }
    }
}

/// The six comparisons of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditNode {
    /// The node.
    pub node: NodeId,
    /// Allocations that preferred this node and got a page of it.
    pub numa_hit: CounterAudit,
    /// Allocations that preferred a different node and got a page of this one.
    pub numa_miss: CounterAudit,
    /// Allocations that preferred this node and got a page of a different one.
    pub numa_foreign: CounterAudit,
    /// Interleaved allocations that got a page of this node as intended.
    pub interleave_hit: CounterAudit,
    /// Pages of this node allocated by its own CPUs.
    pub local_node: CounterAudit,
    /// Pages of this node allocated by CPUs of other nodes.
    pub other_node: CounterAudit,
}

impl AuditNode {
    /// Builds the node from one comparison per counter, asked for in numastat's order.
    pub fn new(node: NodeId, mut compare: impl FnMut(Counter) -> CounterAudit) -> Self {
        Self {
            node,
            numa_hit: compare(Counter::NumaHit),
            numa_miss: compare(Counter::NumaMiss),
            numa_foreign: compare(Counter::NumaForeign),
            interleave_hit: compare(Counter::InterleaveHit),
            local_node: compare(Counter::LocalNode),
            other_node: compare(Counter::OtherNode),
        }
    }

    /// Returns the comparison of one counter.
    #[must_use]
    pub fn counter(&self, counter: Counter) -> CounterAudit {
        match counter {
            Counter::NumaHit => self.numa_hit,
            Counter::NumaMiss => self.numa_miss,
            Counter::NumaForeign => self.numa_foreign,
            Counter::InterleaveHit => self.interleave_hit,
            Counter::LocalNode => self.local_node,
            Counter::OtherNode => self.other_node,
        }
    }
}

/// One counter of one node: the kernel's count, the traced count, and the difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterAudit {
    /// Growth of the kernel's counter over the session.
    pub kernel: Option<u64>,
    /// Traced count, summed over all processes.
    pub traced: Option<u64>,
    /// `kernel - traced`.
    pub residual: Option<i64>,
}

impl CounterAudit {
    /// Compares two counts; the residual is known when both sides are.
    #[must_use]
    pub fn new(kernel: Option<u64>, traced: Option<u64>) -> Self {
        // Saturating at ±2^63 keeps the sign; no session counts that high.
        let residual = kernel.zip(traced).map(|(kernel, traced)| {
            let size = i64::try_from(kernel.abs_diff(traced)).unwrap_or(i64::MAX);
            if kernel < traced { -size } else { size }
        });
        Self {
            kernel,
            traced,
            residual,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_residual_is_kernel_minus_traced_with_its_sign() {
        assert_eq!(CounterAudit::new(Some(10), Some(7)).residual, Some(3));
        assert_eq!(CounterAudit::new(Some(7), Some(10)).residual, Some(-3));
        assert_eq!(
            CounterAudit::new(Some(u64::MAX), Some(0)).residual,
            Some(i64::MAX)
        );
        assert_eq!(CounterAudit::new(None, Some(1)).residual, None);
    }

    #[test]
    fn names_of_counters_are_their_json_names() {
        for counter in Counter::ALL {
            assert_eq!(serde_json::to_value(counter).unwrap(), counter.name());
        }
    }
}
