//! A whole report from a closed session: host, hooks, coverage, cost, audit, processes.

use std::collections::BTreeMap;

use numatrace_common::kind::Kind;

use super::{
    activity::Measured,
    alloc::Known,
    audit::{Evidence, audit},
    code::Code,
    cross_check::cross_check,
    incidents::Incidents,
    labels::Labels,
    processes::{nothing_traced, processes, rates, system},
    session_info::{CostParts, SessionInfo},
};
use crate::{
    attach::{
        catalog,
        hooks::{Hook as Tried, HookState as TriedState},
    },
    capture::losses::Losses,
    enrich::{Charged, Enrich, facts::Facts, topology::Topology},
    fold::{Accumulators, counted::Counted},
    ids::NodeId,
    model::{
        Alloc, Audit, Cost, CostMethod, Coverage, CrossCheck, CrossCheckKind, Hook, Host, HostNode,
        Snapshot,
    },
};

/// The row of the hook table for the records that mappings are named from; no program of ours.
const MAPPING_NAMES: &str = "mapping_names";

/// Makes the report of a session or interval: everything that was counted, with names.
///
/// `code` names the functions of stacks. With `timeline` the report lists every event of the process
/// that the session is about.
pub fn report<F: Facts>(
    info: &SessionInfo,
    counted: &Counted,
    code: &mut dyn Code,
    timeline: bool,
    enrich: &mut Enrich<F>,
) -> Snapshot {
    let hooks = info.hooks();
    let inside = &counted.inside;
    let nodes: Vec<NodeId> = info.host.nodes.iter().map(|node| node.node).collect();
    let cpus: usize = info.host.nodes.iter().map(|node| node.cpus.len()).sum();
    let attached = |name: &str| {
        hooks
            .iter()
            .any(|hook| hook.row.hook == name && hook.state == TriedState::Attached)
    };
    let measured = Measured {
        migrate_reasons: info.reasons.migrate.clone(),
        skip_reasons: info.reasons.skip.clone(),
        ..measured(&hooks)
    };
    let labels = Labels {
        measured: &measured,
        nodes: &nodes,
        known: Known {
            preferred: attached(catalog::PAGE_ALLOC),
            policy: attached(catalog::ALLOC_POLICY),
        },
        until_ns: counted.until_ns,
    };
    let mut processes = processes(inside, enrich, labels);
    let filled = super::mappings::fill(&mut processes, &counted.mappings, code, enrich, labels);
    // Where memory lay is known with the mappings.
    for process in &mut processes {
        super::home::fill(process, &nodes);
    }
    let traced = Alloc::sum(
        processes
            .iter()
            .filter_map(|process| process.alloc.as_ref()),
    )
    .unwrap_or_else(|| nothing_traced(labels));
    let duration_s = info.session.duration_s;

    let mut snapshot = Snapshot::new(info.host.clone(), info.session.clone());
    let second = cross_check(&counted.window, inside, &measured);
    snapshot.audit = match counted.uncounted.as_deref() {
        _ if !measured.allocs => Audit::unavailable(
            "page_alloc is left out on request: nothing was traced that numastat counts",
        ),
        Some(why) => Audit::unavailable(why),
        None => {
            let evidence = Evidence {
                recursion_misses: counted.recursion_misses.unwrap_or(0),
                foreign_at_boundary: inside.foreign_at_boundary,
                cpus: cpus as u64,
                totals_lost: counted.losses.totals_lost,
                bulk_unseen: bulk_unseen(&second, &hooks),
                hooks_lost: hooks_lost(&hooks),
                cpu_changed: traced
                    .remote_by_cause
                    .as_ref()
                    .map_or(0, |causes| causes.task_moved),
                node_misread: counted.losses.node_misread,
                unsettled: counted.unsettled,
                switched: counted.switched,
            };
            audit(&counted.window, &traced, &nodes, &evidence)
        }
    };
    snapshot.audit.cross_check = second;
    snapshot.hooks = hooks.iter().map(hook).collect();
    if let Some(why) = info.interrupts_unknown.as_deref() {
        snapshot.hooks.push(Hook::absent(
            "interrupts",
            why,
            "what interrupts allocate is charged to the task they interrupt",
        ));
    }
    match info.mapping_records.as_ref() {
        Some(Ok(_)) => snapshot
            .hooks
            .push(Hook::attached(MAPPING_NAMES, "perf_event_open mmap2")),
        Some(Err(why)) => snapshot.hooks.push(Hook::fallback(
            MAPPING_NAMES,
            "/proc/PID/maps",
            why,
            "mappings of processes that end within some milliseconds have no name",
        )),
        None => {}
    }
    snapshot.coverage = coverage(
        &counted.losses,
        counted.recursion_misses,
        counted.rejected,
        inside,
        &nodes,
    );
    snapshot.coverage.mapping_records_lost = match info.mapping_records {
        Some(Ok(())) => Some(counted.mapping_records_lost),
        _ => None,
    };
    if enrich.spaces.no_room > 0 {
        let tables = &mut snapshot.coverage.full_tables;
        tables.insert("mapping names".to_owned(), enrich.spaces.no_room);
    }
    snapshot
        .coverage
        .unattributed("mapping without a name", filled.nameless);
    snapshot.stacks = filled.stacks;
    snapshot
        .coverage
        .unattributed("no room for mapping", counted.mappings.no_room);
    snapshot.cost = cost(info.cost.clone(), duration_s, cpus);
    let mut system = system(inside, &processes, labels);
    super::balancing::judge(
        &mut processes,
        &mut system,
        inside,
        &enrich.processes,
        counted.began_ns,
    );
    rates(&mut processes, &mut system, duration_s);
    snapshot.system = Some(system);
    snapshot.verify = info.verified.as_ref().map(super::verify::verify);
    snapshot.processes = processes;
    let incidents = Incidents {
        timeline: &counted.timeline,
        began_ns: counted.began_ns,
        ended_ns: counted.until_ns,
        nodes: &nodes,
        known: &enrich.processes,
        migrate_reasons: &measured.migrate_reasons,
    };
    snapshot.incidents = incidents.incidents(&snapshot.processes);
    snapshot.session.began_ns = Some(counted.began_ns);
    snapshot.coverage.untold = counted.timeline.dropped;
    snapshot.timeline = timeline
        .then(|| snapshot.focus().map(|focus| incidents.moments(focus)))
        .flatten();
    snapshot.findings = crate::model::finding::diagnose(&snapshot);
    snapshot
}

