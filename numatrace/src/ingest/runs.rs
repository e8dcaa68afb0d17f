//! Takes runs of first touches, hinting faults, fills and moves into the accumulators by mapping.

use std::collections::HashSet;

use numatrace_common::scope::NS_PER_TICK;

use super::{Ingest, input::OpenRuns};
use crate::{
    decode::{
        count::Owner,
        event::{Body, Event},
        fill_run::FillRun,
        mapping_run::{TouchRun, UseRun},
    },
    enrich::{
        Enrich,
        facts::{Facts, resident::Reading},
        process::ProcessIndex,
    },
    fold::{busy::Busy, live::LiveEvent, mapping::Mappings},
    ids::Pid,
};

/// Applies an event to mappings and processes. Returns it as a live event, if it is one.
pub(super) fn apply<F: Facts>(
    event: &Event,
    enrich: &mut Enrich<F>,
    mappings: &mut Mappings,
) -> Option<LiveEvent> {
    match &event.body {
        Body::TouchRun(run) => {
            let process = touched(run, event.time_ns, enrich, mappings);
            return Some(LiveEvent::Touch(process, *run));
        }
        Body::UseRun(run) => {
            let process = used(run, event.time_ns, enrich, mappings);
            return Some(LiveEvent::Use(process, *run));
        }
        Body::FillRun(run) => filled(run, enrich, mappings),
        Body::KernelAlloc(sample) => {
            let process = enrich.processes.of_thread(sample.thread, &mut enrich.facts);
            mappings.kernel_took(process, sample);
        }
        Body::TaskBind(bind) => {
            let process = enrich.processes.of_thread(bind.thread, &mut enrich.facts);
            mappings.bound(process, bind, event.time_ns);
        }
        Body::PagesMoved(run) => {
            if let (Owner::Thread(leader), true) = (run.owner, run.area.known()) {
                let process = enrich.run(leader, &run.area, run.range.0, event.time_ns);
                mappings.moved(process, run);
            }
            return enrich.event(event).map(LiveEvent::TimelineEvent);
        }
        _ => return enrich.event(event).map(LiveEvent::TimelineEvent),
    }
    None
}

pub(super) fn touched<F: Facts>(
    run: &TouchRun,
    now_ns: u64,
    enrich: &mut Enrich<F>,
    mappings: &mut Mappings,
) -> ProcessIndex {
    let process = enrich.run(run.thread, &run.area, run.low, now_ns);
    mappings.touched(process, run);
    process
}

pub(super) fn used<F: Facts>(
    run: &UseRun,
    now_ns: u64,
    enrich: &mut Enrich<F>,
    mappings: &mut Mappings,
) -> ProcessIndex {
    let process = enrich.run(run.thread, &run.area, run.low, now_ns);
    mappings.used(process, run);
    process
}

fn filled<F: Facts>(run: &FillRun, enrich: &mut Enrich<F>, mappings: &mut Mappings) {
    let process = enrich.fill(run);
    mappings.filled(process, run);
}

impl<F: Facts> Ingest<F> {
    /// Returns the living processes whose memory is worth looking at, with pid and start in clock
    /// ticks: of named processes those that did anything, else those with most CPU time.
    pub fn residents(&self, named: bool) -> Vec<(ProcessIndex, (Pid, u64))> {
        let processes = &self.enrich.processes;
        let busy = self.busy.as_ref().map(Busy::most).unwrap_or_default();
        let mut all = Vec::new();
        if named {
            all.extend(processes.asked());
            all.extend(busy);
            all.extend(self.mappings.by_process.keys().copied());
            all.extend(self.timeline.processes());
            all.extend(processes.announced(u64::MAX));
        } else {
            all.extend(busy);
        }
        let mut known = HashSet::new();
        all.retain(|process| known.insert(*process));
        let living = all.into_iter().filter_map(|index| {
            let process = processes.get(index);
            let lives = processes.knows(index) && !process.ended && !process.kthread;
            let start_ticks = process.start_ns / NS_PER_TICK;
            lives.then_some((index, (process.pid, start_ticks)))
        });
        living.collect()
    }

    /// Takes in readings of where the memory of processes lies.
    pub(super) fn resident(&mut self, readings: &[Reading]) {
        let Self {
            enrich, mappings, ..
        } = self;
        for reading in readings {
            let Some(process) = enrich
                .processes
                .started(reading.pid, reading.start_ticks)
                .filter(|process| !enrich.processes.get(*process).kthread)
            else {
                continue;
            };
            let is_first = enrich.residency.add(process, reading);
            if reading.mappings.is_empty() {
                continue;
            }
            // Processes that touch no new memory have mappings in the report, too.
            mappings.by_process.entry(process).or_default();
            // Mappings that are only read have no runs, so their names are looked up here.
            if is_first && !enrich.processes.get(process).ended {
                enrich
                    .spaces
                    .refresh(process, reading.pid, &mut enrich.facts);
            }
        }
    }

    /// Notes the names of threads that touched memory. A command that outlives the session is ended
    /// before the report is made, so their names could not be read then.
    pub(super) fn note_threads(&mut self) {
        let Self {
            enrich, mappings, ..
        } = self;
        for (process, memory) in &mappings.by_process {
            for thread in memory.stack_pointers.keys() {
                enrich
                    .processes
                    .note_thread(*process, *thread, &mut enrich.facts);
            }
        }
    }

    /// Takes in runs that have not ended.
    pub(super) fn open_runs(&mut self, open: &OpenRuns) {
        for run in &open.touches {
            let run = TouchRun::from(*run);
            touched(&run, open.now_ns, &mut self.enrich, &mut self.mappings);
        }
        for run in &open.uses {
            let run = UseRun::from(*run);
            used(&run, open.now_ns, &mut self.enrich, &mut self.mappings);
        }
        for run in &open.fills {
            filled(&FillRun::from(*run), &mut self.enrich, &mut self.mappings);
        }
        for run in &open.moves {
            let event = Event {
                time_ns: run.header.time_ns,
                cpu: run.header.cpu,
                body: Body::from(*run),
            };
            let live_event = apply(&event, &mut self.enrich, &mut self.mappings);
            if let Some(LiveEvent::TimelineEvent(timeline_event)) = live_event {
                self.timeline.apply(timeline_event);
            }
        }
    }
}
