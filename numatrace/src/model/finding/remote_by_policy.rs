//! `remote-by-policy`: a memory policy (bind, interleave, preferred) places a process's memory on a
//! different node from its CPUs.
//!
//! A policy that spreads memory, or that has several nodes, is remote by design, so it is
//! information; one that places the memory on one node while the task runs on a different one is a
//! warning.

use std::cmp::Reverse;

use super::fix::{self, Fix, FixKind, Memory, OwnBinds, Place};
use super::{
    Diagnosis, Finding, NAMED, Severity, WORTH_REPORTING, away, interleave_mismatch, memory, words,
};
use crate::model::matrix::share;
use crate::model::{Alloc, PerNode, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "remote-by-policy",
    check,
};

/// Least share of the allocations: below it, the policy covers only a detail of the program.
const SHARE: f64 = 0.05;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut concerned: Vec<(u64, &Process, &Alloc)> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind == ProcessKind::User)
        // A mismatch of interleaving has a finding of its own.
        .filter(|process| !interleave_mismatch::is_mismatched(process))
        .filter_map(|process| {
            let alloc = process.alloc.as_ref()?;
            let by_policy = alloc.remote_by_cause?.policy;
            let (much, of) =
                in_pages(alloc).map_or((by_policy, alloc.allocations()?), |pages| pages);
            let part = share(much, of)?;
            (much >= WORTH_REPORTING && part >= SHARE).then_some((by_policy, process, alloc))
        })
        .collect();
    concerned.sort_by_key(|(count, process, _)| (Reverse(*count), process.pid));
    // Truncated before sentences are written: a job can have ten thousand such ranks.
    concerned.truncate(NAMED);
    concerned
        .into_iter()
        .filter_map(|(by_policy, process, alloc)| finding(snapshot, process, alloc, by_policy))
        .collect()
}

/// The intention of a policy, as far as its mode and nodes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Memory on all of its nodes, in turn or by weight.
    Spread,
    /// Memory on any of its nodes.
    Several,
    /// Memory on one node.
    One,
}

impl Meaning {
    /// Returns what most of the allocations that a policy made remote were meant to be. Kernels
    /// before 6.14 leave weighted interleave out of `interleave_hit`: the mode decides.
    fn of(alloc: &Alloc, by_policy: u64) -> Self {
        let modes = || alloc.policy_by_mode.iter().flatten();
        let spread: u64 = modes()
            .filter(|(mode, _)| mode.spreads())
            .map(|(_, count)| count)
            .sum();
        // Without modes the counter of numastat stands in.
        let hits = alloc.interleave_hit.as_ref().map_or(0, PerNode::total);
        let spread = if modes().next().is_some() {
            spread
        } else {
            hits
        };
        if spread.saturating_mul(2) >= by_policy {
            Self::Spread
        } else if alloc.meant_by_policy().saturating_mul(2) >= by_policy {
            Self::Several
        } else {
            Self::One
        }
    }
}

/// Returns the base pages that a policy made remote, and all; `None` where they are not known.
fn in_pages(alloc: &Alloc) -> Option<(u64, u64)> {
    let by_policy = alloc.in_pages.as_ref()?.remote_by_cause.policy;
    Some((by_policy, alloc.page_total()?))
}

