//! The audit: traced totals compared with the kernel's numastat counters, per node, over the same
//! interval.
//!
//! `label` computes the verdict; this is its result. The one subtraction that must never be done in
//! two ways is [`CounterAudit::new`].

mod counter;
mod cross_check;

use serde::{Deserialize, Serialize};

pub use counter::{AuditNode, Counter, CounterAudit};
pub use cross_check::{CrossCheck, CrossCheckKind, Equations, Imbalance};

/// The comparison of traced totals with the kernel's counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The result in one word.
    pub verdict: Verdict,
    /// The reason in plain words; always present for `approximate`, `failed` and `unavailable`.
    pub why: Option<String>,
    /// One per node of `host.nodes`; empty when unavailable.
    pub nodes: Vec<AuditNode>,
    /// Known causes of a residual, each with its count.
    pub explained: Vec<Explained>,
    /// Allocations of the residual that no known cause covers.
    pub unexplained: Option<u64>,
    /// `/proc/vmstat` compared with traced counts; the verdict does not depend on it.
    #[serde(default, rename = "beside")]
    pub cross_check: Vec<CrossCheck>,
    /// How far numastat's own equations are off, on both sides.
    #[serde(default)]
    pub equations: Equations,
}

impl Audit {
    /// An audit without a comparison; `why` says what is missing.
    #[must_use]
    pub fn unavailable(why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Unavailable,
            why: Some(why.into()),
            nodes: Vec::new(),
            explained: Vec::new(),
            unexplained: None,
            cross_check: Vec::new(),
            equations: Equations::default(),
        }
    }
}

/// The verdict of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every counter agrees, except for allocations in flight while it was read.
    Exact,
    /// The counters differ by no more than the program runs that the kernel reports as skipped and
    /// the allocations in flight.
    WithinMisses,
    /// A hook is reduced or not attached: the counts are close, with a known gap.
    Approximate,
    /// The counters differ and nothing explains it: do not trust the counts.
    Failed,
    /// The kernel did not count, or not during the whole session (`vm.numa_stat`).
    Unavailable,
}

/// One known cause of a residual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The cause.
    pub cause: Cause,
    /// Allocations that the cause accounts for, at most; `None` when they cannot be counted.
    pub count: Option<u64>,
    /// The hook concerned, for [`Cause::HookLost`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
}

impl Explained {
    /// A cause with its count.
    #[must_use]
    pub fn new(cause: Cause, count: u64) -> Self {
        Self {
            cause,
            count: Some(count),
            hook: None,
        }
    }
}

/// Causes of a difference between traced totals and the kernel's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The kernel skipped a run of our program because one was active on that CPU, and counted the
    /// skip.
    RecursionMisses,
    /// Allocations in flight while the kernel's counters were read.
    SnapshotEdge,
    /// The task changed its CPU between the kernel's count and ours.
    CpuChanged,
    /// A hook is reduced or not attached; [`Explained::hook`] names it.
    HookLost,
}
