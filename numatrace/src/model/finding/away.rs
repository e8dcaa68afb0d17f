//! Threads away from the memory of their process: conditions that `affinity-split` and
//! `ran-away-from-memory` have in common.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Severity;
use crate::model::matrix::share;
use crate::model::{BindWhat, MoveReason, PerNode, Process, ProcessKind, Snapshot, Thread, number};

/// Least memory for a process to have a home: 16 MiB of small pages.
const PAGES: u64 = 4096;

/// Least CPU time away from the memory, ns.
const LONG: u64 = 100_000_000;

/// Least share of the process's CPU time that is away from the memory.
const SHARE: f64 = 0.2;

/// Share of a thread's CPU time on one node from which the thread belongs there.
const MOSTLY: f64 = 0.9;

/// Placement mismatch from which on practically all memory is remote.
const ALL: f64 = 0.9;

/// CPU time as a part of the session's time from which on that hurts: a tenth of one CPU.
const BUSY: f64 = 0.1;

/// Least share of the memory on the home node: with less, threads belong on other nodes too.
pub const AT_HOME: f64 = 0.6;

/// Bound threads by the position of their node: number of threads, and their CPU time there, ns.
pub type Groups = BTreeMap<usize, (usize, u64)>;

/// Returns the base pages of the process's memory, as far as the session knows them.
pub fn pages(process: &Process) -> u64 {
    process.pages().map_or(0, |pages| pages.total())
}

/// Returns the base pages on the process's home node.
pub fn at_home(process: &Process, home: usize) -> u64 {
    process.pages().map_or(0, |pages| pages.at(home))
}

/// Returns whether enough of the process's memory is on one node for threads to belong there.
pub fn is_at_home(process: &Process, home: usize) -> bool {
    share(at_home(process, home), pages(process)).is_some_and(|part| part >= AT_HOME)
}

/// Says how the process's memory is known; goes after a number of MiB.
pub fn known_by(process: &Process) -> &'static str {
    if process.resident().is_some() {
        "resident"
    } else {
        "touched in the session"
    }
}

/// Returns whether the process has enough memory to have a home.
pub fn has_memory(process: &Process) -> bool {
    pages(process) >= PAGES
}

/// Returns whether `away` of `ran` ns of CPU time, both of a process, is worth a finding.
pub fn is_long(away: u64, ran: u64) -> bool {
    away >= LONG && share(away, ran).is_some_and(|part| part >= SHARE)
}

/// Returns the position of the node with most CPU time, other than the home node.
pub fn mostly_elsewhere(run: &PerNode, home: usize) -> Option<usize> {
    run.0
        .iter()
        .enumerate()
        .filter(|(position, _)| *position != home)
        .max_by_key(|(position, ns)| (**ns, Reverse(*position)))
        .map(|(position, _)| position)
}

/// Returns the severity of a finding about a process that is away from its memory: `critical` when
/// it worked on memory of other nodes alone, for a good part of the session.
pub fn severity(snapshot: &Snapshot, process: &Process) -> Severity {
    let ran = process.run_ns.as_ref().map_or(0, PerNode::total);
    let all = process.placement_mismatch.is_some_and(|part| part >= ALL);
    if all && ran >= LONG && number::seconds_of(ran) >= snapshot.session.duration_s * BUSY {
        Severity::Critical
    } else {
        Severity::Warning
    }
}

/// Returns the bound threads of a process by node, when their masks split the process; `None`
/// otherwise.
pub fn bound_apart(snapshot: &Snapshot, process: &Process) -> Option<Groups> {
    let home = snapshot.host.position(process.home_node?)?;
    let is_program = process.kind == ProcessKind::User;
    if !is_program || !has_memory(process) || !is_at_home(process, home) {
        return None;
    }
    let mut groups = Groups::new();
    for thread in process.threads.iter().filter(|thread| is_bound(thread)) {
        let run = thread.run_ns.as_ref()?;
        let mostly_on = (0..run.0.len())
            .map(|position| (position, run.at(position)))
            .find(|(_, ns)| share(*ns, run.total()).is_some_and(|part| part >= MOSTLY));
        if let Some((position, ns)) = mostly_on {
            let (threads, sum) = groups.entry(position).or_default();
            *threads += 1;
            *sum = sum.saturating_add(ns);
        }
    }
    let ran = process.run_ns.as_ref()?.total();
    let away = bound_away(snapshot, process, &groups)?;
    (groups.len() > 1 && is_long(away, ran)).then_some(groups)
}

/// Returns the CPU time of bound threads on nodes other than the memory's, ns.
pub fn bound_away(snapshot: &Snapshot, process: &Process, groups: &Groups) -> Option<u64> {
    let home = snapshot.host.position(process.home_node?)?;
    let others = groups.iter().filter(|(position, _)| **position != home);
    Some(others.map(|(_, (_, ns))| ns).sum())
}

/// Returns whether the thread was bound to CPUs in the session. Its moves show that where binds are
/// not traced.
fn is_bound(thread: &Thread) -> bool {
    let bound = thread
        .binds
        .iter()
        .any(|bind| matches!(bind.what, BindWhat::Affinity | BindWhat::CpusetCpus));
    let moved = thread
        .task_moves
        .as_ref()
        .and_then(|moves| moves.by_reason.as_ref())
        .and_then(|by_reason| by_reason.get(&MoveReason::Affinity));
    bound || moved.is_some_and(|moves| *moves > 0)
}
