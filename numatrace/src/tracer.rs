//! A running session: attached programs on one side, accumulators on the other, and the stages in between, driven by `pipeline`.

mod closing;
mod live;
mod reducing;
mod runs;

use std::{path::Path, time::Instant};

use anyhow::{Context, anyhow};
use aya::EbpfLoader;
use numatrace_common::{control::POLICY_HOOK, scope::ScopeEntry};

use crate::{
    attach::{
        self, Loaded, Session, catalog,
        globals::{NodeSets, Switches},
        hooks::HookState,
        kallsyms::{KALLSYMS, Symbols},
        preemption::Preemption,
        preflight::Preflight,
        prototype::StrangeShapes,
        reading::Reading,
    },
    capture::{
        Source, control::ControlMap, cost::CostMeter, counting::NumaStat, fdinfo::ProgramFdInfo,
        losses::LossCounters, mapping_records::MappingRecords, numastat::NumastatFiles,
        open_runs::OpenRuns, ring::Ring, run_now::run_on, stacks::Stacks, totals::TotalsMaps,
    },
    decode::{count::decode_count, decode, mapping_record::MappingMade},
    enrich::{
        BATCH, Enrich, Observation,
        facts::ProcFacts,
        topology::{Topology, installed},
    },
    exit::Failure,
    fold::{
        Folding,
        live::{Heard, Live},
        mapping::Mappings,
        timeline::Timeline,
    },
    ids::{CpuId, NodeId, Pid},
};
use closing::SoFar;
pub use closing::{Counted, NOT_COUNTING, boot_ns};
pub use reducing::Reducing;

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
    mappings: Mappings,
    /// Mappings as they are made: the kernel's records, or why there are none; `None` where no mappings are wanted.
    mapping_records: Option<Result<MappingRecords, String>>,
    /// Residency is wanted.
    pub residency: bool,
    numastat: Result<NumastatFiles, String>,
    numa_stat: NumaStat,
    cpus: Vec<CpuId>,
    /// Nodes in the report's order.
    pub nodes: Vec<NodeId>,
    /// Processes and facts.
    pub enrich: Enrich<ProcFacts>,
    /// Names of the kernel's reasons for page migrations, by number.
    pub migrate_reasons: Vec<String>,
    /// Our own cost.
    pub cost: CostMeter,
    /// What is given up where it has a limit.
    pub reducing: Option<Reducing>,
    folding: Option<Folding>,
    before: SoFar,
    rejected: u64,
    unsettled: bool,
    timeline: Timeline,
    /// What is kept beside sums for who watches while it goes on.
    pub live: Option<Live>,
    /// When the session or interval began, ns since boot.
    began_ns: u64,
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
        StrangeShapes::of(btf),
        preemption,
        switches.faults,
        debug,
    )?;
    loaded.interrupts_unknown = gap.or_else(|| {
        (globals.probe_read == 0).then(|| "this machine refuses reads of kernel memory".to_owned())
    });
    loaded.migrate_reasons = attach::migrate_reason::names(btf);
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
    ) -> anyhow::Result<Self> {
        let mut loaded = loaded;
        set_scope(&mut loaded, scope)?;
        let cpus = installed::cpus(Path::new("/"), topology);
        attach::cpus::fill(loaded.ebpf(), cpus.iter().copied())?;
        let mut control = ControlMap::take(loaded.ebpf())?;
        control.advance()?;
        let (ring, totals) = (Ring::take(loaded.ebpf())?, TotalsMaps::take(loaded.ebpf())?);
        let losses = LossCounters::take(loaded.ebpf())?;
        let open_runs = OpenRuns::take(loaded.ebpf())?;
        let stacks = Stacks::take(loaded.ebpf())?;
        let nodes: Vec<NodeId> = topology.node_ids().collect();
        let numastat = NumastatFiles::open(Path::new("/"), nodes.iter().copied())
            .map_err(|error| format!("{error:#}"));
        let migrate_reasons = std::mem::take(&mut loaded.migrate_reasons);
        let cpus: Vec<CpuId> = cpus.into_iter().map(|(cpu, _)| cpu).collect();
        let mapping_records = loaded.wants_mappings().then(|| MappingRecords::open(&cpus));
        // Most processes are looked at while programs are loaded; those that are new when they are attached follow. Whoever is born in between
        // is in both, never in neither.
        let living = Reading::begin(|| Enrich::new(ProcFacts::new(Path::new("/"))));
        let session = loaded.attach();
        let mut enrich = living.end()?;
        enrich.processes.scan_new(&mut enrich.facts);
        if session.state(catalog::ALLOC_POLICY) == HookState::Attached {
            control.set_attached(POLICY_HOOK)?;
        }
        let mut tracer = Self {
            session,
            ring,
            totals,
            control,
            losses,
            open_runs,
            stacks,
            mappings: Mappings::default(),
            mapping_records,
            residency: false,
            numastat,
            numa_stat: NumaStat::watch(),
            cpus,
            nodes,
            enrich,
            migrate_reasons,
            cost: CostMeter::default(),
            reducing: None,
            folding: None,
            before: SoFar::default(),
            rejected: 0,
            unsettled: false,
            timeline: Timeline::default(),
            live: None,
            began_ns: 0,
        };
        tracer.take_stock();
        if tracer.session.missing().is_empty() {
            let (cut, edge) = tracer.cut()?;
            // What was touched while we attached is not the session's.
            tracer.mappings = Mappings::default();
            tracer.before = tracer.so_far()?;
            tracer.folding = Some(Folding::begin(cut, &edge));
            tracer.timeline = Timeline::default();
            tracer.began_ns = boot_ns()?;
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
            enrich,
            mappings,
            rejected,
            timeline,
            live,
            ..
        } = self;
        ring.drain(&mut |raw| match decode(raw) {
            Ok(mut event) => {
                if let Some(live) = live
                    && !live.before(&mut event)
                {
                    return;
                }
                let told = runs::take_in(&event, enrich, mappings);
                if let Some(Heard::Happening(happening)) = told {
                    timeline.apply(happening);
                }
                if let Some((live, told)) = live.as_mut().zip(told) {
                    live.hear(event.time_ns, told);
                }
            }
            Err(_) => *rejected += 1,
        })?;
        enrich.settle();
        Ok(())
    }

    /// Takes in mappings that were made. Before the ring is drained: what happened in a mapping comes after the making of it.
    fn take_mapping_records(&mut self) {
        let Some(Ok(records)) = &mut self.mapping_records else {
            return;
        };
        let mut made = Vec::new();
        let mut senseless = 0;
        records.drain(
            &mut |record, time_ns| match MappingMade::of(record, time_ns) {
                Some(mapping) => made.push(mapping),
                None => senseless += 1,
            },
        );
        self.rejected += senseless;
        // A process may have run on several CPUs.
        made.sort_by_key(|mapping: &MappingMade| mapping.time_ns);
        for mapping in made {
            self.enrich.told.made(mapping);
        }
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
        if let Some(mut folding) = self.folding.take() {
            let swept = self.observe(current, |seen| folding.apply_all(seen));
            self.folding = Some(folding);
            swept?;
        }
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

    /// Sweeps, decodes and finds owners; hands on what was found a batch at a time.
    fn observe(
        &mut self,
        current: u64,
        mut each: impl FnMut(&[Observation]),
    ) -> anyhow::Result<()> {
        // Names first: what the totals charge was announced by a record.
        self.drain()?;
        let sweep = self.totals.sweep(current)?;
        self.unsettled |= !sweep.settled;
        let mut counts = Vec::with_capacity(BATCH);
        let mut seen = Vec::with_capacity(BATCH);
        for batch in sweep.counts.chunks(BATCH) {
            for (epoch, key, value) in batch {
                match decode_count(*epoch, key, value) {
                    Ok(count) => counts.push(count),
                    Err(_) => self.rejected += 1,
                }
            }
            self.enrich.counts(&counts, &mut seen);
            each(&seen);
            if let Some(live) = &mut self.live {
                live.count(boot_ns()?, &seen);
            }
            counts.clear();
            seen.clear();
        }
        Ok(())
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

fn set_scope(loaded: &mut Loaded, scope: &[(Pid, ScopeEntry)]) -> anyhow::Result<()> {
    for (pid, entry) in scope {
        attach::scope::insert(loaded.ebpf(), *pid, *entry).context("cannot set the scope")?;
    }
    Ok(())
}
