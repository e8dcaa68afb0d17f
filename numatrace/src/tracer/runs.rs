//! Runs by mapping on their way from the ring into the accumulators.

use super::Tracer;
use crate::{
    decode::{
        event::{Body, Event},
        fill_run::FillRun,
        mapping_run::{TouchRun, UseRun},
    },
    enrich::{Enrich, facts::ProcFacts, process::ProcessIndex},
    fold::{live::Heard, mapping::Mappings},
};

/// Takes in what an event says: about memory here, about processes there. What it told comes back.
pub(super) fn take_in(
    event: &Event,
    enrich: &mut Enrich<ProcFacts>,
    mappings: &mut Mappings,
) -> Option<Heard> {
    match &event.body {
        Body::TouchRun(run) => {
            let process = touched(run, event.time_ns, enrich, mappings);
            return Some(Heard::Touch(process, *run));
        }
        Body::UseRun(run) => {
            let process = used(run, event.time_ns, enrich, mappings);
            return Some(Heard::Use(process, *run));
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
        _ => return enrich.event(event).map(Heard::Happening),
    }
    None
}

pub(super) fn touched(
    run: &TouchRun,
    now_ns: u64,
    enrich: &mut Enrich<ProcFacts>,
    mappings: &mut Mappings,
) -> ProcessIndex {
    let process = enrich.run(run.thread, &run.area, run.low, now_ns);
    mappings.touched(process, run);
    process
}

pub(super) fn used(
    run: &UseRun,
    now_ns: u64,
    enrich: &mut Enrich<ProcFacts>,
    mappings: &mut Mappings,
) -> ProcessIndex {
    let process = enrich.run(run.thread, &run.area, run.low, now_ns);
    mappings.used(process, run);
    process
}

fn filled(run: &FillRun, enrich: &mut Enrich<ProcFacts>, mappings: &mut Mappings) {
    let process = enrich.fill(run);
    mappings.filled(process, run);
}

impl Tracer {
    /// Looks where the memory of processes that were seen lies now, if that is wanted.
    pub fn look_at_residency(&mut self) {
        let Self {
            enrich, mappings, ..
        } = self;
        if self.residency {
            let seen = mappings.by_process.keys().copied();
            enrich.residency.look(&enrich.processes, seen.clone());
            // What is only read makes no runs, so nothing else has its names looked up.
            for process in seen {
                let pid = enrich.processes.get(process).pid;
                if !enrich.residency.of(process).is_empty() && !enrich.processes.get(process).ended
                {
                    enrich.spaces.look(process, pid, &mut enrich.facts);
                }
            }
        }
    }

    /// Notes the names of the threads that touched memory: a command that outlives the session is ended before the report is made.
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

    /// Takes in the runs that are still under way.
    pub(super) fn take_in_open_runs(&mut self, now_ns: u64) -> anyhow::Result<()> {
        for run in self.open_runs.touches()? {
            touched(&run.into(), now_ns, &mut self.enrich, &mut self.mappings);
        }
        for run in self.open_runs.uses()? {
            used(&run.into(), now_ns, &mut self.enrich, &mut self.mappings);
        }
        for run in self.open_runs.fills()? {
            filled(&run.into(), &mut self.enrich, &mut self.mappings);
        }
        Ok(())
    }
}
