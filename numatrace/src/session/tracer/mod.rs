//! A running session: attached programs and maps on one side, what it takes in on the other, driven by `pipeline`.

mod closing;
mod code;
mod live;
mod reducing;
mod verifying;

use std::{path::Path, sync::Arc, time::Instant};

use anyhow::{Context, anyhow};
use aya::EbpfLoader;
use numatrace_common::{
    control::{EXCEPTION_TOUCHES, POLICY_HOOK, SWITCHES},
    scope::ScopeEntry,
};

use crate::{
    attach::{
        self, Loaded, Session, catalog,
        globals::{NodeSets, Switches},
        hooks::HookState,
        kallsyms::{KALLSYMS, Symbols},
        kernel_enum::ReasonNames,
        preemption::Preemption,
        preflight::Preflight,
        prototype::Mismatches,
        reading::Reading,
    },
    capture::{
        Source,
        control::ControlMap,
        cost::CostMeter,
        counting::NumaStat,
        cpu_state::CpuStates,
        fdinfo::ProgramFdInfo,
        losses::LossCounters,
        mapping_records::MappingRecords,
        numastat::NumastatFiles,
        open_runs::OpenRuns,
        recording::sweep::sort as by_owner,
        ring::Ring,
        run_now::run_on,
        stacks::Stacks,
        totals::{Sweep, TotalsMaps},
    },
    decode::{event::Body, mapping_record::MappingMade},
    enrich::{
        facts::{ProcFacts, noted::Noted},
        topology::{Topology, installed},
    },
    exit::Failure,
    ids::{CpuId, NodeId, Pid},
    ingest::{Ingest, input::Input, session_info::SessionInfo},
    model::Snapshot,
    recording::{
        chunks::{Made, Opening, Sample},
        recorder::Recorder,
    },
};
use code::LiveCode;

pub use crate::{fold::counted::Counted, ingest::NOT_COUNTING};
pub use closing::boot_ns;
pub use reducing::Reducing;
pub use verifying::Verifying;

/// A running session.
pub struct Tracer {
    session: Session,
    ring: Ring,
    totals: TotalsMaps,
    control: ControlMap,
    losses: LossCounters,
    open_runs: OpenRuns,
    /// User stacks of first touches.
    pub stacks: Stacks,
    /// What was taken in.
    pub ingest: Ingest<Noted<ProcFacts>>,
    /// Mappings as they are made: the kernel's records, or why there are none; `None` where no mappings are wanted.
    mapping_records: Option<Result<MappingRecords, String>>,
    /// Residency is wanted.
    residency: bool,
    numastat: Result<NumastatFiles, String>,
    numa_stat: NumaStat,
    cpus: Vec<CpuId>,
    /// Nodes in the report's order.
    pub nodes: Vec<NodeId>,
    /// Names of the kernel's reasons, by number.
    pub reasons: ReasonNames,
    /// Verification of reasons, when that was asked for.
    pub verifying: Option<Verifying>,
    /// Our own cost.
    pub cost: CostMeter,
    /// What is given up where it has a limit.
    pub reducing: Option<Reducing>,
    /// Where everything is written down too.
    pub recorder: Option<Recorder>,
}

/// What of a report is wanted beside the rest.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// All that happened to the process of the session.
    pub timeline: bool,
    /// Another interval follows.
    pub goes_on: bool,
    /// Nothing is to be shown on stderr.
    pub quiet: bool,
}

/// What a session does beside counting.
#[derive(Default)]
pub struct Extras {
    /// Look where memory lies.
    pub residency: bool,
    /// Write everything down.
    pub recorder: Option<Recorder>,
    /// Hold reasons of moves against kernel stacks.
    pub verifying: Option<Verifying>,
    /// Give up details where they cost too much.
    pub reducing: Option<Reducing>,
}

