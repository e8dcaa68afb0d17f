//! Absences of a session that is over: its timeline fed to the engine as if it went on.

use std::collections::BTreeMap;

use super::{Absence, process::Process};
use crate::{
    decode::count::NodePair,
    enrich::{
        process::ProcessIndex,
        timeline_event::{TimelineEvent, TimelineKind},
    },
    fold::{
        area::Thread,
        sums::bump,
        timeline::{OfProcess, sweeps::Touched},
    },
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
    let touched = begin(&mut process, timeline, known);
    for (thread, followed) in &timeline.threads {
        process.count_all(*thread, &followed.spent);
    }
    let mut absences = Vec::new();
    let mut steps = steps(timeline).into_iter().peekable();
    for sweep in touched {
        for (node, pages) in &sweep.pages {
            process.touched(*node, *pages);
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

/// Gives a process the memory that it had before its first event. Returns the first touches that
/// are still to come.
fn begin<'a>(process: &mut Process, timeline: &OfProcess<'a>, known: &Known) -> &'a [Touched] {
    let moved = moved(timeline);
    match &known.pages {
        Pages::Touched(all) => {
            let mut before = all.clone();
            for (node, pages) in timeline.touched.iter().flat_map(|sweep| &sweep.pages) {
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
            timeline.touched
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
            for (node, pages) in before {
                process.touched(node, pages);
            }
            &[]
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