/// What the attached hooks measure.
fn measured(hooks: &[Tried]) -> Measured {
    let state = |name: &str| {
        hooks
            .iter()
            .find(|hook| hook.row.hook == name)
            .map_or(TriedState::Absent, |hook| hook.state)
    };
    let some = |name: &str| matches!(state(name), TriedState::Attached | TriedState::Fallback);
    let exact = |name: &str| state(name) == TriedState::Attached;
    Measured {
        allocs: some(catalog::PAGE_ALLOC),
        first_touch: some(catalog::PAGE_FAULT),
        page_cache: some(catalog::PAGE_CACHE),
        touch_kinds: exact(catalog::PAGE_FAULT),
        hint_faults: exact(catalog::HINT_FAULT),
        page_migrations: some(catalog::PAGE_MIGRATION),
        migration_nodes: exact(catalog::PAGE_MIGRATION),
        task_moves: some(catalog::TASK_MOVE),
        run_ns: some(catalog::TASK_RUN),
        balancer: exact(catalog::BALANCER),
        vma_skips: exact(catalog::BALANCER_SKIP),
        migrate_reasons: Vec::new(),
        skip_reasons: Vec::new(),
    }
}

/// The host section.
pub fn host(
    topology: &Topology,
    kernel: String,
    arch: String,
    numa_balancing: Option<u32>,
) -> Host {
    Host {
        kernel,
        arch,
        page_size: topology.page_size(),
        numa_balancing,
        nodes: topology
            .nodes()
            .iter()
            .map(|node| HostNode {
                node: node.id,
                cpus: node.cpus.clone(),
                mem_kb: node.mem_kb,
                distance: node.distance.clone(),
            })
            .collect(),
    }
}

/// One hook as the report tells it.
pub fn hook(tried: &Tried) -> Hook {
    let reason = tried.reason.clone().unwrap_or_default();
    let via = tried.via.clone().unwrap_or_default();
    match tried.state {
        TriedState::Attached => Hook::attached(tried.row.hook, via),
        TriedState::Fallback => {
            Hook::fallback(tried.row.hook, via, reason, tried.row.lost_on_fallback)
        }
        TriedState::Absent => Hook::absent(tried.row.hook, reason, tried.row.lost),
        TriedState::LeftOut => Hook::left_out(tried.row.hook, tried.row.lost),
    }
}

/// Hooks without which our totals cannot be the kernel's.
fn hooks_lost(hooks: &[Tried]) -> Vec<(String, String)> {
    hooks
        .iter()
        .filter(|hook| hook.row.accounts)
        .filter_map(|hook| match hook.state {
            TriedState::Attached => None,
            TriedState::Fallback => Some((
                hook.row.hook.to_owned(),
                hook.row.lost_on_fallback.to_owned(),
            )),
            TriedState::Absent | TriedState::LeftOut => {
                Some((hook.row.hook.to_owned(), hook.row.lost.to_owned()))
            }
        })
        .collect()
}

