//! Failures of the report: records and counts with names, errors and stacks.

use std::{cmp::Reverse, collections::HashMap};

use super::{activity::Measured, code::Code, places::Places, symbol::Of};
use crate::{
    decode::{
        count::{ReclaimKey, ReclaimKind},
        policy_refused::errno_name,
    },
    enrich::{Enrich, process::ProcessIndex},
    fold::{
        Counts, Tally,
        failures::{self as fold, HugetlbKey, HugetlbTries, RefusedKey, RefusedTries},
    },
    ids::{NodeId, Pid, ranges},
    model::{
        Addr, PolicyMode, Process, Stack,
        failure::{
            AllocFailed, Confined, Constraint, Failures, FreeMemory, HugetlbFailed, OomKill,
            PolicyCall, Pool, Reclaim, Reclaims, Refused, Request,
        },
    },
};

/// `MPOL_BIND`, the one mode that a pool of huge pages does not look past.
const BIND: u8 = 2;

/// Sources of the lists of a report.
pub struct Sources<'a, F> {
    /// Failures so far.
    pub failures: &'a fold::Failures,
    /// Which hooks saw it.
    pub measured: &'a Measured,
    /// Nodes that have memory: a cpuset of all of them is no limit.
    pub with_memory: &'a [NodeId],
    /// Where stacks come from, and names of their functions.
    pub code: &'a mut dyn Code,
    /// The report's stacks.
    pub stacks: &'a mut Vec<Stack>,
    /// Processes and what lies where in them.
    pub enrich: &'a Enrich<F>,
}

/// Gives each process its failures, and returns those of all; `None` where nothing of the kind was
/// measured. The processes have their searches for memory already.
pub fn fill<F>(processes: &mut [Process], from: Sources<'_, F>) -> Option<Failures> {
    let Sources {
        failures,
        measured,
        with_memory,
        code,
        stacks,
        enrich,
    } = from;
    let mut all = empty(measured)?;
    let mut ids = StackIds {
        code,
        stacks,
        enrich,
        known: HashMap::new(),
    };
    let places = Places::of(processes);
    for process in processes.iter() {
        if let Some(own) = process
            .failures
            .as_ref()
            .and_then(|own| own.reclaim.as_ref())
            && let Some(sum) = &mut all.reclaim
        {
            sum.merge(own);
        }
    }
    let known = &enrich.processes;
    let place = |index: ProcessIndex| {
        let process = known.get(index);
        (process.pid, places.at(process))
    };
    let mut own = |at: Option<usize>, add: &mut dyn FnMut(&mut Failures)| {
        add(&mut all);
        let process = at.and_then(|at| processes.get_mut(at));
        if let Some(process) = process {
            add(process.failures.get_or_insert_with(|| {
                let mut lists = empty(measured).unwrap_or_default();
                lists.reclaim = lists.reclaim.map(|_| Reclaims::default());
                lists
            }));
        }
    };
    for killed in failures.killed.iter().filter(|_| measured.oom_kills) {
        let (pid, at) = place(killed.process);
        own(at, &mut |to| push(&mut to.oom_kills, oom_kill(killed, pid)));
    }
    for ((index, key), tries) in failures.hugetlb.iter().filter(|_| measured.hugetlb_failed) {
        let (pid, at) = place(*index);
        let stack = key.stack.and_then(|number| ids.user(*index, number, None));
        let nodes = confined(key, with_memory);
        let mut failed = hugetlb(key, tries, nodes, (pid, stack), with_memory);
        let line = tries.address.and_then(|at| enrich.spaces.line(*index, at));
        let kb = line.map(|line| line.end.saturating_sub(line.start) >> 10);
        failed.mapping_pages = kb.and_then(|kb| kb.checked_div(key.page_kb));
        own(at, &mut |to| push(&mut to.hugetlb, failed.clone()));
    }
    for ((index, key), tries) in failures.refused.iter().filter(|_| measured.policy_refused) {
        let (pid, at) = place(*index);
        let stack = key
            .stack
            .and_then(|number| ids.user(*index, number, tries.caller));
        let call = refused(key, tries, (pid, stack));
        own(at, &mut |to| push(&mut to.refused, call.clone()));
    }
    for ((index, number), times) in failures.allocs.iter().filter(|_| measured.alloc_failed) {
        let (pid, at) = index.map_or((Pid(0), None), place);
        let failed = AllocFailed {
            pid,
            count: times.count,
            at_ns: times.first_ns,
            stack: number.and_then(|number| ids.kernel(number)),
        };
        own(at, &mut |to| push(&mut to.alloc_failed, failed));
    }
    for (index, free) in &failures.free_kb {
        let at = place(*index).1;
        let Some(process) = at.and_then(|at| processes.get_mut(at)) else {
            continue;
        };
        let own = process.failures.as_mut();
        if let Some(reclaim) = own.and_then(|own| own.reclaim.as_mut()) {
            reclaim.free = Some(free_memory(free.iter().map(|(node, kb)| (*node, *kb))));
        }
    }
    let of_processes = processes.iter_mut();
    let of_processes = of_processes.filter_map(|process| process.failures.as_mut());
    of_processes.chain([&mut all]).for_each(sort);
    Some(all)
}

