//! Starts a tracer: opens maps and files, attaches the hooks, and begins to count.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::Context;
use numatrace_common::{
    control::{EXCEPTION_TOUCHES, POLICY_HOOK, SWITCHES},
    scope::ScopeEntry,
};

use super::Tracer;
use crate::{
    attach::{self, Loaded, Session, catalog, cpus::Cpu, hooks::HookState, reading::Reading},
    capture::{
        control::ControlMap, cost::CostMeter, counting::NumaStat, cpu_state::CpuStates,
        losses::LossCounters, mapping_records::MappingRecords, numastat::NumastatFiles,
        open_runs::OpenRuns, ring::Ring, stacks::Stacks, totals::TotalsMaps,
    },
    enrich::{
        facts::{ProcFacts, noted::Noted},
        topology::{Topology, caches, installed},
    },
    ids::{CpuId, NodeId, Pid},
    ingest::Ingest,
    model::cache::{Cache, split_a_node},
    recording::recorder::Recorder,
};

impl Tracer {
    /// Attaches the wanted hooks and begins to count: counts from this call's return on are in the
    /// session. Hooks that do not attach are no errors; see [`Session::missing`].
    ///
    /// # Errors
    /// A map or counter file cannot be read.
    pub fn start(
        mut loaded: Loaded,
        topology: &Topology,
        scope: &[(Pid, ScopeEntry)],
        recorder: Option<Recorder>,
    ) -> anyhow::Result<Self> {
        for (pid, entry) in scope {
            attach::scope::insert(loaded.ebpf(), *pid, *entry).context("cannot set the scope")?;
        }
        let cpus = installed::cpus(Path::new("/"), topology);
        let caches = caches::of_all_cpus(Path::new("/"), topology);
        let table = cpu_table(&cpus, caches.as_deref().unwrap_or_default());
        attach::cpus::fill(loaded.ebpf(), table.into_iter())?;
        let mut control = ControlMap::take(loaded.ebpf())?;
        control.begin_at_once(loaded.faults.epochs_at_once.unwrap_or(1).into());
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
        // Hooks first, then the processes that exist: a process born in between is seen twice,
        // never missed. Most of `/proc` is read while the programs are being loaded.
        let identities = Reading::begin(|| ProcFacts::identities(Path::new("/")));
        let session = loaded.attach();
        control.set_attached(attached_bits(&session))?;
        let facts = ProcFacts::new(Path::new("/")).with_identities(identities.end()?);
        let facts = if recorder.is_some() {
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
            residing: None,
            numastat,
            numa_stat: NumaStat::watch(),
            cpus,
            isolated: installed::isolated(Path::new("/")),
            caches,
            nodes,
            reasons,
            verifying: None,
            cost: CostMeter::default(),
            reducing: None,
            recorder,
        };
        let named: Vec<Pid> = scope
            .iter()
            .filter(|(_, entry)| entry.active != 0)
            .map(|(pid, _)| *pid)
            .collect();
        tracer.ingest.enrich.processes.ask_for(&named);
        tracer.charge_running_tasks(|_| true);
        if tracer.session.missing().is_empty() {
            tracer.begin()?;
        }
        Ok(tracer)
    }
}

/// Returns the CPUs as the kernel side has to know them: with their caches where a node has
/// several.
fn cpu_table(cpus: &[(CpuId, NodeId)], caches: &[Cache]) -> Vec<Cpu> {
    let caches = if split_a_node(caches) { caches } else { &[] };
    let numbers: BTreeMap<CpuId, u32> = (0..)
        .zip(caches)
        .flat_map(|(number, cache)| cache.cpus.iter().map(move |cpu| (*cpu, number)))
        .collect();
    let cpu = |&(id, node): &(CpuId, NodeId)| Cpu {
        id,
        node,
        cache: numbers.get(&id).copied(),
    };
    cpus.iter().map(cpu).collect()
}

/// Returns bits of the control word: programs need to know which other programs are attached.
fn attached_bits(session: &Session) -> u64 {
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
        .filter(|(is_set, _)| *is_set)
        .map(|(_, bit)| bit)
        .sum()
}
