//! Causes for which memory is remote, or missed the node that was preferred.

use serde::{Deserialize, Serialize};

/// Allocations that were remote (`other_node`) or missed (`numa_miss`), each under one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteByCause {
    /// A memory policy of the task or mapping chose a different node (bind, interleave, preferred).
    pub policy: u64,
    /// The preferred node had no page to give: every `numa_miss` but those of `cpuset`.
    pub fallback: u64,
    /// The cpuset does not allow the CPU's node, or the node that the kernel preferred.
    pub cpuset: u64,
    /// The CPU's node has no memory that fits the request, such as memory below 4 GiB.
    pub memoryless: u64,
    /// Kernel code asked for the node by number.
    pub kernel_node: u64,
    /// The task changed its CPU between the request and the count.
    pub task_moved: u64,
    /// None of these causes could be shown.
    pub unknown: u64,
}

impl RemoteByCause {
    /// Returns the causes by field name, largest first; equal ones in the order of the fields.
    #[must_use]
    pub fn ranked(&self) -> Vec<(&'static str, u64)> {
        let Self {
            policy,
            fallback,
            cpuset,
            memoryless,
            kernel_node,
            task_moved,
            unknown,
        } = *self;
        let mut causes = vec![
            ("policy", policy),
            ("fallback", fallback),
            ("cpuset", cpuset),
            ("memoryless", memoryless),
            ("kernel_node", kernel_node),
            ("task_moved", task_moved),
            ("unknown", unknown),
        ];
        causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        causes
    }

    /// Returns the sum over all causes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ranked()
            .iter()
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        let Self {
            policy,
            fallback,
            cpuset,
            memoryless,
            kernel_node,
            task_moved,
            unknown,
        } = other;
        for (sum, more) in [
            (&mut self.policy, policy),
            (&mut self.fallback, fallback),
            (&mut self.cpuset, cpuset),
            (&mut self.memoryless, memoryless),
            (&mut self.kernel_node, kernel_node),
            (&mut self.task_moved, task_moved),
            (&mut self.unknown, unknown),
        ] {
            *sum = sum.saturating_add(*more);
        }
    }
}
