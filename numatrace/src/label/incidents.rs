//! From what happened when to stories: who left its memory, why, for how long, what followed it, and why it came back.
//!
//! A thread is at home where more than half of its process's memory lies at that time. When all of it follows, home is where it followed to, and the way back
//! leaves memory behind as the way there did.

use std::collections::{BTreeMap, HashMap};

use super::{
    activity::{reason, reason_name},
    millis,
};
use crate::{
    enrich::{
        process::{ProcessIndex, Processes},
        timeline_event::{Happened, TimelineEvent},
    },
    fold::{bump, timeline::Timeline},
    ids::{NodeId, Pid, Tid},
    model::{Incident, Moment, MomentKind, Name, Process, Thread},
};

/// Most incidents of a report: of a thousand bounces the longest say it.
const MOST: usize = 200;

/// What the stories need beside the timeline events.
pub struct Stories<'a> {
    /// What happened.
    pub timeline: &'a Timeline,
    /// When the session began, ns since boot.
    pub began_ns: u64,
    /// When it ended.
    pub ended_ns: u64,
    /// Nodes in the report's order.
    pub nodes: &'a [NodeId],
    /// Who is who.
    pub known: &'a Processes,
    /// Hinting faults were measured.
    pub hint_faults: bool,
    /// The kernel's names of reasons for migrations, by number.
    pub migrate_reasons: &'a [String],
}

/// An absence that is going on.
struct Away {
    /// How it began.
    left: TimelineEvent,
    /// Pages of the process on its home node then.
    pages: u64,
    /// Pages that had been moved the same way before.
    before: u64,
    /// Hinting faults on pages of other nodes since.
    far_faults: u64,
}

/// What the records of a thread told so far.
#[derive(Clone, Default)]
struct Told {
    /// Hinting faults on pages of other nodes.
    far_faults: u64,
    /// CPU time in absences that have ended, by the node that was left, ns.
    away_ns: BTreeMap<NodeId, u64>,
}

/// Pages of a process by node, as the session knows them at a time.
#[derive(Clone, Debug, Default)]
struct Pages(BTreeMap<NodeId, u64>);

impl Pages {
    fn on(&self, node: NodeId) -> u64 {
        self.0.get(&node).copied().unwrap_or(0)
    }

    fn moved(&mut self, (from, to): (NodeId, NodeId), pages: u64) {
        let left = self.on(from).saturating_sub(pages);
        self.0.insert(from, left);
        bump(&mut self.0, to, pages);
    }

    /// The node with more than half of them.
    fn home(&self) -> Option<NodeId> {
        let total = self
            .0
            .values()
            .fold(0u64, |sum, pages| sum.saturating_add(*pages));
        let mut nodes = self.0.iter();
        nodes
            .find(|(_, pages)| pages.saturating_mul(2) > total)
            .map(|(node, _)| *node)
    }
}

/// How an absence ended.
#[derive(Clone, Copy)]
struct End<'a> {
    /// The move back; `None` when there was none.
    back: Option<&'a TimelineEvent>,
    /// Pages that had been moved the same way by then.
    followed: u64,
    /// CPU time of the thread meanwhile, ns.
    ran_ns: Option<u64>,
    /// Its hinting faults on pages of other nodes meanwhile.
    far_faults: Option<u64>,
}