/// Loads the object for this kernel; nothing is attached yet.
///
/// # Errors
/// A [`Failure`] with its way out when this machine or user does not allow it; a member this kernel lacks.
pub fn load(topology: &Topology, switches: Switches, debug: bool) -> anyhow::Result<Loaded> {
    let loader = Reading::begin(EbpfLoader::new);
    let symbols = Reading::begin(|| Symbols::of_session(Path::new(KALLSYMS)));
    let found = Preflight::of(Path::new("/"));
    if let Some(refusal) = found.refusal() {
        return Err(Failure::from(refusal).into());
    }
    let symbols = symbols.end()?;
    load_for(
        loader,
        &found,
        &symbols,
        node_sets(topology),
        switches,
        debug,
    )
}

/// The same for a machine that was looked at already.
///
/// # Errors
/// The kernel has no BTF, lacks a member we need, or refuses maps.
pub fn load_for(
    loader: Reading<EbpfLoader<'static>>,
    found: &Preflight,
    symbols: &Symbols,
    nodes: NodeSets,
    switches: Switches,
    debug: bool,
) -> anyhow::Result<Loaded> {
    let btf = found.btf.as_ref().map_err(|why| anyhow!(why.clone()))?;
    // Where kallsyms hides the preempt count, interrupts cannot be told from tasks: the report's coverage says so.
    let (preempt, gap) = match symbols.preempt_count(btf) {
        Ok(found) => (Some(found), None),
        Err(gap) => (None, Some(gap.to_string())),
    };
    let preemption = Preemption::of(Path::new("/"));
    let addresses = attach::globals::Addresses {
        preempt_count: preempt.map_or(0, |found| found.symbol),
        per_cpu_offset: preempt.map_or(0, |found| found.per_cpu_offset),
    };
    let mut globals = attach::globals::globals(btf, switches, addresses, nodes, preemption)?;
    // Under lockdown=confidentiality programs that call the helper do not load, so they are told not to.
    globals.probe_read = u32::from(found.trial.probe_read.is_ok());
    let mut loaded = attach::load(
        loader,
        btf,
        &globals,
        Mismatches::of(btf),
        preemption,
        switches.faults,
        debug,
    )?;
    loaded.interrupts_unknown = gap.or_else(|| {
        (globals.probe_read == 0).then(|| "this machine refuses reads of kernel memory".to_owned())
    });
    loaded.reasons = ReasonNames::of(btf);
    Ok(loaded)
}

/// Which nodes can serve what, for the kernel side.
fn node_sets(topology: &Topology) -> NodeSets {
    let mut sets = NodeSets::default();
    for node in topology.nodes() {
        if !node.is_memoryless() {
            NodeSets::add(&mut sets.has_memory, node.id);
        }
        if node.has_normal_memory {
            NodeSets::add(&mut sets.has_normal_memory, node.id);
        }
    }
    sets
}

/// Hooks whose programs count allocations: runs that the kernel skipped there are missing from the totals.
const COUNTING: [&str; 3] = [
    catalog::PAGE_ALLOC,
    catalog::ALLOC_BULK,
    catalog::ALLOC_POLICY,
];

