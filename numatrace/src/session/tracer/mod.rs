//! A running tracer: attached programs and maps on one side, the ingest that they feed on the
//! other.
//!
//! The tracer reads when its caller says so; it has no timers and never waits.

mod clock;
mod closing;
mod live;
mod load;
mod reducing;
mod residency;
mod start;
mod verifying;

use std::{collections::BTreeSet, time::Instant};

use crate::{
    attach::{Session, catalog, kernel_enum::ReasonNames, scope},
    capture::{
        Source,
        control::ControlMap,
        cost::CostMeter,
        counting::NumaStat,
        losses::LossCounters,
        mapping_records::MappingRecords,
        numastat::NumastatFiles,
        open_runs::OpenRuns,
        recording::sweep::sort as sort_by_owner,
        ring::Ring,
        run_now::run_on,
        stacks::Stacks,
        totals::{Sweep, TotalsMaps},
    },
    decode::{event::Body, mapping_record::MappingMade},
    enrich::facts::{ProcFacts, noted::Noted},
    ids::{CpuId, NodeId, Pid},
    ingest::{Ingest, input::Input},
    model::cache::Cache,
    recording::{chunks::Sample, recorder::Recorder},
};

pub use clock::boot_ns;
pub use load::{load, load_for};
pub use reducing::Reducing;
pub use residency::Residing;
pub use verifying::Verifying;

/// Attached programs, their maps, and everything taken in so far.
pub struct Tracer {
    session: Session,
    ring: Ring,
    totals: TotalsMaps,
    control: ControlMap,
    losses: LossCounters,
    open_runs: OpenRuns,
    /// User stacks of first touches, and kernel stacks.
    pub stacks: Stacks,
    /// Everything taken in so far.
    pub ingest: Ingest<Noted<ProcFacts>>,
    /// The kernel's records of new mappings, or why they cannot be opened; `None` in a session
    /// without mappings.
    mapping_records: Option<Result<MappingRecords, String>>,
    /// Readings of where the memory of processes lies; `None` in a session without.
    pub residing: Option<Residing>,
    numastat: Result<NumastatFiles, String>,
    numa_stat: NumaStat,
    cpus: Vec<CpuId>,
    /// CPUs that the kernel was told to leave alone.
    isolated: BTreeSet<CpuId>,
    /// Last-level caches when the session began; `None` where sysfs does not tell that of every
    /// CPU.
    pub caches: Option<Vec<Cache>>,
    /// Nodes in the report's order.
    pub nodes: Vec<NodeId>,
    /// Names of the kernel's reasons, by number.
    pub reasons: ReasonNames,
    /// Verification of the reasons of moves; `None` without `--verify-reasons`.
    pub verifying: Option<Verifying>,
    /// Cost of our programs.
    pub cost: CostMeter,
    /// The limit of `--max-overhead` and the details given up for it; `None` without a limit.
    pub reducing: Option<Reducing>,
    /// Recording of the session, if there is one.
    pub recorder: Option<Recorder>,
}

impl Tracer {
    /// Returns the hooks and their state.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the processes that are in scope now, with their starts in clock ticks since boot.
    pub fn in_scope(&mut self) -> Vec<(Pid, u64)> {
        scope::members(self.session.ebpf())
    }

    /// Takes in the records of the ring buffer.
    ///
    /// # Errors
    /// The ring buffer cannot be read.
    pub fn drain(&mut self) -> anyhow::Result<()> {
        self.session.flush_log();
        // First: an event in a mapping must follow the creation of that mapping.
        self.drain_mapping_records();
        let Self {
            ring,
            ingest,
            recorder,
            stacks,
            verifying,
            ..
        } = self;
        ring.drain(&mut |raw| {
            let event = ingest.record(raw);
            if let (Some(Body::MoveStack(stack)), Some(verifying)) =
                (event.as_ref().map(|event| &event.body), &mut *verifying)
            {
                verifying.apply(stack);
            }
            if let Some(recorder) = recorder {
                let addresses = |number| stacks.addresses(number);
                recorder.record(raw, event.as_ref(), addresses, ingest);
            }
        })?;
        if self.ingest.has_pending_mappings() {
            self.apply(&Input::AssignMappings, None);
        }
        self.read_residency();
        Ok(())
    }

