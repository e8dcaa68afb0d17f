//! Nodes of threads over time, and moves of tasks and pages as arrows from node to node.
//!
//! A recording has the moves of all threads, on the tracks of CPUs; a report with a timeline has
//! the moves of its process; any other report has its incidents: absences of threads from their
//! memory.

use std::collections::BTreeMap;

use super::counters::node_track;
use super::nanoseconds;
use super::trace::{End, Note, Trace, Track};
use crate::ids::{CpuId, NodeId, Pid, Tid};
use crate::model::{
    Incident, Moment, MomentKind, MoveReason, Name, Recorded, RecordedWhat, Snapshot,
};
use crate::output::escape;

/// Writes the moves or incidents of a report of the interval `from..to`.
pub fn of_report(trace: &mut Trace, report: &Snapshot, (from, to): (u64, u64)) {
    let names = Names::of(std::slice::from_ref(report));
    let mut moves = Moves::new(trace, &names, from);
    match (&report.timeline, report.focus()) {
        (Some(moments), Some(process)) => {
            for moment in moments {
                let at = from.saturating_add(nanoseconds(moment.at_s)).min(to);
                moves.moment(process.pid, moment, at);
            }
            moves.finish(to);
        }
        _ => {
            for incident in &report.incidents {
                moves.incident(incident, (from, to));
            }
        }
    }
}

/// Writes the moves of a recording whose last report ends at `end`.
pub fn of_recording(trace: &mut Trace, reports: &[Snapshot], recorded: &[Recorded], end: u64) {
    let Some(began) = reports.first().and_then(|report| report.session.began_ns) else {
        return;
    };
    let names = Names::of(reports);
    let mut moves = Moves::new(trace, &names, 0);
    for entry in recorded {
        // Records from before the first count or after the last one are in no report either.
        let Some(at) = entry.time_ns.checked_sub(began).filter(|at| *at <= end) else {
            continue;
        };
        match entry.what {
            RecordedWhat::Task { tid, cpus, reason } => {
                let thread = (entry.pid.unwrap_or(Pid(0)), tid);
                moves.task(thread, entry.nodes, Some(cpus), at, reason);
            }
            RecordedWhat::Pages { moved_by, pages } => {
                moves.pages(entry.nodes, at, moved_by, pages);
            }
        }
    }
    moves.finish(end);
}

/// Names of processes and threads, escaped.
struct Names {
    processes: BTreeMap<Pid, String>,
    threads: BTreeMap<Tid, String>,
}

impl Names {
    fn of(reports: &[Snapshot]) -> Self {
        let escaped = |name: &Name| escape::text(name.as_bytes()).into_owned();
        let processes = || reports.iter().flat_map(|report| &report.processes);
        Self {
            processes: processes()
                .map(|process| (process.pid, escaped(&process.comm)))
                .collect(),
            threads: processes()
                .flat_map(|process| &process.threads)
                .map(|thread| (thread.tid, escaped(&thread.comm)))
                .collect(),
        }
    }

    fn process(&self, pid: Pid) -> String {
        let known = self.processes.get(&pid);
        known.cloned().unwrap_or_else(|| format!("process {pid}"))
    }

    fn thread(&self, pid: Pid, tid: Tid) -> String {
        let known = self.threads.get(&tid).or_else(|| self.processes.get(&pid));
        known.cloned().unwrap_or_else(|| format!("thread {tid}"))
    }
}

/// A process and one of its threads.
type Thread = (Pid, Tid);

/// Writes moves into a trace.
struct Moves<'a> {
    trace: &'a mut Trace,
    names: &'a Names,
    began: u64,
    /// The node of each thread that moved, and the time since when. Before its first move, a thread
    /// was on the node that it left.
    on: BTreeMap<Thread, (NodeId, u64)>,
}

impl<'a> Moves<'a> {
    fn new(trace: &'a mut Trace, names: &'a Names, began: u64) -> Self {
        Self {
            trace,
            names,
            began,
            on: BTreeMap::new(),
        }
    }

    fn moment(&mut self, pid: Pid, moment: &Moment, at: u64) {
        let nodes = (moment.from, moment.to);
        match moment.what {
            MomentKind::TaskMove { tid, reason } => self.task((pid, tid), nodes, None, at, reason),
            MomentKind::PageMigration {
                moved_by, pages, ..
            } => self.pages(nodes, at, moved_by, pages),
        }
    }