/// Nothing failed, as far as it is measured; `None` when nothing is.
fn empty(measured: &Measured) -> Option<Failures> {
    let Measured {
        oom_kills,
        reclaim,
        alloc_failed,
        hugetlb_failed,
        policy_refused,
        ..
    } = *measured;
    let any = oom_kills || reclaim || alloc_failed || hugetlb_failed || policy_refused;
    any.then(|| Failures {
        oom_kills: oom_kills.then(Vec::new),
        reclaim: reclaim.then(Reclaims::default),
        alloc_failed: alloc_failed.then(Vec::new),
        hugetlb: hugetlb_failed.then(Vec::new),
        refused: policy_refused.then(Vec::new),
    })
}

fn push<T>(list: &mut Option<Vec<T>>, one: T) {
    list.get_or_insert_default().push(one);
}

/// Puts the most frequent first, kills in order of time.
fn sort(failures: &mut Failures) {
    if let Some(kills) = &mut failures.oom_kills {
        kills.sort_by_key(|kill| (kill.at_ns, kill.pid));
    }
    if let Some(failed) = &mut failures.alloc_failed {
        failed.sort_by_key(|failed| (Reverse(failed.count), failed.at_ns, failed.pid));
    }
    if let Some(failed) = &mut failures.hugetlb {
        failed.sort_by_key(|failed| (Reverse(failed.count), failed.at_ns, failed.pid));
    }
    if let Some(refused) = &mut failures.refused {
        refused.sort_by_key(|refused| (Reverse(refused.count), refused.at_ns, refused.pid));
    }
}

/// Searches for memory among an owner's counts; `None` when it made none, or that is not
/// measured.
pub fn reclaims(counts: &Counts, measured: &Measured) -> Option<Failures> {
    if !measured.reclaim || counts.reclaims.is_empty() {
        return None;
    }
    let mut sum = Reclaims::default();
    for (key, tally) in &counts.reclaims {
        let pages = counts.reclaimed.get(key).copied().unwrap_or(0);
        add(&mut sum, *key, *tally, pages);
    }
    sum.confined
        .sort_by_key(|part| Reverse((part.ns, part.count)));
    let own = empty(measured)?;
    Some(Failures {
        reclaim: Some(sum),
        ..own
    })
}

fn add(sum: &mut Reclaims, key: ReclaimKey, tally: Tally, pages: u64) {
    let reclaim = Reclaim {
        count: tally.count,
        ns: tally.amount,
        pages,
    };
    match key.kind {
        Some(ReclaimKind::Direct) => {
            sum.direct.merge(reclaim);
            if let Some(limit) = key.limit {
                sum.confine(Confined {
                    node: limit.node,
                    several: limit.several,
                    by: if limit.by_cpuset {
                        Constraint::Cpuset
                    } else {
                        Constraint::MemoryPolicy
                    },
                    count: tally.count,
                    ns: tally.amount,
                });
            }
        }
        Some(ReclaimKind::Node) => sum.node_reclaim.merge(reclaim),
        Some(ReclaimKind::Compaction) => sum.compaction.merge(reclaim),
        None => {}
    }
}

fn oom_kill(killed: &fold::Killed, pid: Pid) -> OomKill {
    let constraint = killed.constraint.map(Constraint::from);
    let of_nodes = constraint.is_some_and(Constraint::is_of_nodes);
    OomKill {
        at_ns: killed.at_ns,
        pid,
        comm: killed.comm.clone(),
        asked_by: killed.asker,
        constraint,
        nodes: if of_nodes {
            killed.nodes.clone()
        } else {
            Vec::new()
        },
        order: killed.order,
        free: (!killed.free_kb.is_empty()).then(|| free_memory(killed.free_kb.iter().copied())),
        free_read_late: killed.free_read_late,
    }
}

fn free_memory(free: impl Iterator<Item = (NodeId, u64)>) -> Vec<FreeMemory> {
    let mut free: Vec<FreeMemory> = free.map(|(node, kb)| FreeMemory { node, kb }).collect();
    free.sort_by_key(|free| free.node);
    free
}

