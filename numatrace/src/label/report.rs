//! A whole report from a session that ended: host, hooks, coverage, cost, audit, processes.

use super::{
    activity::Measured,
    alloc::Known,
    audit::{Evidence, audit},
    balancing,
    code::Code,
    cost::cost,
    coverage::{coverage, unnamed_files},
    cross_check::cross_check,
    failures, home,
    hooks::{bulk_unseen, is_exact, measured, missing_for_audit, table},
    incidents::Incidents,
    labels::Labels,
    mappings::{self, Filled},
    processes::{nothing_traced, processes, rates, system},
    resident,
    session_info::SessionInfo,
    shortages,
    verify::verify,
};
use crate::{
    attach::{catalog, hooks::Hook as Attached},
    enrich::{Enrich, facts::Facts, process::Folded, topology::Topology},
    fold::counted::Counted,
    ids::NodeId,
    model::{
        self, Alloc, Audit, Coverage, CrossCheck, Host, HostNode, Process, Snapshot,
        cache::split_a_node, distance, finding::diagnose,
    },
};

/// Makes the report of a session or interval: everything that was counted, with names.
///
/// `code` names the functions of stacks. With `timeline` the report lists every event of the
/// process that the session is about.
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
    let duration_s = info.session.duration_s;
    let measured = Measured {
        migrate_reasons: info.reasons.migrate.clone(),
        skip_reasons: info.reasons.skip.clone(),
        cache_moves: info.host.caches.as_deref().is_some_and(split_a_node),
        ..measured(&hooks)
    };
    let labels = Labels {
        measured: &measured,
        nodes: &nodes,
        known: Known {
            preferred: is_exact(&hooks, catalog::PAGE_ALLOC),
            policy: is_exact(&hooks, catalog::ALLOC_POLICY),
        },
        until_ns: counted.until_ns,
    };
    let mut processes = processes(inside, enrich, labels);
    let filled = mappings::fill(&mut processes, &counted.mappings, code, enrich, labels);
    // Residency is known with the mappings, and homes with residency.
    for process in &mut processes {
        home::fill(process, &nodes);
        process.placement_mismatch = process.mismatch();
        if let Some(residency) = &mut process.residency {
            resident::fill_allowed(residency, &info.host);
        }
    }

    let mut snapshot = Snapshot::new(info.host.clone(), info.session.clone());
    let rows = cross_check(&counted.window, inside, &measured);
    snapshot.audit = audited(counted, &processes, &hooks, &rows, cpus, labels);
    snapshot.audit.cross_check = rows;
    let mapping_records = info.mapping_records.as_ref();
    snapshot.hooks = table(
        &hooks,
        info.interrupts_unknown.as_deref(),
        mapping_records.map(|opened| opened.as_ref().copied().map_err(String::as_str)),
    );
    snapshot.coverage = coverage(counted, &nodes);
    add_mappings(
        &mut snapshot.coverage,
        info,
        counted,
        &filled,
        enrich.spaces.no_room,
    );
    snapshot.coverage.folded = folded(info, counted.folded);
    if enrich.residency.no_room > 0 {
        let tables = &mut snapshot.coverage.full_tables;
        tables.insert("readings of memory".to_owned(), enrich.residency.no_room);
    }
    snapshot.stacks = filled.stacks;
    let with_memory: Vec<NodeId> = snapshot
        .host
        .nodes
        .iter()
        .filter(|node| node.mem_kb != Some(0))
        .map(|node| node.node)
        .collect();
    let sources = failures::Sources {
        failures: &counted.failures,
        measured: &measured,
        with_memory: &with_memory,
        code,
        stacks: &mut snapshot.stacks,
        enrich,
    };
    snapshot.failures = failures::fill(&mut processes, sources);
    snapshot.coverage.unnamed_files = unnamed_files(&snapshot.stacks);
    snapshot.shortages = labels
        .known
        .preferred
        .then(|| shortages::all(&counted.failures.shortages));
    snapshot.cost = cost(info.cost.clone(), duration_s, cpus);

    let mut system = system(inside, &processes, labels);
    balancing::judge(
        &mut processes,
        &mut system,
        inside,
        &enrich.processes,
        counted.began_ns,
    );
    rates(&mut processes, &mut system, duration_s);
    snapshot.system = Some(system);
    snapshot.verify = info.verified.as_ref().map(verify);
    snapshot.processes = processes;
    distance::fill(&mut snapshot);

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
    snapshot.timeline = timeline
        .then(|| snapshot.focus().map(|focus| incidents.moments(focus)))
        .flatten();
    snapshot.findings = diagnose(&snapshot);
    snapshot
}

