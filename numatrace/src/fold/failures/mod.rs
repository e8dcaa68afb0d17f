//! Failures by process: kills, huge pages, allocations and calls, each kind bounded.
//!
//! Records that are alike are one entry with a number. Searches for memory (direct reclaim) are
//! counted with the totals; here is only what memory there was meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use numatrace_common::event::{
    hugetlb_failed::HugetlbRequest, oom_kill::OomConstraint, policy_refused::PolicyCall,
};
use serde::{Deserialize, Serialize};

use super::shortages::Shortages;

use crate::{
    decode::{
        failure::{HugetlbFailed, OomKill},
        policy_refused::{PolicyRefused, Why},
    },
    enrich::{
        facts::memory::{NodeFree, NodePool},
        process::{Folds, ProcessIndex},
    },
    ids::{NodeId, Pid},
    model::Name,
};

/// Kills that are kept of a session or interval.
const KILLS: usize = 1_000;
/// Entries of each other kind.
const ENTRIES: usize = 4_096;

/// Entries of each kind where there is little room.
const FEW: usize = 16;

/// Failures of a session or interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Failures {
    /// Processes that were killed because memory was short, in the order of the records.
    pub killed: Vec<Killed>,
    /// Huge pages that a pool could not give.
    pub hugetlb: BTreeMap<(ProcessIndex, HugetlbKey), HugetlbTries>,
    /// Refused calls.
    pub refused: BTreeMap<(ProcessIndex, RefusedKey), RefusedTries>,
    /// Allocations that failed; `None` for those of interrupts.
    pub allocs: BTreeMap<(Option<ProcessIndex>, Option<u32>), Times>,
    /// Least free memory by node, in KiB, among the moments at which a process looked for memory
    /// on some nodes only.
    pub free_kb: BTreeMap<ProcessIndex, BTreeMap<NodeId, u64>>,
    /// Looks at nodes that could not give a page.
    pub shortages: Shortages,
    /// Records for which there was no room.
    pub no_room: u64,
}

/// A process that was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Killed {
    /// When, ns since boot.
    pub at_ns: u64,
    /// The process.
    pub process: ProcessIndex,
    /// Its name.
    pub comm: Name,
    /// The process whose allocation failed.
    pub asker: Pid,
    /// Limit that made memory short.
    pub constraint: Option<OomConstraint>,
    /// Order of the allocation.
    pub order: Option<u32>,
    /// Nodes that it might use.
    pub nodes: Vec<NodeId>,
    /// Free memory by node; empty where not known.
    pub free_kb: Vec<(NodeId, u64)>,
    /// Read when the record arrived, and not at the kill: the victim's memory may be in it.
    pub free_read_late: bool,
}

/// How often, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// How often.
    pub count: u64,
    /// The first time, ns since boot.
    pub first_ns: u64,
    /// The last time.
    pub last_ns: u64,
}

impl Times {
    fn add(&mut self, at_ns: u64) {
        self.first_ns = if self.count == 0 {
            at_ns
        } else {
            self.first_ns.min(at_ns)
        };
        self.last_ns = self.last_ns.max(at_ns);
        self.count = self.count.saturating_add(1);
    }

    fn merge(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        self.first_ns = if self.count == 0 {
            other.first_ns
        } else {
            self.first_ns.min(other.first_ns)
        };
        self.last_ns = self.last_ns.max(other.last_ns);
        self.count = self.count.saturating_add(other.count);
    }
}

/// Requests for huge pages that are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HugetlbKey {
    /// Kind of request.
    pub request: Option<HugetlbRequest>,
    /// Error number.
    pub errno: u32,
    /// Size of a page in KiB.
    pub page_kb: u64,
    /// Mode of the policy, 0 for none.
    pub policy_mode: u8,
    /// Nodes of the policy.
    pub nodes: Vec<NodeId>,
    /// Nodes of the cpuset.
    pub allowed: Vec<NodeId>,
    /// Number of the user stack.
    pub stack: Option<u32>,
}

