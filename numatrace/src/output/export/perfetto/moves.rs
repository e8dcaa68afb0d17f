//! Threads' nodes over time, and moves of tasks and pages as arrows from node to node.
//!
//! With a timeline these are the moves of the session's process; otherwise the incidents: who left its memory, and who came back.

use std::collections::BTreeMap;

use super::counters::node_track;
use super::nanoseconds;
use super::trace::{End, Note, Trace};
use crate::ids::{NodeId, Pid, Tid};
use crate::model::{Incident, Moment, MomentKind, Process, Snapshot};
use crate::output::escape;

/// Writes those of a report that lasted from and to such moments.
pub fn write(trace: &mut Trace, report: &Snapshot, (from, to): (u64, u64)) {
    match (&report.timeline, report.focus()) {
        (Some(moments), Some(process)) => timeline(trace, process, moments, (from, to)),
        _ => {
            for incident in &report.incidents {
                self::incident(trace, report, incident, (from, to));
            }
        }
    }
}

/// Who a thread is.
struct Who {
    pid: Pid,
    tid: Tid,
    process: String,
    thread: String,
}

impl Who {
    fn of(process: &Process, tid: Tid) -> Self {
        let thread = process.threads.iter().find(|thread| thread.tid == tid);
        let comm = thread.map_or(&process.comm, |thread| &thread.comm);
        Self {
            pid: process.pid,
            tid,
            process: escape::text(process.comm.as_bytes()).into_owned(),
            thread: escape::text(comm.as_bytes()).into_owned(),
        }
    }
}

fn timeline(trace: &mut Trace, process: &Process, moments: &[Moment], (from, to): (u64, u64)) {
    // Since when each thread has been on a node: from its first move, before which it was where that began.
    let mut on: BTreeMap<Tid, (NodeId, u64)> = BTreeMap::new();
    for moment in moments {
        let at = from.saturating_add(nanoseconds(moment.at_s)).min(to);
        match &moment.what {
            MomentKind::TaskMove { tid, reason } => {
                let who = Who::of(process, *tid);
                let (node, since) = on
                    .insert(*tid, (moment.to, at))
                    .unwrap_or((moment.from, from));
                stay(trace, &who, node, (since, at));
                move_of(trace, &who, (moment.from, moment.to), at, reason.name());
            }
            MomentKind::PageMigration { moved_by, pages } => {
                let name = format!("{pages} pages");
                let notes = || {
                    vec![
                        Note::number("pages", *pages),
                        Note::number("moved by", u64::from(moved_by.0)),
                    ]
                };
                let flow = trace.flow();
                let (left, came) = (
                    lane(trace, moment.from, "pages"),
                    lane(trace, moment.to, "pages"),
                );
                let out = format!("{name} to node {}", moment.to);
                trace.instant(
                    left,
                    at,
                    "page_migration",
                    &out,
                    notes(),
                    &[End::Begins(flow)],
                );
                let arrived = format!("{name} from node {}", moment.from);
                trace.instant(
                    came,
                    at,
                    "page_migration_arrived",
                    &arrived,
                    notes(),
                    &[End::Ends(flow)],
                );
            }
        }
    }
    for (tid, (node, since)) in on {
        stay(trace, &Who::of(process, tid), node, (since, to));
    }
}

fn incident(trace: &mut Trace, report: &Snapshot, incident: &Incident, (from, to): (u64, u64)) {
    let process = report
        .processes
        .iter()
        .find(|process| process.pid == incident.pid);
    let thread = escape::text(incident.comm.as_bytes()).into_owned();
    let who = Who {
        pid: incident.pid,
        tid: incident.tid,
        process: process.map_or_else(
            || thread.clone(),
            |process| escape::text(process.comm.as_bytes()).into_owned(),
        ),
        thread,
    };
    let left = from.saturating_add(nanoseconds(incident.at_s)).min(to);
    let back = left
        .saturating_add(nanoseconds(incident.away_ms / 1e3))
        .min(to);
    stay(trace, &who, incident.to, (left, back));
    move_of(
        trace,
        &who,
        (incident.from, incident.to),
        left,
        incident.reason.name(),
    );
    if let Some(reason) = incident.back {
        move_of(
            trace,
            &who,
            (incident.to, incident.from),
            back,
            reason.name(),
        );
    }
}

/// A thread was on a node for a while.
fn stay(trace: &mut Trace, who: &Who, node: NodeId, stretch: (u64, u64)) {
    let process = trace.process(who.pid, &who.process);
    let thread = trace.thread(process, who.pid, who.tid, &who.thread);
    trace.slice(thread, stretch, "node", &format!("node {node}"), Vec::new());
}

/// A thread went from one node to another: an arrow between the nodes' tracks.
fn move_of(trace: &mut Trace, who: &Who, (from, to): (NodeId, NodeId), at: u64, reason: &str) {
    let notes = || {
        vec![
            Note::number("pid", u64::from(who.pid.0)),
            Note::number("tid", u64::from(who.tid.0)),
            Note::text("thread", &who.thread),
            Note::text("reason", reason),
        ]
    };
    let flow = trace.flow();
    let (left, came) = (lane(trace, from, "tasks"), lane(trace, to, "tasks"));
    let out = format!("{} ({}) to node {to}: {reason}", who.thread, who.tid);
    trace.instant(left, at, "task_move", &out, notes(), &[End::Begins(flow)]);
    let arrived = format!("{} ({}) from node {from}: {reason}", who.thread, who.tid);
    trace.instant(
        came,
        at,
        "task_move_arrived",
        &arrived,
        notes(),
        &[End::Ends(flow)],
    );
}

/// The track of a node on which moves are shown.
fn lane(trace: &mut Trace, node: NodeId, what: &str) -> super::trace::Track {
    let node = node_track(trace, node);
    trace.child(node, what, -1)
}
