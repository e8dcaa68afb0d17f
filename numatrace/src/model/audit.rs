//! The audit: our totals beside the kernel's numastat counters, per node, for the same stretch of time.
//!
//! The arithmetic that reaches a verdict is `fold`'s; here is its result, and the one subtraction that must never be done two ways.

use serde::{Deserialize, Serialize};

use super::audit_beside::{Beside, Equations};
use crate::ids::NodeId;

/// numastat's six counters, in the order numastat prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counter {
    /// Wanted this node, got it.
    NumaHit,
    /// Wanted another node, got this one.
    NumaMiss,
    /// Wanted this node, got another one.
    NumaForeign,
    /// An interleave policy wanted this node and got it.
    InterleaveHit,
    /// Page here, CPU here.
    LocalNode,
    /// Page here, CPU elsewhere.
    OtherNode,
}

impl Counter {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::NumaHit,
        Self::NumaMiss,
        Self::NumaForeign,
        Self::InterleaveHit,
        Self::LocalNode,
        Self::OtherNode,
    ];

    /// numastat's name.
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

/// How well our totals agree with the kernel's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The result in one word.
    pub verdict: Verdict,
    /// The reason, in plain words; always there for `approximate`, `failed` and `unavailable`.
    pub why: Option<String>,
    /// One per node of `host.nodes`; empty when unavailable.
    pub nodes: Vec<AuditNode>,
    /// Causes of a residual, each counted.
    pub explained: Vec<Explained>,
    /// Allocations of the residual that no named cause covers.
    pub unexplained: Option<u64>,
    /// `/proc/vmstat` beside what we traced; the verdict does not rest on it.
    #[serde(default)]
    pub beside: Vec<Beside>,
    /// numastat's own equations on both sides.
    #[serde(default)]
    pub equations: Equations,
}

impl Audit {
    /// There is nothing to compare with, because `why`.
    #[must_use]
    pub fn unavailable(why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Unavailable,
            why: Some(why.into()),
            nodes: Vec::new(),
            explained: Vec::new(),
            unexplained: None,
            beside: Vec::new(),
            equations: Equations::default(),
        }
    }
}

/// The verdict of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every counter agrees, but for allocations in flight while it was read.
    Exact,
    /// They differ by no more than what the kernel told us it skipped, and what was in flight.
    WithinMisses,
    /// A hook is on its fallback: close, with a known hole.
    Approximate,
    /// They differ, and nothing explains it: do not trust the counts.
    Failed,
    /// The kernel does not count, or did not all the time.
    Unavailable,
}

/// The six comparisons of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditNode {
    /// The node.
    pub node: NodeId,
    /// Wanted this node, got it.
    pub numa_hit: CounterAudit,
    /// Wanted another node, got this one.
    pub numa_miss: CounterAudit,
    /// Wanted this node, got another one.
    pub numa_foreign: CounterAudit,
    /// An interleave policy wanted this node and got it.
    pub interleave_hit: CounterAudit,
    /// Page here, CPU here.
    pub local_node: CounterAudit,
    /// Page here, CPU elsewhere.
    pub other_node: CounterAudit,
}

impl AuditNode {
    /// Built from one comparison per counter, asked for in numastat's order.
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

    /// One comparison by the counter's name.
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

/// One counter of one node: what the kernel counted, what we did, and the difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterAudit {
    /// The kernel's delta over the session.
    pub kernel: Option<u64>,
    /// Ours, summed over all processes.
    pub traced: Option<u64>,
    /// `kernel - traced`.
    pub residual: Option<i64>,
}

impl CounterAudit {
    /// A comparison; the residual is known when both sides are.
    #[must_use]
    pub fn new(kernel: Option<u64>, traced: Option<u64>) -> Self {
        // Saturating at ±2^63 keeps the sign; no session counts that far.
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

/// One named cause of a residual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// What made the difference.
    pub cause: Cause,
    /// Allocations it accounts for, at most; `None` when it can be named but not counted.
    pub count: Option<u64>,
    /// The hook concerned, for [`Cause::HookLost`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
}

impl Explained {
    /// A counted cause.
    #[must_use]
    pub fn new(cause: Cause, count: u64) -> Self {
        Self {
            cause,
            count: Some(count),
            hook: None,
        }
    }
}

/// What can make our totals differ from the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The kernel skipped a run of our program because one was active on that CPU, and counted that.
    RecursionMisses,
    /// Allocations in flight while the kernel's counters were read.
    SnapshotEdge,
    /// The task changed its CPU between the kernel's count and ours.
    CpuChanged,
    /// A named hook is on its fallback or absent.
    HookLost,
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
