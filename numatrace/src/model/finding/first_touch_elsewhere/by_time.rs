//! The finding without sampled accesses: NUMA balancing is off, or has not looked at the memory.
//! CPU time by node stands in for them.
//!
//! Such evidence is weaker, so more is needed: most memory of the process on one node, put there by
//! threads that ran there, and most of the CPU time on one other node.

use std::cmp::Reverse;

use super::{DESCRIBED, DIAGNOSIS, fixes, sampled};
use crate::ids::Tid;
use crate::model::finding::{
    Finding, NAMED, WORTH_REPORTING, away, memory, touched_before_bind, words,
};
use crate::model::matrix::share;
use crate::model::{
    Host, Mapping, MappingKind, Matrix, PerNode, Process, ProcessKind, Snapshot, number,
};

/// Sampled accesses of a mapping from which on they say who uses it.
const SAMPLED: u64 = 30;

/// Least share of the memory on one node, and of that which was touched from there.
const ON_ONE: f64 = 0.6;

/// Least share of the CPU time of all threads on one other node.
const RAN: f64 = 0.6;

/// Least share of the CPU time of the other threads on one node, where those that touched the
/// memory are left out.
const OTHERS_RAN: f64 = 0.9;

/// Least CPU time, ns: 0.1 s.
const LONG: u64 = 100_000_000;

/// Least pages of a process that may have memory from before the session, 16 MiB: of such a process
/// a little new memory says nothing.
const MUCH: u64 = 4_096;

/// Share of the memory from which on a thread is one of those that touched it.
const TOUCHER: f64 = 0.1;

/// A process that ran elsewhere than where it had touched its memory.
pub struct Case<'a> {
    process: &'a Process,
    /// Its mappings without sampled accesses to speak of, those with most pages first.
    mappings: Vec<&'a Mapping>,
    /// Positions of the node of the memory, and of the node of the CPU time.
    nodes: (usize, usize),
    /// Base pages that were touched first on the node of the memory and lie there at the end.
    pages: u64,
    /// Sampled accesses to them.
    samples: u64,
    /// CPU time by node, ns.
    ran: PerNode,
    /// Whether `ran` leaves out the threads that touched the memory.
    others: bool,
}

/// Returns what there is to say, largest memory first.
pub fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut cases: Vec<Case<'_>> = snapshot
        .processes
        .iter()
        .filter_map(|process| case(snapshot, process))
        .collect();
    cases.sort_by_key(|case| (Reverse(case.pages), case.process.pid));
    cases.truncate(NAMED);
    cases.iter().map(|case| finding(snapshot, case)).collect()
}

/// Returns the case of a process, if it is one.
pub fn case<'a>(snapshot: &Snapshot, process: &'a Process) -> Option<Case<'a>> {
    if process.kind != ProcessKind::User || !sampled::groups(snapshot, process).is_empty() {
        return None;
    }
    let own = process.mappings.iter();
    let own = own.filter(|mapping| mapping.kind != MappingKind::File);
    let mut mappings: Vec<&Mapping> = own
        .clone()
        .filter(|mapping| mapping.touched() > 0 && samples(mapping).total() < SAMPLED)
        .filter(|mapping| !touched_before_bind::concerns(snapshot, process, mapping))
        .collect();
    mappings.sort_by_key(|mapping| (Reverse(mapping.touched()), mapping.start));
    let there = sum(mappings.iter().filter_map(|mapping| mapping.at_end()));
    let home = there.most()?;
    // All memory counts: a small part of it says nothing about where the process belongs.
    let all = sum(own.filter_map(Mapping::at_end)).total();
    let all = all.max(process.resident().map_or(0, |pages| pages.total()));
    let touches = || mappings.iter().filter_map(|mapping| mapping.touches());
    let touched: u64 = touches().map(Matrix::total).sum();
    // A policy or a full node that placed it elsewhere has a finding of its own.
    let from_home: u64 = touches().map(|pages| pages.at(home, home)).sum();
    let is_mostly = |part, whole| share(part, whole).is_some_and(|part| part >= ON_ONE);
    if !is_mostly(there.at(home), all) || !is_mostly(from_home, touched) {
        return None;
    }
    let pages = there.at(home).min(from_home);
    let samples = sum(mappings.iter().map(|mapping| samples(mapping)));
    let least = if has_more(snapshot, process) {
        MUCH
    } else {
        WORTH_REPORTING
    };
    if pages < least || samples.most() == Some(home) {
        return None;
    }
    let touchers = touchers(&mappings, touched);
    let (ran, user, others) = users(process, &touchers)?;
    if user == home || ran_away(process, &touchers, (home, user)) {
        return None;
    }
    Some(Case {
        process,
        mappings,
        nodes: (home, user),
        pages,
        samples: samples.total(),
        ran,
        others,
    })
}

/// Returns whether the process may have memory that nobody has seen: it began before the session,
/// or before the interval.
fn has_more(snapshot: &Snapshot, process: &Process) -> bool {
    let began_ns = snapshot.session.began_ns;
    began_ns.is_some_and(|began| process.start_ns < began) && process.resident().is_none()
}

/// Returns the sampled accesses to a mapping by node of the thread.
fn samples(mapping: &Mapping) -> PerNode {
    mapping
        .accesses()
        .map_or_else(PerNode::default, Matrix::by_from)
}

