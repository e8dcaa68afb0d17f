//! The absences of a whole session, named, for the report.

use std::collections::{BTreeMap, HashMap};

use super::{
    incident::{Context, incident},
    moments::moments,
    values::GONE,
};
use crate::{
    enrich::process::{ProcessIndex, Processes},
    fold::{
        absence::{
            Absence,
            replay::{Known, Pages, absences},
        },
        area::Thread,
        timeline::{OfProcess, Timeline},
    },
    ids::{NodeId, Pid},
    model::{Incident, Matrix, Moment, Name, PerNode, Process},
};

/// Most incidents of a report: of a thousand bounces the longest say it.
const MOST: usize = 200;

/// The timeline of a session, and what it takes to name what is in it.
pub struct Incidents<'a> {
    /// The events of the session.
    pub timeline: &'a Timeline,
    /// When the session began, ns since boot.
    pub began_ns: u64,
    /// When it ended, ns since boot.
    pub ended_ns: u64,
    /// Nodes in the report's order.
    pub nodes: &'a [NodeId],
    /// The processes that the timeline refers to.
    pub known: &'a Processes,
    /// The kernel's names of reasons for page migrations, by number.
    pub migrate_reasons: &'a [String],
}

impl Incidents<'_> {
    /// Returns every absence of a thread from its memory, costliest first: by the CPU time it ran
    /// away from it, then by how long it was away.
    pub fn incidents(&self, processes: &[Process]) -> Vec<Incident> {
        let by_identity: HashMap<(Pid, u64), &Process> = processes
            .iter()
            .map(|process| ((process.pid, process.start_ns), process))
            .collect();
        let mut all: Vec<Incident> = self
            .timeline
            .by_process()
            .iter()
            .filter_map(|(index, part)| {
                let process = by_identity.get(&self.identity(*index))?;
                Some(self.of_process(*index, process, part))
            })
            .flatten()
            .collect();
        let cost = |incident: &Incident| incident.run_ms.unwrap_or(incident.away_ms);
        all.sort_by(|a, b| {
            cost(b)
                .total_cmp(&cost(a))
                .then(b.away_ms.total_cmp(&a.away_ms))
                .then(a.at_s.total_cmp(&b.at_s))
                .then(a.tid.cmp(&b.tid))
        });
        all.truncate(MOST);
        all
    }

    /// Returns every event of one process, in order of time.
    pub fn moments(&self, process: &Process) -> Vec<Moment> {
        let by_process = self.timeline.by_process();
        by_process
            .iter()
            .filter(|(index, _)| self.identity(**index) == (process.pid, process.start_ns))
            .flat_map(|(_, part)| moments(&part.events, self.began_ns, self.migrate_reasons))
            .collect()
    }

    fn identity(&self, index: ProcessIndex) -> (Pid, u64) {
        let process = self.known.get(index);
        (process.pid, process.start_ns)
    }

    fn of_process(
        &self,
        index: ProcessIndex,
        process: &Process,
        part: &OfProcess<'_>,
    ) -> Vec<Incident> {
        let context = Context {
            began_ns: self.began_ns,
            until_ns: self.ended_ns,
            run_time: process.run_ns.is_some(),
            hint_faults: process.hint_faults.is_some(),
        };
        let named = |absence: &Absence| {
            let comm = thread_name(process, absence.thread);
            incident(absence, process.pid, comm, context)
        };
        let known = known(process, self.nodes);
        let all = absences(index, part, &known, self.ended_ns);
        all.iter().map(named).collect()
    }
}

/// Returns what the report knows of a process's memory.
fn known(process: &Process, nodes: &[NodeId]) -> Known {
    let by_node = |pages: PerNode| nodes.iter().copied().zip(pages.0).collect();
    let touched = || {
        let touched = process.first_touch.as_ref()?.pages.as_ref()?;
        Some(by_node(touched.by_to()))
    };
    let moved = process.page_migrations.as_ref();
    Known {
        pages: match process.resident() {
            Some(pages) => Pages::Resident(by_node(pages)),
            None => Pages::Touched(touched().unwrap_or_default()),
        },
        moved: moved
            .and_then(|moved| moved.matrix.as_ref())
            .map_or_else(BTreeMap::new, |matrix| pairs(matrix, nodes)),
    }
}

/// Returns the counts of a matrix by pair of nodes.
fn pairs(matrix: &Matrix, nodes: &[NodeId]) -> BTreeMap<(NodeId, NodeId), u64> {
    let positions = || nodes.iter().copied().enumerate();
    positions()
        .flat_map(|(row, from)| {
            positions().map(move |(column, to)| ((from, to), matrix.at(row, column)))
        })
        .collect()
}