    /// Writes a move of a thread and its stay on the node that it left.
    fn task(
        &mut self,
        thread: Thread,
        nodes: (NodeId, NodeId),
        cpus: Option<(CpuId, CpuId)>,
        at: u64,
        reason: MoveReason,
    ) {
        let before = self.on.insert(thread, (nodes.1, at));
        let (node, since) = before.unwrap_or((nodes.0, self.began));
        self.stay(thread, node, (since, at));
        self.arrow(thread, nodes, cpus, at, reason);
    }

    /// Writes a migration of pages as an arrow between the nodes' tracks.
    fn pages(&mut self, (from, to): (NodeId, NodeId), at: u64, moved_by: Pid, pages: u64) {
        let notes = || {
            vec![
                Note::number("pages", pages),
                Note::number("moved by", u64::from(moved_by.0)),
            ]
        };
        let flow = self.trace.flow();
        let (left, came) = (
            self.track(from, "page migrations"),
            self.track(to, "page migrations"),
        );
        let out = format!("{pages} pages to node {to}");
        self.trace.instant(
            left,
            at,
            "page_migration",
            &out,
            notes(),
            &[End::Begins(flow)],
        );
        let arrived = format!("{pages} pages from node {from}");
        self.trace.instant(
            came,
            at,
            "page_migration_arrived",
            &arrived,
            notes(),
            &[End::Ends(flow)],
        );
    }

    fn incident(&mut self, incident: &Incident, (from, to): (u64, u64)) {
        let thread = (incident.pid, incident.tid);
        let left = from.saturating_add(nanoseconds(incident.at_s)).min(to);
        let back = left
            .saturating_add(nanoseconds(incident.away_ms / 1e3))
            .min(to);
        self.stay(thread, incident.to, (left, back));
        let (home, away) = (incident.from, incident.to);
        self.arrow(thread, (home, away), None, left, incident.reason);
        if let Some(reason) = incident.back {
            self.arrow(thread, (away, home), None, back, reason);
        }
    }

    /// Writes the stay of a thread on a node.
    fn stay(&mut self, (pid, tid): Thread, node: NodeId, interval: (u64, u64)) {
        let process = self.trace.process(pid, &self.names.process(pid));
        let name = self.names.thread(pid, tid);
        let thread = self.trace.thread(process, pid, tid, &name);
        let label = format!("node {node}");
        self.trace
            .slice(thread, interval, "node", &label, Vec::new());
    }

    /// Writes a move of a thread as an arrow between the tracks of the nodes or, if known, the
    /// CPUs.
    fn arrow(
        &mut self,
        (pid, tid): Thread,
        (from, to): (NodeId, NodeId),
        cpus: Option<(CpuId, CpuId)>,
        at: u64,
        reason: MoveReason,
    ) {
        let (name, reason) = (self.names.thread(pid, tid), reason.name());
        let notes = || {
            vec![
                Note::number("pid", u64::from(pid.0)),
                Note::number("tid", u64::from(tid.0)),
                Note::text("thread", &name),
                Note::text("reason", reason),
            ]
        };
        let flow = self.trace.flow();
        let (left, came) = match cpus {
            Some((left, came)) => (self.cpu(from, left), self.cpu(to, came)),
            None => (self.track(from, "tasks"), self.track(to, "tasks")),
        };
        let out = format!("{name} ({tid}) to node {to}: {reason}");
        self.trace
            .instant(left, at, "task_move", &out, notes(), &[End::Begins(flow)]);
        let arrived = format!("{name} ({tid}) from node {from}: {reason}");
        self.trace.instant(
            came,
            at,
            "task_move_arrived",
            &arrived,
            notes(),
            &[End::Ends(flow)],
        );
    }

    /// Returns a track under that of a node.
    fn track(&mut self, node: NodeId, what: &str) -> Track {
        let node = node_track(self.trace, node);
        self.trace.child(node, what, -1)
    }

    /// Returns the track of a CPU, under that of its node.
    fn cpu(&mut self, node: NodeId, cpu: CpuId) -> Track {
        let rank = i32::try_from(cpu.0).unwrap_or(i32::MAX / 2);
        let node = node_track(self.trace, node);
        // After the counters.
        self.trace.child(node, &format!("CPU {cpu}"), 1000 + rank)
    }

    /// Writes the last stay of each thread, to the end.
    fn finish(mut self, end: u64) {
        for (thread, (node, since)) in std::mem::take(&mut self.on) {
            self.stay(thread, node, (since, end));
        }
    }
}