fn sum(parts: impl Iterator<Item = PerNode>) -> PerNode {
    parts.fold(PerNode::default(), |mut sum, part| {
        sum.add(&part);
        sum
    })
}

/// Returns the threads that touched a good part of the memory.
fn touchers(mappings: &[&Mapping], touched: u64) -> Vec<Tid> {
    let touches = mappings
        .iter()
        .filter_map(|mapping| mapping.first_touch.as_ref());
    let mut by_tid: Vec<(Tid, u64)> = Vec::new();
    for entry in touches.flat_map(|touch| &touch.by_tid) {
        match by_tid.iter_mut().find(|(tid, _)| *tid == entry.tid) {
            Some((_, pages)) => *pages = pages.saturating_add(entry.pages),
            None => by_tid.push((entry.tid, entry.pages)),
        }
    }
    by_tid
        .into_iter()
        .filter(|(_, pages)| share(*pages, touched).is_some_and(|part| part >= TOUCHER))
        .map(|(tid, _)| tid)
        .collect()
}

/// Returns the CPU time that stands for accesses, the node with most of it, and whether it is that
/// of the other threads alone. `None` when it is short, or spread over the nodes.
fn users(process: &Process, touchers: &[Tid]) -> Option<(PerNode, usize, bool)> {
    let on_one = |ran: &PerNode, least: f64| {
        let most = ran.most().filter(|_| ran.total() >= LONG)?;
        (share(ran.at(most), ran.total())? >= least).then_some(most)
    };
    let all = process.run_ns.clone()?;
    if let Some(user) = on_one(&all, RAN) {
        return Some((all, user, false));
    }
    // Initialising may take as long as the work that follows.
    let others = ran(process, |tid| !touchers.contains(&tid));
    let user = on_one(&others, OTHERS_RAN)?;
    (others.total().saturating_mul(2) >= all.total()).then_some((others, user, true))
}

/// Returns the CPU time of some threads by node, ns.
fn ran(process: &Process, of: impl Fn(Tid) -> bool) -> PerNode {
    let threads = process.threads.iter().filter(|thread| of(thread.tid));
    sum(threads.filter_map(|thread| thread.run_ns.clone()))
}

/// Returns whether the threads that touched the memory were moved to its users' node themselves:
/// then they left it, and `ran-away-from-memory` says so.
fn ran_away(process: &Process, touchers: &[Tid], (home, user): (usize, usize)) -> bool {
    let moved = process.task_moves.as_ref();
    let moved = moved.and_then(|moves| moves.cross_node).unwrap_or(0) > 0;
    let ran = ran(process, |tid| touchers.contains(&tid));
    let there = share(ran.at(user), ran.total()).is_some_and(|part| part >= RAN);
    // That finding counts page cache as well, which may lie where the process runs.
    let left = share(away::at_home(process, home), away::pages(process));
    let left = left.is_some_and(|part| part >= ON_ONE) && away::has_memory(process);
    moved && there && left
}

fn finding(snapshot: &Snapshot, case: &Case<'_>) -> Finding {
    let host = &snapshot.host;
    let Case {
        process,
        nodes: nodes @ (home, user),
        pages,
        ref mappings,
        ..
    } = *case;
    let who = words::process(process);
    let (there, here) = (words::nodes(host, [home]), words::nodes(host, [user]));
    let whose = if case.others {
        "its other threads"
    } else {
        "it"
    };
    let part = number::percent_sign(share(case.ran.at(user), case.ran.total()));

    let mut evidence = Vec::new();
    for mapping in mappings.iter().take(DESCRIBED) {
        evidence.push(memory::placed(host, process, mapping));
        evidence.extend(memory::from_stack(snapshot, mapping));
    }
    evidence.extend(memory::others(host, mappings.get(DESCRIBED..)));
    evidence.push(format!(
        "{}: {} ran {part} of their CPU time on {here} ({} of {} s)",
        why_by_time(host, case),
        if case.others {
            "its other threads"
        } else {
            "its threads"
        },
        number::seconds(Some(case.ran.at(user))),
        number::seconds(Some(case.ran.total())),
    ));
    if has_more(snapshot, process) {
        evidence.push(
            "it began before this session: memory that it had then is not counted (--residency \
             counts it)"
                .to_owned(),
        );
    }
    Finding::new(
        DIAGNOSIS.id,
        away::severity(snapshot, process),
        Some(process.pid),
        format!(
            "{who} touched {} MiB on {there} first, and {whose} ran {part} of {own} CPU time on \
             {here}",
            number::mib(Some(pages), host.page_size),
            own = if case.others { "their" } else { "its" },
        ),
        evidence,
        fixes(snapshot, process, mappings, nodes, pages),
    )
}

/// Says why CPU time stands in for sampled accesses.
fn why_by_time(host: &Host, case: &Case<'_>) -> String {
    /// `NUMA_BALANCING_NORMAL` of kernel.numa_balancing.
    const BALANCING: u32 = 1;
    let is_off = host
        .numa_balancing
        .is_some_and(|mode| mode & BALANCING == 0);
    let unmeasured = case
        .mappings
        .iter()
        .all(|mapping| mapping.accesses().is_none());
    match case.samples {
        0 if is_off => "no sampled accesses (NUMA balancing is off)".to_owned(),
        0 if unmeasured => "no sampled accesses (hint faults were not measured)".to_owned(),
        0 => "no sampled accesses".to_owned(),
        some => format!("only {}", number::plural(some, "sampled access")),
    }
}