/// Returns the name of a thread, or of its process where the thread's is not known.
fn thread_name(process: &Process, (tid, start_ns): Thread) -> Name {
    process
        .threads
        .iter()
        .find(|thread| thread.tid == tid && thread.start_ns == Some(start_ns))
        .map(|thread| &thread.comm)
        .filter(|comm| **comm != *GONE)
        .unwrap_or(&process.comm)
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::count::MoveReason as WireReason,
        enrich::timeline_event::{TimelineEvent, TimelineKind},
        ids::{CpuId, Tid},
        model::{FirstTouch, HintFaults, Matrix, PageMigrations, ProcessKind},
    };

    const SECOND: u64 = 1_000_000_000;
    const NODES: [NodeId; 2] = [NodeId(0), NodeId(1)];

    /// The process in the totals of a session.
    #[derive(Clone, Copy)]
    struct Totals {
        /// Base pages it touched first, all on node 0.
        touched: u64,
        /// Base pages that were moved from node 0 to 1, and back.
        moved: [u64; 2],
        hint_faults: bool,
    }

    const TOTALS: Totals = Totals {
        touched: 1_000,
        moved: [0, 0],
        hint_faults: false,
    };

    fn app(totals: Totals) -> (Processes, ProcessIndex, Process) {
        let (known, index) = Processes::example();
        let mut process = Process::new(Pid(7), 5, "app", ProcessKind::User);
        let mut pages = Matrix::zeros(2);
        pages.add_at(0, 0, totals.touched);
        process.first_touch = Some(FirstTouch {
            pages: Some(pages),
            ..FirstTouch::default()
        });
        let mut moved = Matrix::zeros(2);
        moved.add_at(0, 1, totals.moved[0]);
        moved.add_at(1, 0, totals.moved[1]);
        process.page_migrations = Some(PageMigrations {
            matrix: Some(moved),
            ..PageMigrations::default()
        });
        process.hint_faults = totals.hint_faults.then(HintFaults::default);
        process.home_node = Some(NodeId(0));
        (known, index, process)
    }

    fn moved(process: ProcessIndex, at_s: u64, from: u16, to: u16) -> TimelineEvent {
        TimelineEvent {
            time_ns: at_s * SECOND,
            process,
            nodes: (NodeId(from), NodeId(to)),
            what: TimelineKind::Move {
                tid: Tid(7),
                start_ns: 5,
                cpus: (CpuId(0), CpuId(2)),
                reason: WireReason::LoadBalance,
                ran_ns: at_s * SECOND / 2,
                far_faults: at_s,
            },
        }
    }

    fn pages(process: ProcessIndex, at_s: u64, from: u16, to: u16, pages: u64) -> TimelineEvent {
        TimelineEvent {
            what: TimelineKind::Pages {
                asker: Pid(7),
                reason: 0,
                pages,
                until_ns: at_s * SECOND,
            },
            ..moved(process, at_s, from, to)
        }
    }

    fn incidents_of(
        totals: Totals,
        events: impl Fn(ProcessIndex) -> Vec<TimelineEvent>,
    ) -> Vec<Incident> {
        let (known, index, process) = app(totals);
        let mut timeline = Timeline::default();
        for event in events(index) {
            timeline.apply(event);
        }
        let incidents = Incidents {
            timeline: &timeline,
            began_ns: 10 * SECOND,
            ended_ns: 20 * SECOND,
            nodes: &NODES,
            known: &known,
            migrate_reasons: &[],
        };
        incidents.incidents(&[process])
    }

    #[test]
    fn an_absence_has_its_memory_then_and_what_followed() {
        // 1,000 pages at the end.
        let totals = Totals {
            touched: 1_300,
            moved: [400, 100],
            hint_faults: true,
        };
        let all = incidents_of(totals, |app| {
            vec![
                pages(app, 13, 0, 1, 400),
                moved(app, 12, 0, 1),
                moved(app, 14, 1, 0),
                pages(app, 15, 1, 0, 100),
            ]
        });
        assert_eq!(all.len(), 1, "{all:#?}");
        let incident = &all[0];
        assert_eq!((incident.at_s, incident.away_ms), (2.0, 2_000.0));
        // The thread had run 6 s when it went and 7 s when it came back, and brought the count of
        // its faults along.
        assert_eq!(
            (incident.run_ms, incident.remote_hint_faults),
            (Some(1_000.0), Some(14))
        );
        // 1,000 at the end, of which 100 came back; 400 had left before.
        assert_eq!((incident.pages_left, incident.pages_followed), (1_300, 400));
        assert_eq!(incident.back, Some(crate::model::MoveReason::LoadBalance));
    }

    #[test]
    fn when_all_memory_follows_the_way_back_leaves_it() {
        let totals = Totals {
            moved: [900, 0],
            ..TOTALS
        };
        let all = incidents_of(totals, |app| {
            vec![
                moved(app, 12, 0, 1),
                pages(app, 13, 0, 1, 900),
                moved(app, 18, 1, 0),
            ]
        });
        let found: Vec<_> = all
            .iter()
            .map(|incident| {
                let nodes = (incident.from, incident.to);
                (nodes, incident.pages_left, incident.pages_followed)
            })
            .collect();
        let (there, back) = ((NodeId(0), NodeId(1)), (NodeId(1), NodeId(0)));
        assert_eq!(found, [(there, 1_000, 900), (back, 900, 0)]);
        assert!(all[0].back.is_some() && all[1].back.is_none());
    }

    #[test]
    fn who_does_not_come_back_is_away_to_the_end() {
        let all = incidents_of(TOTALS, |app| vec![moved(app, 12, 0, 1)]);
        assert_eq!((all[0].away_ms, all[0].back), (8_000.0, None));
        assert_eq!((all[0].run_ms, all[0].remote_hint_faults), (None, None));
    }

    #[test]
    fn the_costliest_stands_first_and_a_way_home_alone_is_none() {
        let all = incidents_of(TOTALS, |app| {
            vec![
                moved(app, 11, 1, 0),
                moved(app, 12, 0, 1),
                moved(app, 13, 1, 0),
                moved(app, 14, 0, 1),
                moved(app, 17, 1, 0),
            ]
        });
        let away: Vec<f64> = all.iter().map(|incident| incident.away_ms).collect();
        assert_eq!(away, [3_000.0, 1_000.0]);
    }
}
