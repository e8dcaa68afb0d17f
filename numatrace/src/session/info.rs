//! Everything a report is made of, gathered at its end.

use std::{collections::BTreeSet, path::Path};

use super::{
    interval::Over,
    tracer::{Asked, Reducing, Tracer, Verifying},
};
use crate::{
    capture::cost::{self, Measured},
    console::messages::Console,
    enrich::topology::Topology,
    fold::counted::Counted,
    ids::CpuId,
    ingest::session_info::{HookInfo, SessionInfo},
    label::report::{CostParts, host},
    model::{self, Host, Name, Session, Snapshot},
    plan::{Plan, Scope},
};

/// The report of a session or interval; a recording has what it takes to make it again.
pub(crate) fn snapshot(
    tracer: &mut Tracer,
    topology: &Topology,
    over: Over,
    counted: &Counted,
    console: &mut Console,
    asked: Asked,
) -> Snapshot {
    tracer.close_cost(std::time::Instant::now());
    let mut told = told(tracer, topology, over.session);
    add_cpus(&mut told.host);
    told.cost = CostParts {
        measured: tracer.cost.take().map(|(programs, windows)| {
            let mut sum = Measured::default();
            for (program, sampled) in programs {
                if let Some(ns) = sampled.ns.checked_div(sampled.runs) {
                    console.detail(&format!(
                        "{program}: {ns} ns a run, over {} runs",
                        sampled.runs
                    ));
                }
                sum.runs += sampled.runs;
                sum.ns += sampled.ns;
            }
            (sum, windows)
        }),
        tracer_cpu_s: over.cpu_s,
        tracer_rss_kb: cost::own_rss_kb(),
        max_overhead: tracer.reducing.as_ref().map(Reducing::most),
        reduced: tracer
            .reducing
            .as_ref()
            .map(|reducing| reducing.done().to_vec())
            .unwrap_or_default(),
    };
    told.verified = tracer.verifying.as_mut().map(Verifying::take);
    tracer.report(told, counted, asked)
}

/// The machine, the session and its hooks.
pub(crate) fn told(tracer: &Tracer, topology: &Topology, session: Session) -> SessionInfo {
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
    let attached = tracer.session();
    SessionInfo {
        host: host(topology, kernel, arch, balancing),
        session,
        hooks: attached.hooks.iter().map(HookInfo::from).collect(),
        interrupts_unknown: attached.interrupts_unknown.clone(),
        mapping_records: tracer
            .mapping_records()
            .map(|found| found.map_err(str::to_owned)),
        reasons: tracer.reasons.clone(),
        verified: None,
        cost: CostParts::default(),
    }
}

/// The scope as the report tells it.
pub(crate) fn model_scope(plan: &Plan) -> model::report::Scope {
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