/// Bulk allocations that were not seen, where their hook is not in place: pages that the kernel gave and we did not trace.
fn bulk_unseen(second: &[CrossCheck], hooks: &[Tried]) -> Option<u64> {
    let missing = hooks
        .iter()
        .any(|hook| hook.row.hook == catalog::ALLOC_BULK && hook.state != TriedState::Attached);
    let pages = second
        .iter()
        .find(|row| row.what == CrossCheckKind::Pages)?;
    // Less than none: compaction hands pages over that the kernel does not count.
    let residual = pages.residual.filter(|_| missing)?;
    Some(u64::try_from(residual).unwrap_or(0))
}

/// Records for which the ring had no room, by kind.
pub fn lost_by_kind(losses: &Losses) -> BTreeMap<String, u64> {
    Kind::ALL
        .into_iter()
        .zip(losses.records_lost)
        .filter(|(_, lost)| *lost > 0)
        .map(|(kind, lost)| (kind.name().to_owned(), lost))
        .collect()
}

fn coverage(
    losses: &Losses,
    recursion_misses: Option<u64>,
    rejected: u64,
    counted: &Accumulators,
    nodes: &[NodeId],
) -> Coverage {
    let full_tables: BTreeMap<String, u64> = [
        ("totals", losses.overflowed),
        ("scope", losses.scope_lost),
        ("movers", losses.movers_lost),
        ("parked faults", losses.faults_unparked),
        ("balancer times", losses.balancer_untimed),
    ]
    .into_iter()
    .filter(|(_, lost)| *lost > 0)
    .map(|(table, lost)| (table.to_owned(), lost))
    .collect();
    let uncertain: BTreeMap<String, u64> = [
        (
            "first touches of interrupted faults",
            losses.faults_interrupted,
        ),
        (
            "interleave hits taken for granted",
            losses.interleave_guessed,
        ),
        (
            "bulk arrays too long to look through",
            losses.bulk_unscanned,
        ),
    ]
    .into_iter()
    .filter(|(_, events)| *events > 0)
    .map(|(what, events)| (what.to_owned(), events))
    .collect();
    let (mut elsewhere, mut overflowed) = (0u64, 0u64);
    for (charged, count_key, tally) in counted.allocs() {
        if !nodes.contains(&count_key.page_node) {
            elsewhere = elsewhere.saturating_add(tally.amount);
        }
        if charged == Charged::Overflow {
            overflowed = overflowed.saturating_add(tally.amount);
        }
    }
    let unattributed_by_reason: BTreeMap<String, u64> =
        [("table full", overflowed), ("node not in sysfs", elsewhere)]
            .into_iter()
            .filter(|(_, pages)| *pages > 0)
            .map(|(reason, pages)| (reason.to_owned(), pages))
            .collect();
    Coverage {
        records: Some(losses.records),
        records_lost: Some(losses.records_lost.iter().sum()),
        recursion_misses,
        rejected: Some(rejected),
        unattributed: Some(overflowed + elsewhere),
        mapping_records_lost: None,
        lost_by_kind: lost_by_kind(losses),
        unattributed_by_reason,
        full_tables,
        caught_by_twin: losses.caught_by_twin,
        untold: 0,
        uncertain,
        incomplete: None,
    }
}

/// Scales what the windows measured to the whole session. A window is a sample of the session's time, so runs and times grow with
/// it; statistics are on for a small part only.
fn cost(parts: CostParts, duration_s: f64, cpus: usize) -> Cost {
    let mut cost = Cost {
        tracer_cpu_s: parts.tracer_cpu_s,
        tracer_rss_kb: parts.tracer_rss_kb,
        max_overhead: parts.max_overhead,
        reduced: parts.reduced,
        ..Cost::default()
    };
    let Some((measured, windows)) = parts.measured else {
        return cost;
    };
    let scale = (duration_s / windows.as_secs_f64()).max(1.0);
    let bpf_ns = scaled(measured.ns, scale);
    cost.method = Some(if scale > 1.0 {
        CostMethod::Sampled
    } else {
        CostMethod::Full
    });
    cost.bpf_ns = Some(bpf_ns);
    cost.bpf_runs = Some(scaled(measured.runs, scale));
    #[expect(clippy::cast_precision_loss, reason = "a share needs three digits")]
    let share = bpf_ns as f64 / 1e9 / (duration_s * cpus.max(1) as f64);
    cost.bpf_cpu_share = (duration_s > 0.0).then_some(share);
    cost
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sample scaled to a session has three good digits, and both factors are positive"
)]
fn scaled(value: u64, scale: f64) -> u64 {
    (value as f64 * scale).round() as u64
}
