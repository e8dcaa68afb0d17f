//! Limits a recording to some processes: all others become one entry, as if the session had been
//! limited to these.

use std::collections::BTreeSet;

use crate::{
    enrich::{Charged, facts::Facts, process::ProcessIndex},
    fold::counted::Counted,
    ids::Pid,
    ingest::Ingest,
};

/// Keeps the details of processes with these PIDs, and of their children if `children` is set.
/// Counts of all others are charged to [out of scope].
pub fn keep<F: Facts>(counted: &mut Counted, ingest: &mut Ingest<F>, pids: &[Pid], children: bool) {
    let processes = &mut ingest.enrich.processes;
    let mut kept: BTreeSet<ProcessIndex> = BTreeSet::new();
    let mut family: BTreeSet<Pid> = pids.iter().copied().collect();
    // A child is announced after its parent, so one pass in that order finds all descendants.
    for (index, process) in processes.iter() {
        let child = children
            && process
                .parent
                .is_some_and(|parent| family.contains(&parent));
        if pids.contains(&process.pid) || child {
            kept.insert(index);
            family.insert(process.pid);
        }
    }
    processes.announce_only(&kept);
    counted.inside.charge(|charged| match charged {
        Charged::Thread { process, .. } if !kept.contains(&process) => Charged::OutOfScope,
        other => other,
    });
    counted
        .mappings
        .by_process
        .retain(|index, _| kept.contains(index));
    counted
        .timeline
        .retain(|timeline_event| kept.contains(&timeline_event.process));
}