/// Says which modes the policies had.
fn modes(alloc: &Alloc) -> Option<String> {
    let mut modes: Vec<(u64, &'static str)> = alloc
        .policy_by_mode
        .as_ref()?
        .iter()
        .map(|(mode, count)| (*count, mode.in_words()))
        .collect();
    let several = alloc.bind_to_several.filter(|count| *count > 0);
    modes.sort_unstable_by_key(|(count, _)| Reverse(*count));
    let of = modes
        .iter()
        .map(|(count, mode)| format!("{mode} {}", number::grouped(*count)));
    let of: Vec<String> = of.collect();
    let several = several.map_or_else(String::new, |count| {
        format!(" (of bind {} with several nodes)", number::grouped(count))
    });
    (!of.is_empty()).then(|| format!("by mode of the policy: {}{several}", of.join(", ")))
}

fn finding(
    snapshot: &Snapshot,
    process: &Process,
    alloc: &Alloc,
    by_policy: u64,
) -> Option<Finding> {
    let host = &snapshot.host;
    let remote = alloc.other_node.as_ref()?;
    let holding = positions(remote, SHARE);
    let meaning = Meaning::of(alloc, by_policy);
    let who = words::process(process);
    let there = words::nodes(host, holding.iter().copied());

    let mut evidence = vec![format!(
        "{} of its {} allocations ({}) were remote because its memory policy chose the node",
        number::grouped(by_policy),
        number::count(alloc.allocations()),
        number::percent_sign(share(by_policy, alloc.allocations()?)),
    )];
    if let Some((pages, all)) = in_pages(alloc) {
        evidence.push(format!(
            "these were {} of its {} MiB",
            number::mib(Some(pages), host.page_size),
            number::mib(Some(all), host.page_size),
        ));
    }
    let placed: Vec<String> = holding
        .iter()
        .map(|position| {
            format!(
                "{} on {}",
                number::grouped(remote.at(*position)),
                words::nodes(host, [*position])
            )
        })
        .collect();
    evidence.push(format!("remote allocations: {}", placed.join(", ")));
    evidence.extend(modes(alloc));
    let home = home(process, alloc, &holding);
    if let Some(home) = home {
        evidence.push(format!("it ran mostly on {}", words::nodes(host, [home])));
    }

    evidence.extend(memory::most_touched(snapshot, process, |mapping| {
        memory::remote_by(mapping, |causes| causes.policy)
    }));

    let (severity, title) = match meaning {
        Meaning::Spread => (
            Severity::Info,
            format!("{who} interleaves its memory, so part of it is remote on purpose"),
        ),
        Meaning::Several => (
            Severity::Info,
            format!("the memory policy of {who} has several nodes, so memory on {there} is meant"),
        ),
        Meaning::One => {
            // On the node that it runs on mostly, memory is remote only to its other threads.
            let away = if home.is_some_and(|home| holding.contains(&home)) {
                "away from the CPUs that allocated it"
            } else {
                "away from its CPUs"
            };
            (
                away::severity(snapshot, process),
                format!("the memory policy of {who} places memory on {there}, {away}"),
            )
        }
    };
    let fixes = match meaning {
        Meaning::One => of_binding(snapshot, process, home, &holding),
        _ => as_meant(snapshot, process, home, &holding),
    };
    Some(Finding::new(
        DIAGNOSIS.id,
        severity,
        Some(process.pid),
        title,
        evidence,
        fixes,
    ))
}

fn as_meant(
    snapshot: &Snapshot,
    process: &Process,
    home: Option<usize>,
    holding: &[usize],
) -> Vec<Fix> {
    let mut fixes = vec![Fix::advice(
        FixKind::Look,
        words::process(process),
        "none needed if all nodes use this memory",
    )];
    if let Some(node) = home.or_else(|| holding.first().copied()) {
        let text = "a program that runs on one node is faster with";
        fixes.extend(own_or(snapshot, process, &Place::on([node]), text));
    }
    fixes
}

fn of_binding(
    snapshot: &Snapshot,
    process: &Process,
    home: Option<usize>,
    holding: &[usize],
) -> Vec<Fix> {
    let host = &snapshot.host;
    let own = OwnBinds::of(snapshot, process);
    let by_itself = own.memory.is_some() || own.range.is_some();
    let text = "run it on the node of its memory";
    let on = Place::on(holding.iter().copied());
    let mut fixes = Vec::new();
    if by_itself {
        let home = home.filter(|home| !holding.contains(home));
        let users = home.map_or(Memory::Local, |home| Memory::Bind(vec![home]));
        let users = Place::memory(users);
        fixes.extend(fix::unbind(host, process, &own.of_memory(), &[&users]));
        // Its policy stays, but its CPUs are free to go there.
        if own.cpus.is_none() {
            let place = Place::cpus(holding.iter().copied());
            fixes.extend(fix::run(snapshot, Some(process), &place, text));
        }
        fixes.extend(fix::group(snapshot, process, &on));
    } else {
        fixes.extend(fix::start(snapshot, process, &on, text));
        fixes.extend(fix::unseen_policy(snapshot, process));
    }
    if let Some(home) = home.filter(|home| !holding.contains(home)) {
        let text = format!(
            "drop the policy for {} and move existing pages",
            words::nodes(host, holding.iter().copied())
        );
        fixes.extend(fix::move_pages(host, process, (holding, home), text));
        if !by_itself {
            fixes.extend(without(snapshot, process));
        }
    } else if !by_itself {
        fixes.extend(without(snapshot, process));
    }
    fixes
}

/// Returns the start without the policy.
fn without(snapshot: &Snapshot, process: &Process) -> Option<Fix> {
    let place = Place::memory(Memory::Local);
    fix::run(
        snapshot,
        Some(process),
        &place,
        "start it without the policy",
    )
}

/// Returns the start at a place, or the calls of a program that interleaves by itself.
fn own_or(snapshot: &Snapshot, process: &Process, place: &Place, text: &str) -> Vec<Fix> {
    let own = OwnBinds::of(snapshot, process);
    if own.range.is_some() && own.memory.is_none() {
        return fix::unbind(&snapshot.host, process, &own.of_memory(), &[place]);
    }
    fix::start(snapshot, process, place, text)
}

/// Returns the positions of nodes with at least this share of the whole.
fn positions(counts: &PerNode, least: f64) -> Vec<usize> {
    let total = counts.total();
    let holds = |count: u64| share(count, total).is_some_and(|part| part >= least);
    counts
        .0
        .iter()
        .enumerate()
        .filter(|(_, count)| holds(**count))
        .map(|(position, _)| position)
        .collect()
}

/// Returns the position of the node that the process ran on: by CPU time when that was measured,
/// else by local allocations, else, on two nodes with all remote memory on one of them, the other.
fn home(process: &Process, alloc: &Alloc, holding: &[usize]) -> Option<usize> {
    process
        .run_ns
        .as_ref()
        .and_then(PerNode::most)
        .or_else(|| alloc.local_node.as_ref().and_then(PerNode::most))
        .or_else(|| match (holding, alloc.local_node.as_ref()?.0.len()) {
            ([there], 2) => Some(1 - there),
            _ => None,
        })
}