    /// Takes in new mappings from the kernel's records.
    fn drain_mapping_records(&mut self) {
        let Some(Ok(records)) = &mut self.mapping_records else {
            return;
        };
        let (mut made, mut rejected) = (Vec::new(), 0);
        records.drain(
            &mut |record, time_ns| match MappingMade::of(record, time_ns) {
                Some(mapping) => made.push(mapping),
                None => rejected += 1,
            },
        );
        if made.is_empty() && rejected == 0 {
            return;
        }
        // A process may have run on several CPUs, each with a buffer of its own.
        made.sort_by_key(|mapping: &MappingMade| mapping.time_ns);
        self.apply(&Input::MappingRecords(made, rejected), None);
    }

    /// Returns whether the kernel's records of new mappings could be opened, or why not; `None` in
    /// a session without mappings.
    pub fn mapping_records(&self) -> Option<Result<(), &str>> {
        let records = self.mapping_records.as_ref()?;
        Some(records.as_ref().map(|_| ()).map_err(String::as_str))
    }

    /// Takes in the counts of the totals, so that their table does not fill up in a long session.
    ///
    /// # Errors
    /// The ring buffer cannot be read, or bpf(2) failed.
    pub fn sweep(&mut self) -> anyhow::Result<()> {
        self.charge_running_tasks(|cpu| !self.isolated.contains(&cpu));
        let current = self.control.advance()?;
        let sweep = self.counts(current)?;
        let sample = self.sample()?;
        self.apply(&Input::Time(boot_ns()?), None);
        self.apply(&Input::Sweep(sweep), sample.as_ref());
        // Records of the time before the sweep precede the growth of open runs.
        self.drain()?;
        self.stream_growth()
    }

    /// Measures the cost of our programs, and gives up details where it is above the limit. Meant
    /// to be called every few milliseconds.
    ///
    /// # Errors
    /// bpf(2) failed.
    pub fn measure_cost(&mut self, now: Instant) -> anyhow::Result<()> {
        let Self {
            cost,
            session,
            reducing,
            control,
            ..
        } = self;
        if let Some(seen) = cost.tick(now, session.programs())
            && let Some(reducing) = reducing
            && let Some(bits) = reducing.judge(seen, now)
        {
            control.set_reduced(bits)?;
        }
        Ok(())
    }

    /// Closes a measuring window that is still open.
    pub fn close_cost(&mut self, now: Instant) {
        let Self { cost, session, .. } = self;
        cost.close(now, session.programs());
    }

    /// Takes in other input than records, and writes it into the recording.
    fn apply(&mut self, input: &Input, sample: Option<&Sample>) {
        let Self {
            ingest, recorder, ..
        } = self;
        let Some(recorder) = recorder else {
            return ingest.apply(input);
        };
        recorder.before(ingest);
        ingest.apply(input);
        recorder.input(input, sample, ingest);
    }

    /// Returns the counts of the epochs before `current`. Takes in the records so far first: they
    /// announce the processes that the totals are charged to.
    fn counts(&mut self, current: u64) -> anyhow::Result<Sweep> {
        self.drain()?;
        let mut sweep = self.totals.sweep(current)?;
        if self.ingest.live.is_some() {
            self.ingest.now_ns = boot_ns()?;
        }
        if self.recorder.is_some() {
            // Columns of a recording pack better in this order.
            sort_by_owner(&mut sweep);
        }
        Ok(sweep)
    }

    /// Makes CPUs charge their running task with the time up to now, by an interrupt.
    fn charge_running_tasks(&self, wanted: impl Fn(CpuId) -> bool) {
        let programs = self.session.programs_of(catalog::TASK_RUN).iter();
        for program in programs
            .filter(|attached| attached.program == catalog::TASK_RUN_NOW)
            .filter_map(|attached| self.session.program(attached.program))
        {
            for cpu in self.cpus.iter().filter(|cpu| wanted(**cpu)) {
                // A CPU that has gone offline runs no task.
                let _ = run_on(program, *cpu);
            }
        }
    }
}
