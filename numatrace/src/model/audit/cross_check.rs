//! Cross-checks of the audit: `/proc/vmstat` compared with traced counts, and numastat's own
//! equations on both sides.
//!
//! The verdict does not depend on them: vmstat is not read at the instant of the nodes' files, and
//! counts some events differently.

use serde::{Deserialize, Serialize};

use super::counter::{AuditNode, Counter};

/// One count of the whole system, the kernel's and ours, between two readings of `/proc/vmstat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossCheck {
    /// The counted event.
    pub what: CrossCheckKind,
    /// Growth of the kernel's counter.
    pub kernel: Option<u64>,
    /// Traced count.
    pub traced: Option<u64>,
    /// `kernel - traced`.
    pub residual: Option<i64>,
}

/// Events that `/proc/vmstat` counts as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrossCheckKind {
    /// Base pages allocated: Σ `pgalloc_*`.
    Pages,
    /// NUMA hinting faults: `numa_hint_faults`.
    HintFaults,
    /// Page table entries that NUMA balancing made to fault: `numa_pte_updates`.
    PteUpdates,
    /// Base pages that hinting faults moved: `numa_pages_migrated`.
    HintMigrated,
    /// Base pages migrated for any reason, including within a node: `pgmigrate_success`.
    PageMigrations,
}

impl CrossCheckKind {
    /// Returns the names of the rows of `/proc/vmstat`.
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

/// How far numastat's own equations are off, on both sides; `None` where one of their counters is
/// not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equations {
    /// Imbalance of the kernel's counters. They are not read in one instant, so a few allocations
    /// in flight show here.
    pub kernel: Option<Imbalance>,
    /// Imbalance of traced counts: zero by construction.
    pub traced: Option<Imbalance>,
}

/// The remainders of numastat's two equations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imbalance {
    /// Per node `numa_hit + numa_miss - local_node - other_node`.
    pub by_node: Vec<i64>,
    /// `Σ numa_miss - Σ numa_foreign`.
    pub misses: i64,
}

impl Equations {
    /// Computes both sides from the nodes of an audit.
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

    /// Returns the largest remainder, without its sign.
    #[must_use]
    pub fn largest(&self) -> u64 {
        let by_node = self.by_node.iter().map(|left| left.unsigned_abs()).max();
        by_node.unwrap_or(0).max(self.misses.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;
    use crate::model::audit::CounterAudit;

    fn node(node: u16, kernel: [u64; 6]) -> AuditNode {
        let mut values = kernel.into_iter();
        AuditNode::new(NodeId(node), |_| CounterAudit::new(values.next(), None))
    }

    #[test]
    fn remainders_of_the_equations_have_a_sign() {
        // Node 1 gave one page that node 0 was asked for, and node 0 counted one local allocation
        // more than it had placed.
        let nodes = [node(0, [10, 0, 1, 0, 11, 0]), node(1, [5, 1, 0, 0, 5, 1])];
        let equations = Equations::of(&nodes);
        let kernel = equations.kernel.unwrap();
        assert_eq!(
            (kernel.by_node.as_slice(), kernel.misses),
            (&[-1, 0][..], 0)
        );
        assert_eq!(kernel.largest(), 1);
        assert_eq!(equations.traced, None, "no traced count is known here");
    }
}