impl Stories<'_> {
    /// Every absence of a thread from its memory, costliest first: by the CPU time it ran away from it, then by how long it was away.
    pub fn incidents(&self, processes: &[Process]) -> Vec<Incident> {
        let by_identity: HashMap<(Pid, u64), &Process> = processes
            .iter()
            .map(|process| ((process.pid, process.start_ns), process))
            .collect();
        let mut all: Vec<Incident> = self
            .timeline
            .by_process()
            .iter()
            .filter_map(|(index, timeline_events)| {
                let process = by_identity.get(&self.identity(*index))?;
                Some((*process, timeline_events))
            })
            .flat_map(|(process, timeline_events)| self.of_process(process, timeline_events))
            .collect();
        all.sort_by(|a, b| {
            let cost = |incident: &Incident| incident.run_ms.unwrap_or(incident.away_ms);
            cost(b)
                .total_cmp(&cost(a))
                .then(b.away_ms.total_cmp(&a.away_ms))
                .then(a.at_s.total_cmp(&b.at_s))
                .then(a.tid.cmp(&b.tid))
        });
        all.truncate(MOST);
        all
    }

    /// What happened to one process, in order.
    pub fn moments(&self, process: &Process) -> Vec<Moment> {
        let by_process = self.timeline.by_process();
        by_process
            .iter()
            .filter(|(index, _)| self.identity(**index) == (process.pid, process.start_ns))
            .flat_map(|(_, timeline_events)| timeline_events)
            .map(|timeline_event| Moment {
                at_s: self.seconds(timeline_event.time_ns),
                from: timeline_event.nodes.0,
                to: timeline_event.nodes.1,
                what: match timeline_event.what {
                    Happened::Move {
                        tid, reason: why, ..
                    } => MomentKind::TaskMove {
                        tid,
                        reason: reason(why),
                    },
                    Happened::Pages {
                        asker,
                        reason: why,
                        pages,
                        until_ns,
                    } => MomentKind::PageMigration {
                        moved_by: asker,
                        pages,
                        reason: reason_name(self.migrate_reasons, why),
                        until_s: Some(self.seconds(until_ns)),
                    },
                },
            })
            .collect()
    }

    fn identity(&self, index: ProcessIndex) -> (Pid, u64) {
        let process = self.known.get(index);
        (process.pid, process.start_ns)
    }

    fn of_process(&self, process: &Process, timeline_events: &[TimelineEvent]) -> Vec<Incident> {
        let mut incidents = Vec::new();
        let mut away: BTreeMap<(Tid, u64), Away> = BTreeMap::new();
        let mut told: BTreeMap<(Tid, u64), Told> = BTreeMap::new();
        let mut pages = self.at_first(process, timeline_events);
        let mut moved: BTreeMap<(NodeId, NodeId), u64> = BTreeMap::new();
        for timeline_event in timeline_events {
            let nodes @ (from, to) = timeline_event.nodes;
            match timeline_event.what {
                Happened::Pages { pages: more, .. } => {
                    pages.moved(nodes, more);
                    bump(&mut moved, nodes, more);
                }
                Happened::Move {
                    tid,
                    start_ns,
                    ran_ns,
                    far_faults,
                    ..
                } => {
                    let thread = (tid, start_ns);
                    let sum = told.entry(thread).or_default();
                    sum.far_faults = sum.far_faults.saturating_add(far_faults);
                    if let Some(absence) = away.get_mut(&thread) {
                        absence.far_faults = absence.far_faults.saturating_add(far_faults);
                    }
                    if away
                        .get(&thread)
                        .is_some_and(|absence| absence.left.nodes.0 == to)
                        && let Some(absence) = away.remove(&thread)
                    {
                        let ran = ran_ns.saturating_sub(ran_then(&absence.left));
                        bump(&mut sum.away_ns, to, ran);
                        let end = End {
                            back: Some(timeline_event),
                            followed: moved.get(&absence.left.nodes).copied().unwrap_or(0),
                            ran_ns: Some(ran),
                            far_faults: Some(absence.far_faults),
                        };
                        incidents.extend(self.incident(process, &absence, end));
                    }
                    if !away.contains_key(&thread) && pages.home() == Some(from) {
                        let absence = Away {
                            left: *timeline_event,
                            pages: pages.on(from),
                            before: moved.get(&nodes).copied().unwrap_or(0),
                            far_faults: 0,
                        };
                        away.insert(thread, absence);
                    }
                }
            }
        }
        for (thread, absence) in away {
            let sum = told.remove(&thread).unwrap_or_default();
            let end = End {
                back: None,
                followed: moved.get(&absence.left.nodes).copied().unwrap_or(0),
                ran_ns: self.ran_to_the_end(process, thread, &absence, &sum),
                far_faults: faults_to_the_end(process, thread, &absence, &sum),
            };
            incidents.extend(self.incident(process, &absence, end));
        }
        incidents
    }

    /// CPU time of a thread that did not come back: what it ran on other nodes in all, less its absences from there that have ended. No longer than it
    /// was away.
    fn ran_to_the_end(
        &self,
        process: &Process,
        thread: (Tid, u64),
        absence: &Away,
        told: &Told,
    ) -> Option<u64> {
        let home = absence.left.nodes.0;
        let position = self.nodes.iter().position(|node| *node == home)?;
        let run = find(process, thread)?.run_ns.as_ref()?;
        let elsewhere = run.total().saturating_sub(run.at(position));
        let ended = told.away_ns.get(&home).copied().unwrap_or(0);
        let longest = self.ended_ns.saturating_sub(absence.left.time_ns);
        Some(elsewhere.saturating_sub(ended).min(longest))
    }

    /// Pages by node before the first timeline event: those at the end, with all later moves undone.
    fn at_first(&self, process: &Process, timeline_events: &[TimelineEvent]) -> Pages {
        let at_end = process.pages().unwrap_or_default();
        let at_end = self.nodes.iter().copied().zip(at_end.0);
        let mut pages = Pages(at_end.collect());
        for timeline_event in timeline_events.iter().rev() {
            if let Happened::Pages { pages: moved, .. } = timeline_event.what {
                let (from, to) = timeline_event.nodes;
                pages.moved((to, from), moved);
            }
        }
        pages
    }

    fn incident(&self, process: &Process, absence: &Away, end: End<'_>) -> Option<Incident> {
        let left = &absence.left;
        let Happened::Move {
            tid, reason: why, ..
        } = left.what
        else {
            return None;
        };
        let followed = end.followed.saturating_sub(absence.before);
        let until = end.back.map_or(self.ended_ns, |back| back.time_ns);
        Some(Incident {
            pid: process.pid,
            tid,
            comm: thread_name(process, tid),
            from: left.nodes.0,
            to: left.nodes.1,
            reason: reason(why),
            at_s: self.seconds(left.time_ns),
            away_ms: millis(until.saturating_sub(left.time_ns)),
            run_ms: end.ran_ns.map(millis),
            remote_hint_faults: end.far_faults.filter(|_| self.hint_faults),
            pages_left: absence.pages,
            pages_followed: followed,
            back: end.back.and_then(|back| match back.what {
                Happened::Move { reason: why, .. } => Some(reason(why)),
                Happened::Pages { .. } => None,
            }),
        })
    }

    fn seconds(&self, time_ns: u64) -> f64 {
        millis(time_ns.saturating_sub(self.began_ns)) / 1000.0
    }
}