impl Tracer {
    /// Attaches what is wanted and begins: from the return of this on, counts are in the session.
    ///
    /// # Errors
    /// A map or counter file that cannot be read. Hooks that do not attach are no errors.
    pub fn start(
        loaded: Loaded,
        topology: &Topology,
        scope: &[(Pid, ScopeEntry)],
        extras: Extras,
    ) -> anyhow::Result<Self> {
        let mut loaded = loaded;
        set_scope(&mut loaded, scope)?;
        let cpus = installed::cpus(Path::new("/"), topology);
        attach::cpus::fill(loaded.ebpf(), cpus.iter().copied())?;
        let mut control = ControlMap::take(loaded.ebpf())?;
        control.advance()?;
        let states = Arc::new(CpuStates::take(loaded.ebpf())?);
        let ring = Ring::take(loaded.ebpf())?;
        let totals = TotalsMaps::take(loaded.ebpf(), Arc::clone(&states))?;
        let losses = LossCounters::take(loaded.ebpf())?;
        let open_runs = OpenRuns::take(loaded.ebpf(), states)?;
        let stacks = Stacks::take(loaded.ebpf())?;
        let nodes: Vec<NodeId> = topology.node_ids().collect();
        let numastat = NumastatFiles::open(Path::new("/"), nodes.iter().copied())
            .map_err(|error| format!("{error:#}"));
        let reasons = std::mem::take(&mut loaded.reasons);
        let cpus: Vec<CpuId> = cpus.into_iter().map(|(cpu, _)| cpu).collect();
        let mapping_records = loaded.wants_mappings().then(|| MappingRecords::open(&cpus));
        // Programs first, then the processes that are there: whoever is born in between is in both, never in neither. Most of them are looked at
        // while programs are loaded.
        let glance = Reading::begin(|| ProcFacts::glance(Path::new("/")));
        let session = loaded.attach();
        control.set_attached(attached(&session))?;
        let facts = ProcFacts::new(Path::new("/")).knowing(glance.end()?);
        let facts = if extras.recorder.is_some() {
            Noted::on(facts)
        } else {
            Noted::off(facts)
        };
        let mut tracer = Self {
            session,
            ring,
            totals,
            control,
            losses,
            open_runs,
            stacks,
            ingest: Ingest::new(facts),
            mapping_records,
            residency: extras.residency,
            numastat,
            numa_stat: NumaStat::watch(),
            cpus,
            nodes,
            reasons,
            verifying: extras.verifying,
            cost: CostMeter::default(),
            reducing: extras.reducing,
            recorder: extras.recorder,
        };
        let asked: Vec<Pid> = scope
            .iter()
            .filter(|(_, entry)| entry.active != 0)
            .map(|(pid, _)| *pid)
            .collect();
        tracer.ingest.enrich.processes.ask_for(&asked);
        tracer.take_stock();
        if tracer.session.missing().is_empty() {
            tracer.begin()?;
        }
        Ok(tracer)
    }

