//! Page allocations: numastat's six counters of a process, a thread or a sum, with pages and
//! causes.
//!
//! The unit is numastat's: one satisfied request to the page allocator, of any order; a 2 MiB huge
//! page counts once. `pages` has the base pages of those requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::alloc_class::{ByClass, PolicyMode};
use super::alloc_pages::AllocPages;
use super::audit::Counter;
use super::matrix::{PerNode, add_known, share};
use super::remote_by_cause::RemoteByCause;

/// The counters of a process, a thread or a sum; each per node of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alloc {
    /// Allocations that preferred this node and got a page of it. `None` on the fallback hook,
    /// which does not see the preference.
    pub numa_hit: Option<PerNode>,
    /// Allocations that preferred a different node and got a page of this one. `None` on the
    /// fallback hook.
    pub numa_miss: Option<PerNode>,
    /// Allocations that preferred this node and got a page of a different one. `None` on the
    /// fallback hook.
    pub numa_foreign: Option<PerNode>,
    /// Interleaved allocations that got a page of this node as intended. `None` on the fallback
    /// hook.
    pub interleave_hit: Option<PerNode>,
    /// Local allocations: page and allocating CPU are on this node.
    pub local_node: Option<PerNode>,
    /// Remote allocations: the page is on this node, the allocating CPU on a different one.
    pub other_node: Option<PerNode>,
    /// Base pages: `1 << order` for each allocation.
    pub pages: Option<PerNode>,
    /// Remote and missed allocations by cause.
    pub remote_by_cause: Option<RemoteByCause>,
    /// [`RemoteByCause::policy`] by mode of the policy: a partition.
    #[serde(default)]
    pub policy_by_mode: Option<BTreeMap<PolicyMode, u64>>,
    /// The part of `policy_by_mode` under [`PolicyMode::Bind`] whose policy has several nodes.
    /// `None` in reports of earlier versions.
    #[serde(default)]
    pub bind_to_several: Option<u64>,
    /// The allocations in base pages; `None` on the fallback hook.
    #[serde(default)]
    pub in_pages: Option<AllocPages>,
    /// All allocations by size and use: a partition.
    #[serde(default)]
    pub by_class: Option<ByClass>,
}

impl Alloc {
    /// Everything measured and nothing counted, on `nodes` nodes. `Alloc::default()` is the
    /// opposite: nothing measured.
    #[must_use]
    pub fn zeros(nodes: usize) -> Self {
        let zero = Some(PerNode::zeros(nodes));
        Self {
            numa_hit: zero.clone(),
            numa_miss: zero.clone(),
            numa_foreign: zero.clone(),
            interleave_hit: zero.clone(),
            local_node: zero.clone(),
            other_node: zero.clone(),
            pages: zero,
            remote_by_cause: Some(RemoteByCause::default()),
            policy_by_mode: Some(BTreeMap::new()),
            bind_to_several: Some(0),
            in_pages: Some(AllocPages::zeros(nodes)),
            by_class: Some(ByClass::default()),
        }
    }

    /// Returns one of the six counters.
    #[must_use]
    pub fn counter(&self, counter: Counter) -> Option<&PerNode> {
        match counter {
            Counter::NumaHit => self.numa_hit.as_ref(),
            Counter::NumaMiss => self.numa_miss.as_ref(),
            Counter::NumaForeign => self.numa_foreign.as_ref(),
            Counter::InterleaveHit => self.interleave_hit.as_ref(),
            Counter::LocalNode => self.local_node.as_ref(),
            Counter::OtherNode => self.other_node.as_ref(),
        }
    }

    /// Returns all allocations, local and remote.
    #[must_use]
    pub fn allocations(&self) -> Option<u64> {
        Some(self.local()?.saturating_add(self.remote()?))
    }

    /// Returns the allocations whose page is on the node of the allocating CPU.
    #[must_use]
    pub fn local(&self) -> Option<u64> {
        self.local_node.as_ref().map(PerNode::total)
    }

    /// Returns the allocations whose page is on a different node from the allocating CPU.
    #[must_use]
    pub fn remote(&self) -> Option<u64> {
        self.other_node.as_ref().map(PerNode::total)
    }

    /// Returns the allocations that the preferred node could not satisfy.
    #[must_use]
    pub fn misses(&self) -> Option<u64> {
        self.numa_miss.as_ref().map(PerNode::total)
    }

