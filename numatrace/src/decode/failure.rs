//! Typed records of what failed: OOM kills, huge pages, allocations.

use numatrace_common::event::{
    NodeSet,
    alloc_failed::AllocFailed as RawAlloc,
    hugetlb_failed::{HugetlbFailed as RawHugetlb, HugetlbRequest},
    node_shortage::NodeShortage as RawShortage,
    oom_kill::{OomConstraint, OomKill as RawOom},
};

use super::count::{Owner, ThreadId};
use crate::{
    ids::{NodeId, Pid, Tid},
    model::Name,
};

/// A process was killed because memory was short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OomKill {
    /// The thread that was marked as the victim.
    pub victim: ThreadId,
    /// Its name.
    pub comm: Name,
    /// The thread whose allocation failed.
    pub asker: ThreadId,
    /// Limit that made memory short; `None` where the hook that knows it is not in place.
    pub constraint: Option<OomConstraint>,
    /// Order of the allocation; `None` likewise.
    pub order: Option<u32>,
    /// Node of the CPU.
    pub cpu_node: NodeId,
    /// Nodes that it might use; empty where that is not known.
    pub nodes: Vec<NodeId>,
    /// Free base pages by node at that moment, nearest node first; empty where not known.
    pub free: Vec<(NodeId, u64)>,
}

/// A huge page that the pool could not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HugetlbFailed {
    /// The thread.
    pub thread: ThreadId,
    /// Address that faulted.
    pub address: Option<u64>,
    /// Kind of request; `None` for a number this version does not know.
    pub request: Option<HugetlbRequest>,
    /// Error number, positive.
    pub errno: u32,
    /// Size of the page in KiB.
    pub page_kb: u64,
    /// Mode of the memory policy (include/uapi/linux/mempolicy.h), 0 for none.
    pub policy_mode: u8,
    /// Nodes of that policy.
    pub nodes: Vec<NodeId>,
    /// Nodes of the thread's cpuset.
    pub allowed: Vec<NodeId>,
    /// Huge pages asked for.
    pub pages: u64,
    /// Node of the CPU.
    pub cpu_node: NodeId,
    /// Number of the user stack.
    pub stack: Option<u32>,
    /// The pool at that moment: node, free pages, all pages, of nodes that there may be. `None`
    /// where the kernel side could not read it.
    pub pools: Option<Vec<(NodeId, u64, u64)>>,
}

/// An allocation failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocFailed {
    /// Owner of the allocation.
    pub owner: Owner,
    /// Node of the CPU.
    pub cpu_node: NodeId,
    /// Number of the kernel stack.
    pub stack: Option<u32>,
}

/// A node that could not give a page that was wanted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeShortage {
    /// The node.
    pub node: NodeId,
    /// Order of the request.
    pub order: u32,
    /// The memory is for programs and files: it may lie in a movable zone.
    pub movable: bool,
    /// The cpuset of the asking task allows the node.
    pub allowed: bool,
    /// Free base pages of its preferred zone.
    pub free_pages: u64,
    /// Free blocks of that zone that are large enough.
    pub blocks: u64,
    /// Base pages that the zone keeps back; `None` where not known.
    pub low_pages: Option<u64>,
}

/// The members of a set of nodes.
pub fn nodes(set: &NodeSet) -> Vec<NodeId> {
    members(set).map(NodeId).collect()
}

/// The numbers in a set, ascending.
pub fn members(set: &NodeSet) -> impl Iterator<Item = u16> {
    (0u16..).zip(*set).flat_map(|(at, word)| {
        (0u16..64)
            .filter(move |bit| word >> bit & 1 != 0)
            .map(move |bit| at * 64 + bit)
    })
}

/// Returns the lowest of some nodes, or `other` where there are none.
pub fn lowest(nodes: &[NodeId], other: NodeId) -> NodeId {
    nodes.iter().copied().min().unwrap_or(other)
}

/// A node that the kernel side read; none has the largest number.
pub(super) fn node(number: u32) -> NodeId {
    NodeId(u16::try_from(number).unwrap_or(u16::MAX))
}

fn thread(tgid: u32, tid: u32, start_ns: u64) -> ThreadId {
    ThreadId {
        pid: Pid(tgid),
        tid: Tid(tid),
        start_ns,
    }
}