/// Nodes that a huge page had to come from: those of a bind policy, within the cpuset, or those of
/// the cpuset; empty when it could have come from any that has memory.
fn confined(key: &HugetlbKey, with_memory: &[NodeId]) -> Vec<NodeId> {
    let allowed = |node: &&NodeId| key.allowed.contains(node);
    if key.policy_mode == BIND {
        return key.nodes.iter().filter(allowed).copied().collect();
    }
    if with_memory.iter().all(|node| allowed(&node)) {
        return Vec::new();
    }
    key.allowed.clone()
}

fn hugetlb(
    key: &HugetlbKey,
    tries: &HugetlbTries,
    nodes: Vec<NodeId>,
    (pid, stack): (Pid, Option<u32>),
    with_memory: &[NodeId],
) -> HugetlbFailed {
    // The kernel's counters have a place for nodes that there are not.
    let pools = tries.pools.iter();
    let pools = pools.filter(|pool| with_memory.contains(&pool.node));
    HugetlbFailed {
        pid,
        request: key.request.map(Request::from),
        errno: errno_name(key.errno),
        page_kb: key.page_kb,
        policy: (key.policy_mode != 0).then(|| PolicyMode::of(key.policy_mode)),
        nodes,
        cpu_node: tries.cpu_node,
        count: tries.times.count,
        pages: tries.pages,
        mapping_pages: None,
        at_ns: tries.times.first_ns,
        address: tries.address.map(Addr),
        pools: pools
            .map(|pool| Pool {
                node: pool.node,
                total: pool.total,
                free: pool.free,
            })
            .collect(),
        pools_read_late: tries.pools_read_late,
        stack,
    }
}

fn refused(key: &RefusedKey, tries: &RefusedTries, (pid, stack): (Pid, Option<u32>)) -> Refused {
    let call = key.call.map(PolicyCall::from);
    let of_range = matches!(
        call,
        Some(PolicyCall::Mbind | PolicyCall::SetMempolicyHomeNode)
    );
    let of_cpus = call == Some(PolicyCall::SchedSetaffinity);
    let mut nodes: Vec<NodeId> = tries.set.iter().copied().map(NodeId).collect();
    // Of these calls the node is an argument.
    let node = match call {
        Some(PolicyCall::SetMempolicyHomeNode) => Some(tries.args[2]),
        Some(PolicyCall::MovePages) => Some(tries.args[3]),
        _ => None,
    };
    nodes.extend(node.and_then(|node| u16::try_from(node).ok()).map(NodeId));
    Refused {
        pid,
        call,
        errno: errno_name(key.errno),
        why: key.why.map(|why| why.in_words().to_owned()),
        count: tries.times.count,
        at_ns: tries.times.first_ns,
        address: of_range.then_some(Addr(tries.args[0])),
        nodes: if of_cpus { Vec::new() } else { nodes },
        cpus: of_cpus.then(|| ranges(tries.set.iter().map(|cpu| u32::from(*cpu)))),
        stack,
    }
}

/// Stacks on their way into the report.
struct StackIds<'a, F> {
    code: &'a mut dyn Code,
    stacks: &'a mut Vec<Stack>,
    enrich: &'a Enrich<F>,
    /// Ids by process and the kernel's number; `None` when it did not keep the stack.
    known: HashMap<(Option<ProcessIndex>, u32), Option<u32>>,
}

impl<F> StackIds<'_, F> {
    /// The id of a user stack. `caller`: the word at the stack pointer. The wrapper of a system
    /// call has no frame of its own, so the function that called it is not among the addresses.
    fn user(&mut self, index: ProcessIndex, number: u32, caller: Option<u64>) -> Option<u32> {
        let key = (Some(index), number);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let of = Of {
            process: self.enrich.processes.get(index),
            index,
            spaces: &self.enrich.spaces,
        };
        let id = self.code.stack(number).and_then(|mut addresses| {
            let is_code = |at: &u64| {
                let line = of.spaces.line(index, at.saturating_sub(1));
                line.is_some_and(|line| line.executable)
            };
            if let Some(caller) = caller.filter(is_code)
                && addresses.get(1) != Some(&caller)
            {
                addresses.insert(1.min(addresses.len()), caller);
            }
            let (frames, short) = self.code.frames(number, of, &addresses);
            self.add(frames, short)
        });
        self.known.insert(key, id);
        id
    }

    /// The id of a kernel stack.
    fn kernel(&mut self, number: u32) -> Option<u32> {
        let key = (None, number);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let id = self.code.stack(number).and_then(|addresses| {
            let frames = self.code.kernel_frames(number, &addresses);
            self.add(frames, None)
        });
        self.known.insert(key, id);
        id
    }

    fn add(&mut self, frames: Vec<crate::model::Frame>, short: Option<String>) -> Option<u32> {
        let id = u32::try_from(self.stacks.len()).ok()?;
        self.stacks.push(Stack { id, frames, short });
        Some(id)
    }
}
