//! What a screen shows beside the report: absences with names, and homes that hold for longer than an interval.

use std::collections::HashMap;

use super::activity::reason;
use crate::{
    enrich::{Enrich, facts::Facts},
    fold::{absence::Absence, live::Live},
    ids::{NodeId, Pid},
    model::{Incident, Process, Snapshot},
};

/// An absence as the report tells it; what is open lasts until `now_ns`.
pub fn incident<F: Facts>(
    absence: &Absence,
    began_ns: u64,
    now_ns: u64,
    enrich: &mut Enrich<F>,
) -> Incident {
    let known = enrich.processes.get(absence.process);
    let (pid, process_name) = (known.pid, super::name(known.comm.as_ref()));
    let (tid, start_ns) = absence.thread;
    let comm = enrich
        .processes
        .thread_name(absence.process, tid, start_ns, &mut enrich.facts)
        .unwrap_or(process_name);
    let until_ns = absence.ended_ns.unwrap_or(now_ns);
    Incident {
        pid,
        tid,
        comm,
        from: absence.nodes.0,
        to: absence.nodes.1,
        reason: reason(absence.reason),
        at_s: super::millis(absence.left_ns.saturating_sub(began_ns)) / 1000.0,
        away_ms: super::millis(until_ns.saturating_sub(absence.left_ns)),
        // A look is taken before the sweep that would tell.
        run_ms: None,
        remote_hint_faults: None,
        pages_left: absence.pages_left,
        pages_followed: absence.pages_followed,
        back: absence.back.map(reason),
    }
}

/// Gives each process of an interval's report the home that its memory of the whole session makes, and its time away from there: within one
/// interval most touch nothing.
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
        if let Some(position) = position {
            at_home(process, nodes[position], position);
        }
    }
}

fn at_home(process: &mut Process, home: NodeId, position: usize) {
    let away = |run_ns: &crate::model::PerNode| run_ns.total().saturating_sub(run_ns.at(position));
    process.home_node = Some(home);
    process.away_ns = process.run_ns.as_ref().map(away);
    for thread in &mut process.threads {
        thread.away_ns = thread.run_ns.as_ref().map(away);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PerNode, ProcessKind};

    #[test]
    fn time_away_is_what_ran_elsewhere_than_at_home() {
        let mut process = Process::new(Pid(7), 5, "app", ProcessKind::User);
        process.run_ns = Some(PerNode(vec![30, 70]));
        at_home(&mut process, NodeId(4), 1);
        assert_eq!(
            (process.home_node, process.away_ns),
            (Some(NodeId(4)), Some(30))
        );
        process.run_ns = None;
        at_home(&mut process, NodeId(4), 1);
        assert_eq!(process.away_ns, None, "time that was not measured");
    }
}