    /// Returns the allocations that a policy made remote and that it means to: one that spreads
    /// memory, or that has several nodes.
    #[must_use]
    pub fn meant_by_policy(&self) -> u64 {
        let modes = self.policy_by_mode.iter().flatten();
        let meant = modes.filter(|(mode, _)| mode.has_several_nodes());
        let sum: u64 = meant.map(|(_, count)| count).sum();
        sum.saturating_add(self.bind_to_several.unwrap_or(0))
    }

    /// Returns the base pages of all allocations.
    #[must_use]
    pub fn page_total(&self) -> Option<u64> {
        self.pages.as_ref().map(PerNode::total)
    }

    /// Returns remote allocations as a share of all, 0 to 1; `None` when nothing was allocated or
    /// measured.
    #[must_use]
    pub fn remote_share(&self) -> Option<f64> {
        share(self.remote()?, self.allocations()?)
    }

    /// Adds the counts of another; a counter that one of the two does not know becomes unknown.
    pub fn add(&mut self, other: &Self) {
        add_known(&mut self.numa_hit, other.numa_hit.as_ref());
        add_known(&mut self.numa_miss, other.numa_miss.as_ref());
        add_known(&mut self.numa_foreign, other.numa_foreign.as_ref());
        add_known(&mut self.interleave_hit, other.interleave_hit.as_ref());
        add_known(&mut self.local_node, other.local_node.as_ref());
        add_known(&mut self.other_node, other.other_node.as_ref());
        add_known(&mut self.pages, other.pages.as_ref());
        match (
            self.remote_by_cause.as_mut(),
            other.remote_by_cause.as_ref(),
        ) {
            (Some(sum), Some(more)) => sum.add(more),
            _ => self.remote_by_cause = None,
        }
        match (self.policy_by_mode.as_mut(), &other.policy_by_mode) {
            (Some(sum), Some(more)) => {
                for (mode, count) in more {
                    let sum = sum.entry(*mode).or_default();
                    *sum = sum.saturating_add(*count);
                }
            }
            _ => self.policy_by_mode = None,
        }
        self.bind_to_several = match (self.bind_to_several, other.bind_to_several) {
            (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
            _ => None,
        };
        match (self.in_pages.as_mut(), other.in_pages.as_ref()) {
            (Some(sum), Some(more)) => sum.add(more),
            _ => self.in_pages = None,
        }
        match (self.by_class.as_mut(), other.by_class.as_ref()) {
            (Some(sum), Some(more)) => sum.add(more),
            _ => self.by_class = None,
        }
    }

    /// Returns the sum of several; `None` when there is none to add.
    #[must_use]
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut sum = parts.next()?.clone();
        for part in parts {
            sum.add(part);
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_is_other_node_and_its_share_is_of_all_allocations() {
        let alloc = Alloc {
            local_node: Some(PerNode(vec![70, 5])),
            other_node: Some(PerNode(vec![5, 20])),
            ..Alloc::default()
        };
        assert_eq!(
            (alloc.local(), alloc.remote(), alloc.allocations()),
            (Some(75), Some(25), Some(100))
        );
        assert_eq!(alloc.remote_share(), Some(0.25));
        assert_eq!(
            alloc.misses(),
            None,
            "a counter that was not measured stays unknown"
        );
    }

    #[test]
    fn a_sum_with_one_fallback_part_knows_local_and_remote_but_not_misses() {
        let exact = Alloc {
            local_node: Some(PerNode(vec![1, 2])),
            ..Alloc::zeros(2)
        };
        let fallback = Alloc {
            local_node: Some(PerNode(vec![10, 20])),
            numa_miss: None,
            ..Alloc::zeros(2)
        };
        let sum = Alloc::sum([&exact, &fallback]).unwrap();
        assert_eq!(sum.local_node, Some(PerNode(vec![11, 22])));
        assert_eq!(sum.numa_miss, None);
        assert_eq!(Alloc::sum([]), None);
    }

    #[test]
    fn causes_rank_largest_first_and_add_up() {
        let causes = RemoteByCause {
            fallback: 40,
            policy: 60,
            ..RemoteByCause::default()
        };
        assert_eq!(causes.ranked()[..2], [("policy", 60), ("fallback", 40)]);
        assert_eq!(causes.total(), 100);
    }
}
