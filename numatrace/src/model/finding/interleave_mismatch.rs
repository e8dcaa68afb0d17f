//! `interleave-mismatch`: memory is interleaved over several nodes and used from one: most of it is
//! remote for nothing.

use std::cmp::Reverse;

use super::{Diagnosis, Finding, NAMED, Severity, WORTH_REPORTING, words};
use crate::model::matrix::share;
use crate::model::{PerNode, Process, ProcessKind, Snapshot, number};

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

/// Returns whether the process interleaves its memory over several nodes and runs on one.
pub fn is_mismatched(process: &Process) -> bool {
    let spread = || {
        let alloc = process.alloc.as_ref()?;
        let hits = alloc.interleave_hit.as_ref()?;
        let ran = process.run_ns.as_ref()?;
        let home = ran.most()?;
        let nodes = hits.0.iter().filter(|count| **count > 0).count();
        let away = hits.total().saturating_sub(hits.at(home));
        Some(
            nodes > 1
                && away >= WORTH_REPORTING
                && share(hits.total(), alloc.allocations()?)? >= INTERLEAVED
                && share(ran.at(home), ran.total())? >= ON_ONE,
        )
    };
    process.kind == ProcessKind::User && spread().unwrap_or(false)
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
    let list = words::node_list(host, [home]);
    let away: Vec<usize> = spread.iter().copied().filter(|at| *at != home).collect();
    Some(Finding {
        id: DIAGNOSIS.id.into(),
        severity: Severity::Warning,
        pid: Some(process.pid),
        title: format!(
            "{who} interleaves its memory over {} and runs on {here}",
            words::nodes(host, spread.iter().copied())
        ),
        evidence: vec![
            format!(
                "{} of {} interleaved allocations are on other nodes ({})",
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
        ],
        fix: format!(
            "keep its memory on the node that it runs on: \
             numactl --cpunodebind={list} --membind={list} {}; \
             move existing pages: migratepages {} {} {list}; \
             or let it run on CPUs of all these nodes",
            words::command(snapshot, process),
            process.pid,
            words::node_list(host, away),
        ),
    })
}
