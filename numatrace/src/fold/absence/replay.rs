//! Absences of a session that is over: its timeline fed to the engine as if it went on.

use std::collections::BTreeMap;

use super::{Absence, process::Process};
use crate::{
    decode::count::NodePair,
    enrich::{
        process::ProcessIndex,
        timeline_event::{TimelineEvent, TimelineKind},
    },
    fold::{area::Thread, sums::bump, timeline::OfProcess},
    ids::NodeId,
};

/// The memory of a process, by the totals of the session.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Base pages by node.
    pub pages: Pages,
    /// Base pages that were moved in the session by its totals, which lose no record: from, to.
    pub moved: BTreeMap<NodePair, u64>,
}

/// Base pages of a process by node.
#[derive(Clone, Debug)]
pub enum Pages {
    /// All that it touched first in the session.
    Touched(BTreeMap<NodeId, u64>),
    /// Its pages by node at the end, whenever they were touched.
    Resident(BTreeMap<NodeId, u64>),
}

impl Default for Pages {
    fn default() -> Self {
        Self::Touched(BTreeMap::new())
    }
}

/// An event on its way into the engine.
enum Step<'a> {
    Event(&'a TimelineEvent),
    Exit(Thread),
}

/// Returns the absences of one process's threads, those that last up to `until_ns` (since boot)
/// included.
pub fn absences(
    index: ProcessIndex,
    timeline: &OfProcess<'_>,
    known: &Known,
    until_ns: u64,
) -> Vec<Absence> {
    let mut process = Process::new(index);
    let surviving = begin(&mut process, timeline, known);
    for (thread, followed) in &timeline.threads {
        process.count_all(*thread, &followed.spent);
    }
    let mut absences = Vec::new();
    let mut steps = steps(timeline).into_iter().peekable();
    for (sweep, number) in timeline.touched.iter().zip(1..) {
        process.sweep(number);
        for (node, pages) in &sweep.pages {
            process.touched(*node, surviving.of(*node, *pages));
        }
        while let Some((time_ns, step)) = steps.next_if(|(time_ns, _)| *time_ns <= sweep.until_ns) {
            absences.extend(apply(&mut process, time_ns, &step));
        }
    }
    for (time_ns, step) in steps {
        absences.extend(apply(&mut process, time_ns, &step));
    }
    absences.extend(process.open(until_ns));
    absences
}

fn apply(process: &mut Process, time_ns: u64, step: &Step<'_>) -> Option<Absence> {
    match step {
        Step::Event(event) => process.apply(event),
        Step::Exit(thread) => process.exited(*thread, time_ns),
    }
}