    /// The hook table as it ended up.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Takes in what the ring holds.
    ///
    /// # Errors
    /// The ring broke.
    pub fn drain(&mut self) -> anyhow::Result<()> {
        self.session.flush_log();
        self.take_mapping_records();
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
                recorder.record(raw, event.as_ref(), stacks, ingest);
            }
        })?;
        if self.ingest.is_waiting() {
            self.take(&Input::Settle, None);
        }
        Ok(())
    }

    /// Takes in mappings that were made. Before the ring is drained: what happened in a mapping comes after the making of it.
    fn take_mapping_records(&mut self) {
        let Some(Ok(records)) = &mut self.mapping_records else {
            return;
        };
        let (mut made, mut senseless) = (Vec::new(), 0);
        records.drain(
            &mut |record, time_ns| match MappingMade::of(record, time_ns) {
                Some(mapping) => made.push(mapping),
                None => senseless += 1,
            },
        );
        if made.is_empty() && senseless == 0 {
            return;
        }
        // A process may have run on several CPUs.
        made.sort_by_key(|mapping: &MappingMade| mapping.time_ns);
        self.take(&Input::Made(made, senseless), None);
    }

    /// How the records of mappings fared.
    pub fn mapping_records(&self) -> Option<Result<(), &str>> {
        let records = self.mapping_records.as_ref()?;
        Some(records.as_ref().map(|_| ()).map_err(String::as_str))
    }

    /// Takes in what the totals hold, so that they do not fill up in a long session.
    ///
    /// # Errors
    /// What bpf(2) returned.
    pub fn sweep(&mut self) -> anyhow::Result<()> {
        self.look_at_residency();
        self.take_stock();
        let current = self.control.advance()?;
        let sweep = self.counts(current)?;
        let sample = self.sample()?;
        self.take(&Input::Time(boot_ns()?), None);
        self.take(&Input::Sweep(sweep), sample.as_ref());
        // What came before that is told before it.
        self.drain()?;
        self.grow()
    }

    /// One step of measuring our own cost, and of giving details up where it is too high.
    ///
    /// # Errors
    /// What bpf(2) returned.
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

    /// The last step of it.
    pub fn close_cost(&mut self, now: Instant) {
        let Self { cost, session, .. } = self;
        cost.close(now, session.programs());
    }

    /// Writes down how the session began.
    pub fn open_recording(&mut self, told: SessionInfo) {
        let began_ns = self.ingest.began_ns();
        if let Some(recorder) = &mut self.recorder {
            recorder.opened(Opening { told, began_ns });
        }
    }

    /// The report of what was counted, which a recording can make again.
    pub fn report(&mut self, told: SessionInfo, counted: &Counted, asked: Asked) -> Snapshot {
        let Self {
            stacks,
            ingest,
            recorder,
            ..
        } = self;
        let mut code = LiveCode::new(stacks, asked.quiet);
        let snapshot = told.report(counted, &mut code, asked.timeline, ingest);
        if let Some(recorder) = recorder {
            let made = Made {
                told,
                goes_on: asked.goes_on,
            };
            recorder.reported(&made, &code.resolved, ingest);
        }
        snapshot
    }

    /// Takes in something that is no record, and writes it down.
    fn take(&mut self, input: &Input, sample: Option<&Sample>) {
        let Self {
            ingest, recorder, ..
        } = self;
        let Some(recorder) = recorder else {
            return ingest.take(input);
        };
        recorder.before(input, ingest);
        ingest.take(input);
        recorder.input(input, sample, ingest);
    }

    /// What was counted in epochs before `current`, and the records before that.
    fn counts(&mut self, current: u64) -> anyhow::Result<Sweep> {
        // Names first: what the totals charge was announced by a record.
        self.drain()?;
        let mut sweep = self.totals.sweep(current)?;
        if self.ingest.live.is_some() {
            self.ingest.now_ns = boot_ns()?;
        }
        if self.recorder.is_some() {
            by_owner(&mut sweep);
        }
        Ok(sweep)
    }

    fn look_at_residency(&mut self) {
        if self.residency {
            self.take(&Input::Residency, None);
        }
    }

    /// Has each CPU charge the task that is running on it with its time up to now.
    fn take_stock(&self) {
        let programs = self.session.programs_of(catalog::TASK_RUN).iter();
        for program in programs
            .filter(|attached| attached.program == catalog::TASK_RUN_NOW)
            .filter_map(|attached| self.session.program(attached.program))
        {
            for cpu in &self.cpus {
                // A CPU that has gone offline since runs nobody.
                let _ = run_on(program, *cpu);
            }
        }
    }

    /// Runs of the allocation programs that the kernel skipped so far, copy by copy of each.
    fn recursion_misses(&self) -> Option<Vec<Vec<u64>>> {
        COUNTING
            .into_iter()
            .flat_map(|hook| self.session.programs_of(hook))
            .map(|attached| attached.names().map(|name| self.misses(name)).collect())
            .collect()
    }

    fn misses(&self, program: &str) -> Option<u64> {
        ProgramFdInfo::of(self.session.program(program)?)
            .ok()?
            .recursion_misses
    }
}

/// What programs must know of others that are attached, as bits of the control word.
fn attached(session: &Session) -> u64 {
    let explained = session.state(catalog::ALLOC_POLICY) == HookState::Attached;
    let touches = session.state(catalog::PAGE_FAULT) == HookState::Fallback
        && session.program(catalog::ALLOC_FALLBACK).is_some();
    let switches = !session.programs_of(catalog::TASK_RUN).is_empty()
        || session.program(catalog::PARKING.program).is_some();
    let bits = [
        (explained, POLICY_HOOK),
        (touches, EXCEPTION_TOUCHES),
        (switches, SWITCHES),
    ];
    bits.iter()
        .filter(|(is_there, _)| *is_there)
        .map(|(_, bit)| bit)
        .sum()
}

fn set_scope(loaded: &mut Loaded, scope: &[(Pid, ScopeEntry)]) -> anyhow::Result<()> {
    for (pid, entry) in scope {
        attach::scope::insert(loaded.ebpf(), *pid, *entry).context("cannot set the scope")?;
    }
    Ok(())
}
