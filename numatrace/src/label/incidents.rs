//! From what happened when to stories: who left its memory, why, for how long, what followed it, and why it came back.

use std::collections::{BTreeMap, HashMap};

use super::millis;
use crate::{
    enrich::{
        happening::{Happened, Happening},
        process::{ProcessIndex, Processes},
    },
    fold::{activity::reason, bump, timeline::Timeline},
    ids::{NodeId, Pid, Tid},
    model::{Incident, Moment, MomentKind, Name, Process},
};

/// Most incidents of a report: of a thousand bounces the longest say it.
const MOST: usize = 200;

/// What the stories need beside the happenings.
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
}

impl Stories<'_> {
    /// Every absence of a thread from its memory, longest first.
    pub fn incidents(&self, processes: &[Process]) -> Vec<Incident> {
        let by_identity: HashMap<(Pid, u64), &Process> = processes
            .iter()
            .map(|process| ((process.pid, process.start_ns), process))
            .collect();
        let mut all: Vec<Incident> = self
            .timeline
            .by_process()
            .iter()
            .filter_map(|(index, happenings)| {
                let process = by_identity.get(&self.identity(*index))?;
                Some((*process, happenings))
            })
            .flat_map(|(process, happenings)| self.of_process(process, happenings))
            .collect();
        all.sort_by(|a, b| {
            b.away_ms
                .total_cmp(&a.away_ms)
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
            .flat_map(|(_, happenings)| happenings)
            .map(|happening| Moment {
                at_s: self.seconds(happening.time_ns),
                from: happening.nodes.0,
                to: happening.nodes.1,
                what: match happening.what {
                    Happened::Move {
                        tid, reason: why, ..
                    } => MomentKind::TaskMove {
                        tid,
                        reason: reason(why),
                    },
                    Happened::Pages { asker, pages, .. } => MomentKind::PageMigration {
                        moved_by: asker,
                        pages,
                    },
                },
            })
            .collect()
    }

    fn identity(&self, index: ProcessIndex) -> (Pid, u64) {
        let process = self.known.get(index);
        (process.pid, process.start_ns)
    }

    fn of_process(&self, process: &Process, happenings: &[Happening]) -> Vec<Incident> {
        let Some(home) = process.home_node else {
            return Vec::new();
        };
        let mut incidents = Vec::new();
        let mut away: BTreeMap<(Tid, u64), (Happening, u64)> = BTreeMap::new();
        let mut pages = self.at_home_at_first(process, home, happenings);
        let mut followed: BTreeMap<NodeId, u64> = BTreeMap::new();
        for happening in happenings {
            let (from, to) = happening.nodes;
            match happening.what {
                Happened::Pages { pages: moved, .. } => {
                    if from == home {
                        pages = pages.saturating_sub(moved);
                        bump(&mut followed, to, moved);
                    } else if to == home {
                        pages = pages.saturating_add(moved);
                    }
                }
                Happened::Move { tid, start_ns, .. } => {
                    let thread = (tid, start_ns);
                    if to == home {
                        if let Some((left, before)) = away.remove(&thread) {
                            let since = followed.get(&left.nodes.1).copied().unwrap_or(0);
                            incidents.extend(self.incident(
                                process,
                                &left,
                                before,
                                since,
                                Some(happening),
                                pages,
                            ));
                        }
                    } else if from == home {
                        let before = followed.get(&to).copied().unwrap_or(0);
                        away.insert(thread, (*happening, before));
                    }
                }
            }
        }
        for (left, before) in away.into_values() {
            let since = followed.get(&left.nodes.1).copied().unwrap_or(0);
            incidents.extend(self.incident(process, &left, before, since, None, pages));
        }
        incidents
    }

    /// Pages on the home node before the first happening: those at the end, with all later moves undone.
    fn at_home_at_first(&self, process: &Process, home: NodeId, happenings: &[Happening]) -> u64 {
        let at_end = self
            .nodes
            .iter()
            .position(|node| *node == home)
            .map_or(0, |home| super::away::pages_on(process, home));
        happenings
            .iter()
            .rev()
            .fold(at_end, |pages, happening| match happening.what {
                Happened::Pages { pages: moved, .. } if happening.nodes.0 == home => {
                    pages.saturating_add(moved)
                }
                Happened::Pages { pages: moved, .. } if happening.nodes.1 == home => {
                    pages.saturating_sub(moved)
                }
                _ => pages,
            })
    }

    fn incident(
        &self,
        process: &Process,
        left: &Happening,
        before: u64,
        since: u64,
        back: Option<&Happening>,
        pages_now: u64,
    ) -> Option<Incident> {
        let Happened::Move {
            tid, reason: why, ..
        } = left.what
        else {
            return None;
        };
        let followed = since.saturating_sub(before);
        let until = back.map_or(self.ended_ns, |back| back.time_ns);
        Some(Incident {
            pid: process.pid,
            tid,
            comm: thread_name(process, tid),
            from: left.nodes.0,
            to: left.nodes.1,
            reason: reason(why),
            at_s: self.seconds(left.time_ns),
            away_ms: millis(until.saturating_sub(left.time_ns)),
            pages_left: pages_now.saturating_add(followed),
            pages_followed: followed,
            back: back.and_then(|back| match back.what {
                Happened::Move { reason: why, .. } => Some(reason(why)),
                Happened::Pages { .. } => None,
            }),
        })
    }

    fn seconds(&self, time_ns: u64) -> f64 {
        millis(time_ns.saturating_sub(self.began_ns)) / 1000.0
    }
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
        decode::event::TaskFork,
        ids::CpuId,
        model::{FirstTouch, Matrix, ProcessKind},
    };

    const SECOND: u64 = 1_000_000_000;
    const NODES: [NodeId; 2] = [NodeId(0), NodeId(1)];

    /// A process with 1,000 pages on node 0 at the end, and what it is known as.
    fn app() -> (Processes, ProcessIndex, Process) {
        let mut known = Processes::default();
        known.forked(&TaskFork {
            pid: Pid(7),
            start_ns: 5,
            parent: Pid(1),
            kthread: false,
            comm: Name::from("app"),
        });
        let index = known.announced(u64::MAX).next().unwrap();
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

    fn moved(process: ProcessIndex, at_s: u64, from: u16, to: u16) -> Happening {
        Happening {
            time_ns: at_s * SECOND,
            process,
            nodes: (NodeId(from), NodeId(to)),
            what: Happened::Move {
                tid: Tid(7),
                start_ns: 5,
                cpus: (CpuId(0), CpuId(2)),
                reason: WireReason::LoadBalance,
            },
        }
    }

    fn pages(process: ProcessIndex, at_s: u64, from: u16, to: u16, pages: u64) -> Happening {
        Happening {
            what: Happened::Pages {
                asker: Pid(7),
                reason: 0,
                pages,
            },
            ..moved(process, at_s, from, to)
        }
    }

    fn told(happenings: impl Fn(ProcessIndex) -> Vec<Happening>) -> Vec<Incident> {
        let (known, index, process) = app();
        let mut timeline = Timeline::default();
        for happening in happenings(index) {
            timeline.apply(happening);
        }
        let stories = Stories {
            timeline: &timeline,
            began_ns: 10 * SECOND,
            ended_ns: 20 * SECOND,
            nodes: &NODES,
            known: &known,
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
        // 1,000 at the end, of which 100 came back; 400 had left before.
        assert_eq!((incident.pages_left, incident.pages_followed), (1_300, 400));
        assert_eq!(incident.back, Some(crate::model::MoveReason::LoadBalance));
    }

    #[test]
    fn who_does_not_come_back_is_away_to_the_end() {
        let all = told(|app| vec![moved(app, 12, 0, 1)]);
        assert_eq!((all[0].away_ms, all[0].back), (8_000.0, None));
    }

    #[test]
    fn the_longest_stands_first_and_a_way_home_alone_is_none() {
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