/// CPU time of the thread when it moved, ns.
fn ran_then(timeline_event: &TimelineEvent) -> u64 {
    match timeline_event.what {
        Happened::Move { ran_ns, .. } => ran_ns,
        Happened::Pages { .. } => 0,
    }
}

/// Hinting faults of a thread that did not come back: all of the session on pages of other nodes, less those that its moves told of.
fn faults_to_the_end(
    process: &Process,
    thread: (Tid, u64),
    absence: &Away,
    told: &Told,
) -> Option<u64> {
    let faults = find(process, thread)?.hint_faults.as_ref()?;
    let remote = faults.matrix.as_ref()?.off_diagonal();
    Some(
        remote
            .saturating_sub(told.far_faults)
            .saturating_add(absence.far_faults),
    )
}

fn find(process: &Process, (tid, start_ns): (Tid, u64)) -> Option<&Thread> {
    let mut threads = process.threads.iter();
    threads.find(|thread| thread.tid == tid && thread.start_ns == Some(start_ns))
}

fn thread_name(process: &Process, tid: Tid) -> Name {
    process
        .threads
        .iter()
        .find(|thread| thread.tid == tid)
        .map_or_else(|| process.comm.clone(), |thread| thread.comm.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::count::MoveReason as WireReason,
        ids::CpuId,
        model::{FirstTouch, Matrix, PageMigrations, ProcessKind},
    };

    const SECOND: u64 = 1_000_000_000;
    const NODES: [NodeId; 2] = [NodeId(0), NodeId(1)];

    /// A process with 1,000 pages on node 0 at the end, and what it is known as.
    fn app() -> (Processes, ProcessIndex, Process) {
        let (known, index) = Processes::example();
        let mut process = Process::new(Pid(7), 5, "app", ProcessKind::User);
        let mut pages = Matrix::zeros(2);
        pages.add_at(0, 0, 1_000);
        process.first_touch = Some(FirstTouch {
            pages: Some(pages),
            ..FirstTouch::default()
        });
        process.home_node = Some(NodeId(0));
        (known, index, process)
    }

    fn moved(process: ProcessIndex, at_s: u64, from: u16, to: u16) -> TimelineEvent {
        TimelineEvent {
            time_ns: at_s * SECOND,
            process,
            nodes: (NodeId(from), NodeId(to)),
            what: Happened::Move {
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
            what: Happened::Pages {
                asker: Pid(7),
                reason: 0,
                pages,
                until_ns: at_s * SECOND,
            },
            ..moved(process, at_s, from, to)
        }
    }

    fn told(timeline_events: impl Fn(ProcessIndex) -> Vec<TimelineEvent>) -> Vec<Incident> {
        told_when(0, timeline_events)
    }

    /// The same where so many of the pages were on node 1 at the end.
    fn told_when(
        followed: u64,
        timeline_events: impl Fn(ProcessIndex) -> Vec<TimelineEvent>,
    ) -> Vec<Incident> {
        let (known, index, mut process) = app();
        let mut migrated = Matrix::zeros(2);
        migrated.add_at(0, 1, followed);
        process.page_migrations = Some(PageMigrations {
            matrix: Some(migrated),
            ..PageMigrations::default()
        });
        let mut timeline = Timeline::default();
        for timeline_event in timeline_events(index) {
            timeline.apply(timeline_event);
        }
        let stories = Stories {
            timeline: &timeline,
            began_ns: 10 * SECOND,
            ended_ns: 20 * SECOND,
            nodes: &NODES,
            known: &known,
            hint_faults: true,
            migrate_reasons: &[],
        };
        stories.incidents(&[process])
    }

    #[test]
    fn an_absence_has_its_memory_then_and_what_followed() {
        let all = told(|app| {
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
        // It had run 6 s when it went and 7 s when it came back, and brought the count of its faults along.
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
        let all = told_when(900, |app| {
            vec![
                moved(app, 12, 0, 1),
                pages(app, 13, 0, 1, 900),
                moved(app, 18, 1, 0),
            ]
        });
        let told: Vec<_> = all
            .iter()
            .map(|incident| {
                let nodes = (incident.from, incident.to);
                (nodes, incident.pages_left, incident.pages_followed)
            })
            .collect();
        let (there, back) = ((NodeId(0), NodeId(1)), (NodeId(1), NodeId(0)));
        assert_eq!(told, [(there, 1_000, 900), (back, 900, 0)]);
        assert!(all[0].back.is_some() && all[1].back.is_none());
    }

    #[test]
    fn who_does_not_come_back_is_away_to_the_end() {
        let all = told(|app| vec![moved(app, 12, 0, 1)]);
        assert_eq!((all[0].away_ms, all[0].back), (8_000.0, None));
        assert_eq!((all[0].run_ms, all[0].remote_hint_faults), (None, None));
    }

    #[test]
    fn the_costliest_stands_first_and_a_way_home_alone_is_none() {
        let all = told(|app| {
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
