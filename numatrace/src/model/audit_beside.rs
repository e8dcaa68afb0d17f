//! Second opinions of the audit: `/proc/vmstat` beside what we traced, and numastat's own equations on both sides.
//!
//! The verdict does not rest on them: vmstat is read at another instant than the nodes' files, and counts some things otherwise.

use serde::{Deserialize, Serialize};

use super::audit::{AuditNode, Counter};

/// One count of the whole system: the kernel's and ours, between the same two readings of `/proc/vmstat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// What is counted.
    pub what: BesideWhat,
    /// The kernel's delta.
    pub kernel: Option<u64>,
    /// Ours.
    pub traced: Option<u64>,
    /// `kernel - traced`.
    pub residual: Option<i64>,
}

/// What can be compared with `/proc/vmstat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BesideWhat {
    /// Base pages allocated: Σ `pgalloc_*`.
    Pages,
    /// NUMA hinting faults: `numa_hint_faults`.
    HintFaults,
    /// Page table entries that NUMA balancing made to fault: `numa_pte_updates`.
    PteUpdates,
    /// Base pages that hinting faults moved: `numa_pages_migrated`.
    HintMigrated,
    /// Base pages moved for whatever reason, within a node too: `pgmigrate_success`.
    PageMigrations,
}

impl BesideWhat {
    /// The rows of `/proc/vmstat`.
    #[must_use]
    pub fn vmstat(self) -> &'static str {
        match self {
            Self::Pages => "pgalloc_*",
            Self::HintFaults => "numa_hint_faults",
            Self::PteUpdates => "numa_pte_updates",
            Self::HintMigrated => "numa_pages_migrated",
            Self::PageMigrations => "pgmigrate_success",
        }
    }
}

/// How far numastat's own equations are off, on both sides; `None` where a counter in them is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equations {
    /// Of the kernel's counters. They are not read in one instant, so a few allocations in flight show here.
    pub kernel: Option<Imbalance>,
    /// Of ours: zeros by construction.
    pub traced: Option<Imbalance>,
}

/// What the two equations leave over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imbalance {
    /// Per node `numa_hit + numa_miss - local_node - other_node`.
    pub by_node: Vec<i64>,
    /// `Σ numa_miss - Σ numa_foreign`.
    pub misses: i64,
}

impl Equations {
    /// Both sides of an audit's nodes.
    #[must_use]
    pub fn of(nodes: &[AuditNode]) -> Self {
        let side = |traced: bool| {
            Imbalance::of(nodes, |node, counter| {
                let compared = node.counter(counter);
                let value = if traced {
                    compared.traced
                } else {
                    compared.kernel
                };
                value.and_then(|value| i64::try_from(value).ok())
            })
        };
        Self {
            kernel: side(false),
            traced: side(true),
        }
    }
}

impl Imbalance {
    fn of(nodes: &[AuditNode], value: impl Fn(&AuditNode, Counter) -> Option<i64>) -> Option<Self> {
        let by_node = nodes.iter().map(|node| {
            let wanted =
                value(node, Counter::NumaHit)?.checked_add(value(node, Counter::NumaMiss)?)?;
            let placed =
                value(node, Counter::LocalNode)?.checked_add(value(node, Counter::OtherNode)?)?;
            wanted.checked_sub(placed)
        });
        let misses = nodes.iter().try_fold(0_i64, |sum, node| {
            sum.checked_add(value(node, Counter::NumaMiss)?)?
                .checked_sub(value(node, Counter::NumaForeign)?)
        });
        Some(Self {
            by_node: by_node.collect::<Option<_>>()?,
            misses: misses?,
        })
    }

    /// The largest of what is left over.
    #[must_use]
    pub fn largest(&self) -> u64 {
        let by_node = self.by_node.iter().map(|left| left.unsigned_abs()).max();
        by_node.unwrap_or(0).max(self.misses.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::NodeId, model::audit::CounterAudit};

    fn node(node: u16, kernel: [u64; 6]) -> AuditNode {
        let mut values = kernel.into_iter();
        AuditNode::new(NodeId(node), |_| CounterAudit::new(values.next(), None))
    }

    #[test]
    fn what_the_equations_leave_over_has_a_sign() {
        // Node 1 got one page that node 0 was asked for, and node 0 counted one local more than it had placed.
        let nodes = [node(0, [10, 0, 1, 0, 11, 0]), node(1, [5, 1, 0, 0, 5, 1])];
        let equations = Equations::of(&nodes);
        let kernel = equations.kernel.unwrap();
        assert_eq!(
            (kernel.by_node.as_slice(), kernel.misses),
            (&[-1, 0][..], 0)
        );
        assert_eq!(kernel.largest(), 1);
        assert_eq!(equations.traced, None, "nothing is known of our side here");
    }
}
