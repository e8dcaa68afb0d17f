//! `interleave-mismatch`: memory is interleaved over several nodes and used from one: most of it is
//! remote for nothing.

use std::cmp::Reverse;

use super::fix::{self, Fix, FixKind, Place};
use super::{Diagnosis, Finding, NAMED, Severity, WORTH_REPORTING, memory, words};
use crate::model::matrix::share;
use crate::model::{Alloc, Mapping, PerNode, PolicyMode, Process, ProcessKind, Snapshot, number};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "interleave-mismatch",
    check,
};

/// Least share of the CPU time on one node.
const ON_ONE: f64 = 0.9;
/// Least share of the allocations that were interleaved.
const INTERLEAVED: f64 = 0.25;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found: Vec<&Process> = snapshot
        .processes
        .iter()
        .filter(|process| is_mismatched(process))
        .collect();
    found.sort_by_key(|process| (Reverse(interleaved(process)), process.pid));
    found.truncate(NAMED);
    found
        .into_iter()
        .filter_map(|process| finding(snapshot, process))
        .collect()
}

/// Returns whether the process interleaves its memory over several nodes and runs on one. Weights
/// are chosen for the bandwidth of each node: who interleaves by them means it.
pub fn is_mismatched(process: &Process) -> bool {
    let spread = || {
        let alloc = process.alloc.as_ref()?;
        let hits = alloc.interleave_hit.as_ref()?;
        let ran = process.run_ns.as_ref()?;
        let home = ran.most()?;
        let nodes = hits.0.iter().filter(|count| **count > 0).count();
        let is_much = match pages_away(alloc) {
            // On n nodes one in n of them is at home.
            Some(away) => {
                let spread =
                    away.saturating_mul(nodes as u64) / (nodes as u64).max(2).saturating_sub(1);
                away >= WORTH_REPORTING && share(spread, alloc.page_total()?)? >= INTERLEAVED
            }
            None => {
                hits.total().saturating_sub(hits.at(home)) >= WORTH_REPORTING
                    && share(hits.total(), alloc.allocations()?)? >= INTERLEAVED
            }
        };
        Some(
            nodes > 1
                && is_much
                && !is_weighted(alloc)
                && share(ran.at(home), ran.total())? >= ON_ONE,
        )
    };
    process.kind == ProcessKind::User && spread().unwrap_or(false)
}

/// Returns the base pages that interleaving put on other nodes; `None` where pages or modes are not
/// known, or where policies of other modes placed more.
fn pages_away(alloc: &Alloc) -> Option<u64> {
    let by_policy = alloc.in_pages.as_ref()?.remote_by_cause.policy;
    let modes = alloc.policy_by_mode.as_ref()?;
    let interleaved = modes.get(&PolicyMode::Interleave).copied().unwrap_or(0);
    let all: u64 = modes.values().sum();
    (interleaved.saturating_mul(2) > all).then_some(by_policy)
}

/// Returns whether weighted interleave placed most of what a policy made remote.
fn is_weighted(alloc: &Alloc) -> bool {
    let modes = alloc.policy_by_mode.as_ref();
    let by = |mode| {
        modes
            .and_then(|modes| modes.get(&mode))
            .copied()
            .unwrap_or(0)
    };
    by(PolicyMode::WeightedInterleave) > by(PolicyMode::Interleave)
}

fn interleaved(process: &Process) -> u64 {
    let alloc = process.alloc.as_ref();
    alloc
        .and_then(|alloc| alloc.interleave_hit.as_ref())
        .map_or(0, PerNode::total)
}

fn finding(snapshot: &Snapshot, process: &Process) -> Option<Finding> {
    let host = &snapshot.host;
    let who = words::process(process);
    let hits = process.alloc.as_ref()?.interleave_hit.as_ref()?;
    let ran = process.run_ns.as_ref()?;
    let home = ran.most()?;
    let here = words::nodes(host, [home]);
    let spread: Vec<usize> = (0..host.nodes.len())
        .filter(|at| hits.at(*at) > 0)
        .collect();
    let away: Vec<usize> = spread.iter().copied().filter(|at| *at != home).collect();
    let by_policy = |mapping: &Mapping| memory::remote_by(mapping, |causes| causes.policy);
    let stack = memory::most_touched(snapshot, process, by_policy);
    let mut fixes = fix::start(
        snapshot,
        process,
        &Place::on([home]),
        "keep its memory on the node that it runs on",
    );
    fixes.extend(fix::move_pages(
        host,
        process,
        (&away, home),
        "move existing pages",
    ));
    fixes.push(Fix::advice(
        FixKind::RunCommand,
        who.as_str(),
        "let it run on CPUs of all these nodes",
    ));
    Some(Finding::new(
        DIAGNOSIS.id,
        Severity::Warning,
        Some(process.pid),
        format!(
            "{who} interleaves its memory over {} and runs on {here}",
            words::nodes(host, spread.iter().copied())
        ),
        [
            format!(
                "{} of {} interleaved allocations went to other nodes ({})",
                number::grouped(hits.total().saturating_sub(hits.at(home))),
                number::grouped(hits.total()),
                number::percent_sign(share(
                    hits.total().saturating_sub(hits.at(home)),
                    hits.total()
                )),
            ),
            format!(
                "{} of its CPU time was on {here}",
                number::percent_sign(share(ran.at(home), ran.total()))
            ),
        ]
        .into_iter()
        .chain(stack)
        .collect(),
        fixes,
    ))
}
