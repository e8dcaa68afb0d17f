//! `first-touch-elsewhere`: memory is on the node of the thread that touched it first, and its
//! users run on a different node.
//!
//! This is the most common NUMA mistake: one thread initialises the memory that all others work on.
//! Page cache and program text are shared by design and left out here.
//!
//! Sampled accesses say who uses memory ([`sampled`]). Where there are none, CPU time stands in for
//! them ([`by_time`]).

mod by_time;
mod sampled;

use super::fix::{self, Fix, Memory, Place};
use super::{Diagnosis, Finding, NAMED, memory};
use crate::model::{Mapping, Process, Snapshot};

pub const DIAGNOSIS: Diagnosis = Diagnosis {
    id: "first-touch-elsewhere",
    check,
};

/// Mappings of a process that are described; the rest is summed up.
const DESCRIBED: usize = 3;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = sampled::check(snapshot);
    findings.extend(by_time::check(snapshot));
    findings.truncate(NAMED);
    findings
}

/// Returns whether this finding speaks about a process by its CPU time: then its threads are where
/// they belong and its memory is not.
pub fn speaks_by_time(snapshot: &Snapshot, process: &Process) -> bool {
    by_time::case(snapshot, process).is_some()
}

/// Says how to have memory where it is used, and how to move so many pages that exist.
fn fixes(
    snapshot: &Snapshot,
    process: &Process,
    mappings: &[&Mapping],
    nodes @ (_, user): (usize, usize),
    pages: u64,
) -> Vec<Fix> {
    let mut fixes = vec![
        Fix::program(
            process,
            "let each thread touch its own memory first (parallel initialisation)",
        )
        .expecting("each thread's memory is on the node that it ran on at the first touch"),
    ];
    fixes.extend(fix::start(
        snapshot,
        process,
        &Place::on([user]),
        "initialise on the node of the users",
    ));
    fixes.extend(memory::moving(
        &snapshot.host,
        process,
        mappings,
        nodes,
        pages,
    ));
    fixes.extend(fix::start(
        snapshot,
        process,
        &Place::memory(Memory::InterleaveAll),
        "spread memory that all nodes use",
    ));
    fixes
}
