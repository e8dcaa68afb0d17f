//! A running session: attached programs on one side, accumulators on the other, and the stages in between, driven by `pipeline`.

use std::{path::Path, time::Instant};

use anyhow::{Context, anyhow};
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
    },
    capture::{
        Source,
        control::ControlMap,
        cost::CostMeter,
        fdinfo::ProgramFdInfo,
        losses::{LossCounters, Losses},
        numastat::{self, NumastatFiles, Round},
        ring::Ring,
        run_now::run_on,
        totals::TotalsMaps,
    },
    decode::{count::decode_count, decode},
    enrich::{Enrich, Observation, facts::ProcFacts, topology::Topology},
    exit::Failure,
    fold::{
        Accumulators, Folding,
        window::{Cut, Window},
    },
    ids::{CpuId, NodeId, Pid},
};

/// Readings of numastat at each end of a session; fewer on machines with many nodes, where each one folds more.
const READINGS: usize = 32;

/// What a session counted, closed at both ends.
pub struct Counted {
    /// Both cuts.
    pub window: Window,
    /// The counts between them.
    pub inside: Accumulators,
    /// Runs of the allocation programs that the kernel skipped meanwhile.
    pub recursion_misses: Option<u64>,
    /// Losses of the kernel side meanwhile.
    pub losses: Losses,
    /// Records that made no sense.
    pub rejected: u64,
    /// A sweep did not settle.
    pub unsettled: bool,
    /// `vm.numa_stat` was off, or the kernel has no such counters: why there is nothing to compare with.
    pub uncounted: Option<String>,
}

/// A running session.
pub struct Tracer {
    session: Session,
    ring: Ring,
    totals: TotalsMaps,
    control: ControlMap,
    losses: LossCounters,
    numastat: Option<NumastatFiles>,
    uncounted: Option<String>,
    cpus: Vec<CpuId>,
    /// Nodes in the report's order.
    pub nodes: Vec<NodeId>,
    /// Processes and facts.
    pub enrich: Enrich<ProcFacts>,
    /// Names of the kernel's reasons for page migrations, by number.
    pub migrate_reasons: Vec<String>,
    /// Our own cost.
    pub cost: CostMeter,
    folding: Option<Folding>,
    misses_before: Option<u64>,
    rejected: u64,
    unsettled: bool,
}

/// Loads the object for this kernel; nothing is attached yet.
///
/// # Errors
/// A [`Failure`] with its way out when this machine or user does not allow it; a member this kernel lacks.
pub fn load(topology: &Topology, switches: Switches, debug: bool) -> anyhow::Result<Loaded> {
    let found = Preflight::of(Path::new("/"));
    if let Some(refusal) = found.refusal() {
        return Err(Failure::from(refusal).into());
    }
    let symbols = Symbols::of_session(Path::new(KALLSYMS));
    load_for(&found, &symbols, node_sets(topology), switches, debug)
}