/// Their sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HugetlbTries {
    /// How often and when.
    pub times: Times,
    /// Huge pages asked for.
    pub pages: u64,
    /// The first address that faulted.
    pub address: Option<u64>,
    /// Node of the CPU, the first time.
    pub cpu_node: NodeId,
    /// The pools at the first time.
    pub pools: Vec<NodePool>,
    /// They were looked up when the record arrived.
    #[serde(default)]
    pub pools_read_late: bool,
}

/// Refused calls that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RefusedKey {
    /// The call.
    pub call: Option<PolicyCall>,
    /// Error number.
    pub errno: u32,
    /// Cause, as far as it is known.
    pub why: Option<Why>,
    /// Number of the user stack.
    pub stack: Option<u32>,
}

/// Their sum, with the first one's arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedTries {
    /// How often and when.
    pub times: Times,
    /// Arguments.
    pub args: [u64; 4],
    /// Nodes or CPUs asked for.
    pub set: Vec<u16>,
    /// The word at the stack pointer.
    pub caller: Option<u64>,
}

/// Keeps the first entries; returns how many it left out.
fn shorten<K: Ord + Clone, V>(entries: &mut BTreeMap<K, V>) -> usize {
    let Some(first) = entries.keys().nth(FEW).cloned() else {
        return 0;
    };
    entries.split_off(&first).len()
}

impl Failures {
    /// Takes in a kill. A process is killed once, however many of its threads are marked.
    ///
    /// `late`: free memory as userspace reads it, asked only where the record has none.
    pub fn killed(
        &mut self,
        process: ProcessIndex,
        kill: &OomKill,
        at_ns: u64,
        page_kb: u64,
        late: impl FnOnce() -> Vec<NodeFree>,
    ) {
        let before = self
            .killed
            .iter_mut()
            .find(|killed| killed.process == process);
        if let Some(before) = before {
            // A thread that ends by itself may be marked before the reason is known.
            before.constraint = before.constraint.or(kill.constraint);
            before.order = before.order.or(kill.order);
            return;
        }
        if self.killed.len() >= KILLS {
            self.no_room = self.no_room.saturating_add(1);
            return;
        }
        let free_read_late = kill.constraint.is_none();
        let free_kb = if free_read_late {
            late()
                .iter()
                .map(|node| (node.node, node.free_kb))
                .collect()
        } else {
            let free = kill.free.iter();
            free.map(|(node, pages)| (*node, pages.saturating_mul(page_kb)))
                .collect()
        };
        self.killed.push(Killed {
            at_ns,
            process,
            comm: kill.comm.clone(),
            asker: kill.asker.pid,
            constraint: kill.constraint,
            order: kill.order,
            nodes: kill.nodes.clone(),
            free_kb,
            free_read_late,
        });
    }

    /// Takes in a request for huge pages that failed. `pools` is asked for the first of its kind
    /// only: a loop of such must not read files in a loop.
    pub fn hugetlb(
        &mut self,
        process: ProcessIndex,
        failed: &HugetlbFailed,
        at_ns: u64,
        pools: impl FnOnce() -> Vec<NodePool>,
    ) {
        let key = HugetlbKey {
            request: failed.request,
            errno: failed.errno,
            page_kb: failed.page_kb,
            policy_mode: failed.policy_mode,
            nodes: failed.nodes.clone(),
            allowed: failed.allowed.clone(),
            stack: failed.stack,
        };
        let full = self.hugetlb.len() >= ENTRIES;
        let key = (process, key);
        if full && !self.hugetlb.contains_key(&key) {
            self.no_room = self.no_room.saturating_add(1);
            return;
        }
        let tries = self.hugetlb.entry(key).or_insert_with(|| HugetlbTries {
            times: Times::default(),
            pages: 0,
            address: failed.address,
            cpu_node: failed.cpu_node,
            pools_read_late: failed.pools.is_none(),
            pools: match &failed.pools {
                Some(read) => {
                    let of = |&(node, free, total)| NodePool { node, total, free };
                    read.iter().map(of).collect()
                }
                None => pools(),
            },
        });
        tries.times.add(at_ns);
        tries.pages = tries.pages.saturating_add(failed.pages);
    }