impl From<RawOom> for OomKill {
    fn from(raw: RawOom) -> Self {
        let RawOom {
            header: _,
            start_ns,
            tid,
            tgid,
            asker_start_ns,
            asker_tid,
            asker_tgid,
            comm,
            context,
        } = raw;
        let constraint = usize::try_from(context.constraint)
            .ok()
            .and_then(|number| OomConstraint::ALL.get(number).copied());
        let mut free: Vec<(NodeId, u64)> = Vec::new();
        for zone in context.free.iter().filter(|zone| zone.known != 0) {
            let node = node(zone.node);
            match free.iter_mut().find(|(of, _)| *of == node) {
                Some((_, pages)) => *pages = pages.saturating_add(zone.pages),
                None => free.push((node, zone.pages)),
            }
        }
        Self {
            victim: thread(tgid, tid, start_ns),
            comm: Name::from_nul_padded(&comm),
            asker: thread(asker_tgid, asker_tid, asker_start_ns),
            constraint,
            order: constraint.map(|_| context.order),
            cpu_node: node(context.cpu_node),
            nodes: nodes(&context.nodes),
            free,
        }
    }
}

impl From<RawHugetlb> for HugetlbFailed {
    fn from(raw: RawHugetlb) -> Self {
        let RawHugetlb {
            header: _,
            start_ns,
            tid,
            tgid,
            address,
            request,
            errno,
            size_bits,
            policy_mode,
            pages,
            cpu_node,
            pools_known,
            nodes: wanted,
            allowed,
            stack,
            free,
            total,
        } = raw;
        let counts = free.into_iter().flatten().zip(total.into_iter().flatten());
        let pools = (0u16..).zip(counts);
        let pools = pools.map(|(at, (free, total))| (NodeId(at), free.into(), total.into()));
        Self {
            thread: thread(tgid, tid, start_ns),
            address: (address != 0).then_some(address),
            request: usize::try_from(request)
                .ok()
                .and_then(|number| HugetlbRequest::ALL.get(number).copied()),
            errno,
            page_kb: 1u64.checked_shl(size_bits).unwrap_or(0) / 1024,
            policy_mode: u8::try_from(policy_mode).unwrap_or(u8::MAX),
            nodes: nodes(&wanted),
            allowed: nodes(&allowed),
            pages,
            cpu_node: node(cpu_node),
            stack: u32::try_from(stack).ok(),
            pools: (pools_known != 0).then(|| pools.collect()),
        }
    }
}

impl From<RawShortage> for NodeShortage {
    fn from(raw: RawShortage) -> Self {
        let RawShortage {
            header: _,
            node: number,
            order,
            movable,
            reserved: _,
            free_pages,
            blocks,
            low_pages,
            allowed,
        } = raw;
        let node = node(number);
        Self {
            node,
            order,
            movable: movable != 0,
            allowed: members(&allowed).any(|number| NodeId(number) == node),
            free_pages,
            blocks,
            low_pages: (low_pages != u64::MAX).then_some(low_pages),
        }
    }
}

impl From<RawAlloc> for AllocFailed {
    fn from(raw: RawAlloc) -> Self {
        let RawAlloc {
            header: _,
            start_ns,
            tid,
            tgid,
            cpu_node,
            reserved: _,
            allowed: _,
            stack,
        } = raw;
        Self {
            owner: Owner::new(tgid, tid, start_ns),
            cpu_node: node(cpu_node),
            stack: u32::try_from(stack).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use numatrace_common::event::oom_kill::{CONSTRAINT_UNKNOWN, ZoneFree};

    #[test]
    fn members_of_a_set_are_numbered_across_its_words() {
        let mut set = [0; 16];
        (set[0], set[1], set[15]) = (0b101, 1, 1 << 63);
        assert_eq!(members(&set).collect::<Vec<_>>(), [0, 2, 64, 1023]);
    }

    #[test]
    fn a_kill_without_its_reason_is_still_one() {
        let mut raw = RawOom {
            tgid: 7,
            tid: 8,
            ..RawOom::default()
        };
        raw.context.constraint = CONSTRAINT_UNKNOWN;
        let kill = OomKill::from(raw);
        assert_eq!((kill.constraint, kill.order), (None, None));
        assert!(kill.free.is_empty() && kill.victim.pid == Pid(7));

        raw.context.constraint = OomConstraint::MemoryPolicy as u32;
        raw.context.nodes[0] = 1;
        for (at, (node, pages)) in [(1, 300), (1, 20), (0, 7)].into_iter().enumerate() {
            raw.context.free[at] = ZoneFree {
                node,
                known: 1,
                pages,
            };
        }
        let kill = OomKill::from(raw);
        assert_eq!(kill.constraint, Some(OomConstraint::MemoryPolicy));
        assert_eq!(kill.nodes, [NodeId(0)]);
        assert_eq!(kill.free, [(NodeId(1), 320), (NodeId(0), 7)]);
    }
}