/// The same for a machine that was looked at already.
///
/// # Errors
/// The kernel has no BTF, lacks a member we need, or refuses maps.
pub fn load_for(
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
    let mut loaded = attach::load(&globals, StrangeShapes::of(btf), preemption, debug)?;
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
    /// Attaches everything and begins: from the return of this on, counts are in the session.
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
        attach::cpus::fill(loaded.ebpf(), topology.cpus())?;
        let mut control = ControlMap::take(loaded.ebpf())?;
        control.advance()?;
        let (ring, totals) = (Ring::take(loaded.ebpf())?, TotalsMaps::take(loaded.ebpf())?);
        let losses = LossCounters::take(loaded.ebpf())?;
        let nodes: Vec<NodeId> = topology.node_ids().collect();
        let (numastat, uncounted) = counters(&nodes);
        let migrate_reasons = std::mem::take(&mut loaded.migrate_reasons);
        // Programs first, then the processes that are there: whoever is born in between is in both, never in neither.
        let session = loaded.attach();
        if session.state(catalog::ALLOC_POLICY) == HookState::Attached {
            control.set_attached(POLICY_HOOK)?;
        }
        let mut tracer = Self {
            session,
            ring,
            totals,
            control,
            losses,
            numastat,
            uncounted,
            cpus: topology.cpus().map(|(cpu, _)| cpu).collect(),
            nodes,
            enrich: Enrich::new(ProcFacts::new(Path::new("/"))),
            migrate_reasons,
            cost: CostMeter::default(),
            folding: None,
            misses_before: None,
            rejected: 0,
            unsettled: false,
        };
        tracer.take_stock();
        if tracer.session.missing().is_empty() {
            let (cut, edge) = tracer.cut()?;
            tracer.misses_before = tracer.recursion_misses();
            tracer.folding = Some(Folding::begin(cut, &edge));
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
        let Self {
            ring,
            enrich,
            rejected,
            ..
        } = self;
        ring.drain(&mut |raw| match decode(raw) {
            Ok(event) => enrich.event(&event),
            Err(_) => *rejected += 1,
        })?;
        Ok(())
    }

    /// Takes in what the totals hold, so that they do not fill up in a long session.
    ///
    /// # Errors
    /// What bpf(2) returned.
    pub fn sweep(&mut self) -> anyhow::Result<()> {
        self.take_stock();
        let current = self.control.advance()?;
        let seen = self.observe(current)?;
        if let Some(folding) = &mut self.folding {
            for observation in &seen {
                folding.apply(observation);
            }
        }
        Ok(())
    }

    /// Ends the session at a last cut and detaches. `None` when it never began.
    ///
    /// # Errors
    /// A map or counter file that cannot be read.
    pub fn finish(&mut self) -> anyhow::Result<Option<Counted>> {
        let Some(folding) = self.folding.take() else {
            return Ok(None);
        };
        // Counts of the running epochs first: only what is counted from here on can lie on either side of the cut.
        let mut folding = folding;
        self.take_stock();
        let current = self.control.advance()?;
        for observation in &self.observe(current)? {
            folding.apply(observation);
        }
        let (cut, edge) = self.cut()?;
        let recursion_misses = self
            .recursion_misses()
            .zip(self.misses_before)
            .map(|(after, before)| after.saturating_sub(before));
        let (window, inside) = folding.end(cut, &edge);
        self.drain()?;
        let switched_off =
            numastat::counting(Path::new("/")) == Some(false) && self.uncounted.is_none();
        if switched_off {
            self.uncounted = Some("vm.numa_stat was switched off during the session".to_owned());
        }
        Ok(Some(Counted {
            window,
            inside,
            recursion_misses,
            losses: self.losses.read()?,
            rejected: self.rejected,
            unsettled: self.unsettled,
            uncounted: self.uncounted.clone(),
        }))
    }

    /// One step of measuring our own cost.
    pub fn measure_cost(&mut self, now: Instant) {
        let Self { cost, session, .. } = self;
        cost.tick(now, session.programs());
    }

    /// The last step of it.
    pub fn close_cost(&mut self, now: Instant) {
        let Self { cost, session, .. } = self;
        cost.close(now, session.programs());
    }

    /// Reads all counters several times and then what was counted around it; the reading with least under way is the cut.
    fn cut(&mut self) -> anyhow::Result<(Cut, Vec<Observation>)> {
        let marked = self.session.state(catalog::NUMASTAT_FOLD) == HookState::Attached;
        let rounds: Vec<Round> = match &self.numastat {
            Some(files) => {
                let times = (READINGS / self.nodes.len().max(1)).clamp(2, 8);
                numastat::rounds(files, &mut self.control, marked, times)?
            }
            None => numastat::blind_round(&self.nodes, &mut self.control)?,
        };
        let current = self.control.advance()?;
        let edge = self.observe(current)?;
        Ok((Cut::choose(&rounds, &edge), edge))
    }

    /// Sweeps, decodes and finds owners.
    fn observe(&mut self, current: u64) -> anyhow::Result<Vec<Observation>> {
        // Names first: what the totals charge was announced by a record.
        self.drain()?;
        let sweep = self.totals.sweep(current)?;
        self.unsettled |= !sweep.settled;
        let mut seen = Vec::with_capacity(sweep.counts.len());
        for (epoch, key, value) in &sweep.counts {
            match decode_count(*epoch, key, value) {
                Ok(count) => seen.push(self.enrich.count(count)),
                Err(_) => self.rejected += 1,
            }
        }
        Ok(seen)
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

    /// Events that the kernel may have kept from the allocation programs so far. With a twin these are at most the skipped runs of that
    /// copy which was skipped less often: an event is missed when both were.
    fn recursion_misses(&self) -> Option<u64> {
        COUNTING
            .into_iter()
            .flat_map(|hook| self.session.programs_of(hook))
            .try_fold(0, |sum: u64, attached| {
                let mut fewest = None;
                for name in attached.names() {
                    let skipped = self.misses(name)?;
                    fewest = Some(fewest.map_or(skipped, |fewest: u64| fewest.min(skipped)));
                }
                Some(sum + fewest?)
            })
    }

    fn misses(&self, program: &str) -> Option<u64> {
        ProgramFdInfo::of(self.session.program(program)?)
            .ok()?
            .recursion_misses
    }
}

/// Opens the kernel's counters, or says why there are none.
fn counters(nodes: &[NodeId]) -> (Option<NumastatFiles>, Option<String>) {
    let root = Path::new("/");
    if numastat::counting(root) == Some(false) {
        return (
            None,
            Some("vm.numa_stat is 0: the kernel does not count (sysctl vm.numa_stat=1 switches it on)".to_owned()),
        );
    }
    match NumastatFiles::open(root, nodes.iter().copied()) {
        Ok(files) => (Some(files), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    }
}

fn set_scope(loaded: &mut Loaded, scope: &[(Pid, ScopeEntry)]) -> anyhow::Result<()> {
    for (pid, entry) in scope {
        attach::scope::insert(loaded.ebpf(), *pid, *entry).context("cannot set the scope")?;
    }
    Ok(())
}