/// Returns all events and ends of threads in order of time.
fn steps<'a>(timeline: &'a OfProcess<'_>) -> Vec<(u64, Step<'a>)> {
    let events = timeline.events.iter();
    let mut steps: Vec<(u64, Step<'_>)> = events
        .map(|event| (event.time_ns, Step::Event(event)))
        .collect();
    steps.extend(
        timeline
            .threads
            .iter()
            .filter_map(|(thread, followed)| Some((followed.ended_ns?, Step::Exit(*thread)))),
    );
    steps.sort_by_key(|(time_ns, _)| *time_ns);
    steps
}

/// The part of the first touches on each node that is still there at the end: of so many so many.
/// All of them on nodes that are not listed.
#[derive(Default)]
struct Surviving(BTreeMap<NodeId, (u64, u64)>);

impl Surviving {
    fn of(&self, node: NodeId, pages: u64) -> u64 {
        let Some((part, whole)) = self.0.get(&node) else {
            return pages;
        };
        let part = u128::from(pages) * u128::from(*part) / u128::from((*whole).max(1));
        u64::try_from(part).unwrap_or(pages)
    }
}

/// Gives a process the memory that it had before its first event. Returns how much of the first
/// touches since, which are still to come, counts.
fn begin(process: &mut Process, timeline: &OfProcess<'_>, known: &Known) -> Surviving {
    let moved = moved(timeline);
    let touches = timeline.touched.iter().flat_map(|sweep| &sweep.pages);
    match &known.pages {
        Pages::Touched(all) => {
            let mut before = all.clone();
            for (node, pages) in touches {
                let left = before.entry(*node).or_default();
                *left = left.saturating_sub(*pages);
            }
            for (node, pages) in before {
                process.touched(node, pages);
            }
            // The time of moves whose records were lost is unknown.
            for (nodes, pages) in &known.moved {
                let recorded = moved.get(nodes).copied().unwrap_or(0);
                if *pages > recorded {
                    process.pages_moved(*nodes, pages - recorded);
                }
            }
            Surviving::default()
        }
        Pages::Resident(in_the_end) => {
            let mut before = in_the_end.clone();
            for event in timeline.events.iter().rev() {
                if let TimelineKind::Pages { pages, .. } = event.what {
                    let (from, to) = event.nodes;
                    let left = before.entry(to).or_default();
                    *left = left.saturating_sub(pages);
                    bump(&mut before, from, pages);
                }
            }
            // The process did not have its memory of the end from the beginning. Of memory that it
            // gave back and took again, no more counts than there is.
            let mut touched: BTreeMap<NodeId, u64> = BTreeMap::new();
            for (node, pages) in touches {
                bump(&mut touched, *node, *pages);
            }
            let mut surviving = Surviving::default();
            for (node, pages) in before {
                let all = touched.get(&node).copied().unwrap_or(0);
                let part = all.min(pages);
                surviving.0.insert(node, (part, all));
                process.touched(node, pages - part);
            }
            surviving
        }
    }
}

/// Returns the base pages that the timeline's events moved: from, to.
fn moved(timeline: &OfProcess<'_>) -> BTreeMap<NodePair, u64> {
    let mut moved = BTreeMap::new();
    for event in &timeline.events {
        if let TimelineKind::Pages { pages, .. } = event.what {
            bump(&mut moved, event.nodes, pages);
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::count::{CountKind, MoveReason, TouchKey},
        enrich::{Charged, Observation, process::Processes},
        fold::timeline::Timeline,
        ids::{CpuId, Tid},
    };

    /// Absences of a process with so many resident pages on node 0 at the end. It touched 1,000
    /// there in the sweep at 20, before its thread left at 25, and 300 in the sweep at 30.
    fn with_resident(pages: u64) -> Vec<Absence> {
        let (_, process) = Processes::example();
        let mut timeline = Timeline::default();
        let touched = |pages| Observation {
            epoch: 1,
            charged: Charged::Thread {
                process,
                tid: Tid(7),
                start_ns: 5,
            },
            what: CountKind::FirstTouch(TouchKey {
                nodes: (NodeId(0), NodeId(0)),
                kind: None,
                cow: false,
                thp: false,
                withdrawn: false,
            }),
            count: pages,
            amount: pages,
        };
        let moved = |time_ns, nodes| TimelineEvent {
            time_ns,
            process,
            nodes,
            what: TimelineKind::Move {
                tid: Tid(7),
                start_ns: 5,
                cpus: (CpuId(0), CpuId(2)),
                reason: MoveReason::LoadBalance,
                ran_ns: time_ns,
                far_faults: 0,
            },
        };
        timeline.apply(moved(10, (NodeId(1), NodeId(0))));
        timeline.sweep(20, &[touched(1_000)]);
        timeline.apply(moved(25, (NodeId(0), NodeId(1))));
        timeline.sweep(30, &[touched(300)]);
        let known = Known {
            pages: Pages::Resident(BTreeMap::from([(NodeId(0), pages)])),
            moved: BTreeMap::new(),
        };
        let part = timeline.by_process().remove(&process).unwrap();
        absences(process, &part, &known, 40)
    }

    #[test]
    fn memory_of_the_end_was_not_there_before_it_was_touched() {
        let left = |pages| {
            let absences = with_resident(pages);
            assert_eq!(absences.len(), 1, "{absences:#?}");
            (absences[0].pages_left_least, absences[0].pages_left)
        };
        assert_eq!(left(5_300), (5_000, 5_300), "4,000 from before the session");
        assert_eq!(left(1_300), (1_000, 1_300));
        assert_eq!(left(130), (100, 130), "most of it was given back");
    }
}
