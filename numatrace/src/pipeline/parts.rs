//! Everything a report is made of, gathered at its end.

use std::{collections::BTreeSet, path::Path};

use super::stretch::Over;
use crate::{
    capture::cost,
    enrich::topology::Topology,
    ids::CpuId,
    label::report::{CostParts, Parts, host, report},
    model::{self, Host, Name, Snapshot},
    plan::{Plan, Scope},
    talk::Voice,
    tracer::{Counted, Reducing, Tracer},
};

/// The report of a session or interval.
pub(super) fn snapshot(
    tracer: &mut Tracer,
    topology: &Topology,
    over: Over,
    counted: &Counted,
    voice: &mut Voice,
    tell_timeline: bool,
) -> Snapshot {
    let uname = nix::sys::utsname::uname();
    let text = |field: Result<&std::ffi::OsStr, nix::Error>| {
        field.map_or_else(
            |_| "unknown".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    };
    let (kernel, arch) = match &uname {
        Ok(names) => (text(Ok(names.release())), text(Ok(names.machine()))),
        Err(error) => (text(Err(*error)), text(Err(*error))),
    };
    let balancing = std::fs::read_to_string("/proc/sys/kernel/numa_balancing")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let hooks = tracer.session().hooks.clone();
    let interrupts_unknown = tracer.session().interrupts_unknown.clone();
    let mapping_records = tracer
        .mapping_records()
        .map(|found| found.map_err(str::to_owned));
    let migrate_reasons = tracer.migrate_reasons.clone();
    tracer.close_cost(std::time::Instant::now());
    let reduced = tracer
        .reducing
        .as_ref()
        .map(|reducing| reducing.done().to_vec())
        .unwrap_or_default();
    let measured = tracer.cost.take();
    for (program, sampled) in measured.iter().flat_map(|(programs, _)| programs) {
        if let Some(ns) = sampled.ns.checked_div(sampled.runs) {
            voice.detail(&format!(
                "{program}: {ns} ns a run, over {} runs",
                sampled.runs
            ));
        }
    }
    let mut host = host(topology, kernel, arch, balancing);
    add_cpus(&mut host);
    let parts = Parts {
        host,
        session: over.session,
        hooks: &hooks,
        window: &counted.window,
        until_ns: counted.until_ns,
        began_ns: counted.began_ns,
        timeline: &counted.timeline,
        tell_timeline,
        counted: &counted.inside,
        mappings: &counted.mappings,
        stacks: &|number| tracer.stacks.addresses(number),
        interrupts_unknown: interrupts_unknown.as_deref(),
        migrate_reasons: &migrate_reasons,
        recursion_misses: counted.recursion_misses,
        losses: counted.losses,
        rejected: counted.rejected,
        mapping_records: mapping_records.as_ref().map(|found| {
            found
                .as_ref()
                .map(|()| counted.mapping_records_lost)
                .map_err(String::as_str)
        }),
        lines_without_room: tracer.enrich.spaces.no_room,
        unsettled: counted.unsettled,
        uncounted: counted.uncounted.as_deref(),
        switched: counted.switched,
        cost: CostParts {
            measured: measured
                .as_ref()
                .map(|(programs, windows)| (programs, *windows)),
            tracer_cpu_s: over.cpu_s,
            tracer_rss_kb: cost::own_rss_kb(),
            max_overhead: tracer.reducing.as_ref().map(Reducing::most),
            reduced: &reduced,
        },
    };
    report(parts, &mut tracer.enrich)
}

/// The scope as the report tells it.
pub(super) fn model_scope(plan: &Plan) -> model::report::Scope {
    let mut scope = model::report::Scope {
        children: plan.follow_children,
        ..Default::default()
    };
    match &plan.scope {
        Scope::System => {}
        Scope::Processes(processes) => scope.pids = processes.iter().map(|(pid, _)| *pid).collect(),
        Scope::Command(launch) => {
            scope.launched = launch
                .argv
                .iter()
                .map(|arg| Name::from(arg.as_os_str()))
                .collect();
        }
    }
    scope
}

/// CPUs that came during the session are the machine's too; those that went stay listed.
fn add_cpus(host: &mut Host) {
    let Ok(now) = Topology::read(Path::new("/")) else {
        return;
    };
    for node in &mut host.nodes {
        let cpus = now.node(node.node).map_or(&[][..], |node| &node.cpus);
        let known: BTreeSet<CpuId> = node.cpus.iter().chain(cpus).copied().collect();
        node.cpus = known.into_iter().collect();
    }
}