    /// Takes in a refused call.
    pub fn refused(&mut self, process: ProcessIndex, refused: &PolicyRefused, at_ns: u64) {
        let key = RefusedKey {
            call: refused.call,
            errno: refused.errno,
            why: refused.why,
            stack: refused.stack,
        };
        let full = self.refused.len() >= ENTRIES;
        let key = (process, key);
        if full && !self.refused.contains_key(&key) {
            self.no_room = self.no_room.saturating_add(1);
            return;
        }
        let tries = self.refused.entry(key).or_insert_with(|| RefusedTries {
            times: Times::default(),
            args: refused.args,
            set: refused.set.clone(),
            caller: refused.caller,
        });
        tries.times.add(at_ns);
    }

    /// Takes in an allocation that failed.
    pub fn alloc(&mut self, process: Option<ProcessIndex>, stack: Option<u32>, at_ns: u64) {
        let full = self.allocs.len() >= ENTRIES;
        let key = (process, stack);
        if full && !self.allocs.contains_key(&key) {
            self.no_room = self.no_room.saturating_add(1);
            return;
        }
        self.allocs.entry(key).or_default().add(at_ns);
    }

    /// Returns the processes that records of failures are about.
    pub fn processes(&self) -> BTreeSet<ProcessIndex> {
        let killed = self.killed.iter().map(|killed| killed.process);
        let hugetlb = self.hugetlb.keys().map(|(process, _)| *process);
        let refused = self.refused.keys().map(|(process, _)| *process);
        killed.chain(hugetlb).chain(refused).collect()
    }

    /// Keeps the first few of each kind; the others are counted as without room.
    pub fn shorten(&mut self) {
        let mut left_out = self.killed.len().saturating_sub(FEW);
        self.killed.truncate(FEW);
        left_out += shorten(&mut self.hugetlb);
        left_out += shorten(&mut self.refused);
        left_out += shorten(&mut self.allocs);
        self.free_kb.clear();
        self.no_room = self.no_room.saturating_add(left_out as u64);
    }

    /// Gives what is known of folded processes to the rows that they go into.
    pub fn fold(&mut self, folds: &Folds) {
        let row = |process: &ProcessIndex| folds.processes.get(process).copied();
        let folded = self.allocs.extract_if(.., |(process, _), _| {
            process.is_some_and(|process| row(&process).is_some())
        });
        let folded: Vec<_> = folded.collect();
        for ((process, stack), times) in folded {
            let key = (process.and_then(|process| row(&process)), stack);
            self.allocs.entry(key).or_default().merge(times);
        }
        let folded = self
            .free_kb
            .extract_if(.., |process, _| row(process).is_some());
        let folded: Vec<_> = folded.collect();
        for (process, free) in folded {
            let Some(row) = row(&process) else { continue };
            let least = self.free_kb.entry(row).or_default();
            for (node, kb) in free {
                let known = least.entry(node).or_insert(kb);
                *known = (*known).min(kb);
            }
        }
    }

    /// Takes in what memory was free while a process looked for some on some nodes only.
    pub fn looked_for_memory(&mut self, process: ProcessIndex, free: &[NodeFree]) {
        if self.free_kb.len() >= ENTRIES && !self.free_kb.contains_key(&process) {
            return;
        }
        let least = self.free_kb.entry(process).or_default();
        for node in free {
            let kb = least.entry(node.node).or_insert(node.free_kb);
            *kb = (*kb).min(node.free_kb);
        }
    }
}

#[cfg(test)]
mod tests;
