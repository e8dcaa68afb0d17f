//! The part of a screen that a report has no place for: absences as they go on, and homes by the
//! memory of the whole session.

use std::collections::HashMap;

use super::{
    home,
    incident::{Context, incident},
    values::name,
};
use crate::{
    enrich::{Enrich, facts::Facts},
    fold::{absence::Absence, live::Live},
    ids::{NodeId, Pid},
    model::{Incident, Snapshot, frame::ScreenAbsences},
};

/// Takes the absences that a screen shows from a session that began `began_ns` after boot.
/// `until_ns` is when the interval of `snapshot` ended, ns since boot.
pub fn absences<F: Facts>(
    live: &mut Live,
    enrich: &mut Enrich<F>,
    snapshot: &Snapshot,
    began_ns: u64,
    until_ns: u64,
) -> ScreenAbsences {
    let system = snapshot.system.as_ref();
    let context = Context {
        began_ns,
        until_ns,
        run_time: system.is_some_and(|system| system.run_ns.is_some()),
        hint_faults: system.is_some_and(|system| system.hint_faults.is_some()),
    };
    let mut named = |absences: &[Absence]| {
        let incidents = absences
            .iter()
            .map(|absence| named(absence, context, enrich));
        incidents.collect()
    };
    let ended = std::mem::take(&mut live.ended);
    ScreenAbsences {
        open: named(&live.absences.open(until_ns)),
        ended: named(&ended),
        dropped: std::mem::take(&mut live.dropped),
    }
}

fn named<F: Facts>(absence: &Absence, context: Context, enrich: &mut Enrich<F>) -> Incident {
    let known = enrich.processes.get(absence.process);
    let (pid, process_name) = (known.pid, name(known.comm.as_ref()));
    let (tid, start_ns) = absence.thread;
    let comm = enrich
        .processes
        .thread_name(absence.process, tid, start_ns, &mut enrich.facts)
        .unwrap_or(process_name);
    incident(absence, pid, comm, context)
}

/// Gives each process of an interval's report the home that its memory of the whole session makes,
/// and the CPU time away from there: within one interval most processes touch no memory.
pub fn homes<F: Facts>(snapshot: &mut Snapshot, live: &Live, enrich: &Enrich<F>) {
    let homes: HashMap<(Pid, u64), NodeId> = live
        .absences
        .homes()
        .map(|(process, home)| {
            let known = enrich.processes.get(process);
            ((known.pid, known.start_ns), home)
        })
        .collect();
    let nodes: Vec<NodeId> = snapshot.host.nodes.iter().map(|node| node.node).collect();
    for process in &mut snapshot.processes {
        let home = homes.get(&(process.pid, process.start_ns)).copied();
        let position = home.and_then(|home| nodes.iter().position(|node| *node == home));
        if let Some((home, position)) = home.zip(position) {
            home::fill_at(process, home, position);
        }
    }
}
