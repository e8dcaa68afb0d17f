//! Takes runs of first touches, hinting faults, fills and moves into the accumulators by mapping.

use super::{Ingest, input::OpenRuns};
use crate::{
    decode::{
        count::Owner,
        event::{Body, Event},
        fill_run::FillRun,
        mapping_run::{TouchRun, UseRun},
    },
    enrich::{Enrich, facts::Facts, process::ProcessIndex},
    fold::{live::LiveEvent, mapping::Mappings},
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
    /// Reads where the memory of the processes in the report lies now.
    pub(super) fn read_residency(&mut self) {
        let Self {
            enrich,
            mappings,
            timeline,
            ..
        } = self;
        // Processes that moved, or were named with -p, are included even if they touch no new
        // memory.
        for process in timeline.processes().chain(enrich.processes.asked()) {
            if !enrich.processes.get(process).kthread {
                mappings.by_process.entry(process).or_default();
            }
        }
        let seen = mappings.by_process.keys().copied();
        enrich
            .residency
            .refresh(&enrich.processes, seen.clone(), &mut enrich.facts);
        // Mappings that are only read have no runs, so their names are looked up here.
        for process in seen {
            let pid = enrich.processes.get(process).pid;
            if !enrich.residency.of(process).is_empty() && !enrich.processes.get(process).ended {
                enrich.spaces.refresh(process, pid, &mut enrich.facts);
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