/// Returns the audit of a session, or why there is none.
fn audited(
    counted: &Counted,
    processes: &[Process],
    hooks: &[Attached],
    cross_check: &[CrossCheck],
    cpus: usize,
    labels: Labels<'_>,
) -> Audit {
    if !labels.measured.allocs {
        return Audit::unavailable(
            "page_alloc is left out on request: nothing was traced that numastat counts",
        );
    }
    if let Some(why) = &counted.uncounted {
        return Audit::unavailable(why);
    }
    let allocs = processes
        .iter()
        .filter_map(|process| process.alloc.as_ref());
    let traced = Alloc::sum(allocs).unwrap_or_else(|| nothing_traced(labels));
    let evidence = Evidence {
        recursion_misses: counted
            .recursion_misses
            .unwrap_or(0)
            .saturating_add(counted.losses.marks_lost),
        foreign_at_boundary: counted.inside.foreign_at_boundary,
        cpus: cpus as u64,
        totals_lost: counted.losses.totals_lost,
        bulk_unseen: bulk_unseen(cross_check, hooks),
        hooks_lost: missing_for_audit(hooks),
        cpu_changed: traced
            .remote_by_cause
            .as_ref()
            .map_or(0, |causes| causes.task_moved),
        moves_under_policy: moves_under_policy(&traced, processes),
        node_misread: counted.losses.node_misread,
        unsettled: counted.unsettled,
        switched: counted.switched,
    };
    audit(&counted.window, &traced, labels.nodes, &evidence)
}

/// Returns what ended and has no entry of its own; `None` when all of it has.
fn folded(info: &SessionInfo, folded: Folded) -> Option<model::Folded> {
    let Folded { processes, threads } = folded;
    let keep = info.keep_processes?;
    (processes > 0 || threads > 0).then_some(model::Folded {
        keep,
        processes,
        threads,
    })
}

/// Returns the moves of tasks between nodes; 0 when no memory policy placed anything.
fn moves_under_policy(traced: &Alloc, processes: &[Process]) -> u64 {
    let causes = traced.remote_by_cause.as_ref();
    if causes.is_none_or(|causes| causes.policy == 0) {
        return 0;
    }
    let moves = processes
        .iter()
        .filter_map(|process| process.task_moves.as_ref());
    moves.filter_map(|moves| moves.cross_node).sum()
}

/// Adds what was lost of mappings. `lines_without_room` are mappings of processes for which the
/// table of their names had no room.
fn add_mappings(
    coverage: &mut Coverage,
    info: &SessionInfo,
    counted: &Counted,
    filled: &Filled,
    lines_without_room: u64,
) {
    if matches!(info.mapping_records, Some(Ok(()))) {
        coverage.mapping_records_lost = Some(counted.mapping_records_lost);
    }
    if lines_without_room > 0 {
        let tables = &mut coverage.full_tables;
        tables.insert("mapping names".to_owned(), lines_without_room);
    }
    coverage.unattributed("mapping without a name", filled.nameless);
    coverage.unattributed("no room for mapping", counted.mappings.no_room);
}

/// Returns the host section without caches. `numa_balancing` is the value of
/// `kernel.numa_balancing`; `None` where the kernel has none.
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
                memory: topology.memory_kind(node.id),
                movable_only: Some(node.is_movable_only()),
                distance: node.distance.clone(),
            })
            .collect(),
        caches: None,
        view: topology.view().to_vec(),
    }
}
