//! Ends intervals and makes their reports.

use std::{collections::BTreeSet, path::Path, time::Instant};

use anyhow::Context;

use super::{
    Session,
    interval::EndedInterval,
    live_code::LiveCode,
    tracer::{Reducing, Tracer, Verifying},
};
use crate::{
    capture::cost::{self, Measured},
    console::messages::Console,
    enrich::topology::Topology,
    ids::CpuId,
    label::{
        report::{host, report},
        session_info::{CostParts, HookInfo, SessionInfo},
    },
    model::{self, Host, Snapshot},
    recording::chunks::Made,
};

impl Session {
    /// Ends an interval at a boundary; the next one begins there. The caller calls
    /// [`Session::next_interval`] once the report is made.
    ///
    /// # Errors
    /// A map or counter file cannot be read.
    pub(crate) fn end_interval(&mut self) -> anyhow::Result<EndedInterval> {
        self.end_at_boundary(false)
    }

    /// Ends the session at a last boundary. The recording is completed by its report.
    ///
    /// # Errors
    /// A map or counter file cannot be read.
    pub(crate) fn finish(&mut self) -> anyhow::Result<EndedInterval> {
        self.end_at_boundary(true)
    }

    fn end_at_boundary(&mut self, is_last: bool) -> anyhow::Result<EndedInterval> {
        let (session, cpu_s) = self.interval.end(&self.plan);
        let counted = if is_last {
            self.tracer.finish()?
        } else {
            self.tracer.roll()?
        };
        Ok(EndedInterval {
            session,
            counted: counted.context("the session has no counts")?,
            cpu_s,
            is_last,
        })
    }

    /// Makes the report of an interval that has ended, and writes everything that a recording needs
    /// to make it again.
    pub(crate) fn report(
        &mut self,
        ended: &EndedInterval,
        timeline: bool,
        console: &mut Console,
    ) -> Snapshot {
        self.tracer.close_cost(Instant::now());
        let mut info = self.info(ended.session.clone());
        add_cpus(&mut info.host);
        info.cost = self.cost(ended.cpu_s, console);
        info.verified = self.tracer.verifying.as_mut().map(Verifying::take);
        let Tracer {
            stacks,
            ingest,
            recorder,
            ..
        } = &mut self.tracer;
        let mut code = LiveCode::new(stacks, &mut self.symbols, console.is_quiet());
        let counted = &ended.counted;
        let snapshot = report(&info, counted, &mut code, timeline, &mut ingest.enrich);
        if let Some(recorder) = recorder {
            let made = Made {
                info,
                another_follows: !ended.is_last,
            };
            recorder.reported(&made, &code.resolved, ingest);
        }
        snapshot
    }

    /// Begins the next interval: forgets processes that had ended before this one did.
    pub(crate) fn next_interval(&mut self, ended: &EndedInterval) {
        self.tracer.ingest.next_interval(ended.counted.until_ns);
    }

    /// Returns the facts about the machine, the session and its hooks; cost and verified reasons
    /// are known at its end.
    pub(super) fn info(&self, session: model::Session) -> SessionInfo {
        let (kernel, arch) = kernel_and_arch();
        let balancing = std::fs::read_to_string("/proc/sys/kernel/numa_balancing")
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let attached = self.tracer.session();
        let mapping_records = self.tracer.mapping_records();
        SessionInfo {
            host: Host {
                caches: self.tracer.caches.clone(),
                ..host(&self.topology, kernel, arch, balancing)
            },
            session,
            hooks: attached.hooks.iter().map(HookInfo::from).collect(),
            interrupts_unknown: attached.interrupts_unknown.clone(),
            mapping_records: mapping_records.map(|opened| opened.map_err(str::to_owned)),
            reasons: self.tracer.reasons.clone(),
            verified: None,
            cost: CostParts::default(),
            keep_processes: Some(self.plan.keep_processes as u64),
        }
    }

    /// Takes the measured cost of programs and of this process; `--verbose` prints it by program.
    fn cost(&mut self, cpu_s: Option<f64>, console: &mut Console) -> CostParts {
        let reducing = self.tracer.reducing.as_ref();
        CostParts {
            measured: self.tracer.cost.take().map(|(programs, windows)| {
                let mut sum = Measured::default();
                for (program, sampled) in programs {
                    if let Some(ns) = sampled.ns.checked_div(sampled.runs) {
                        let runs = sampled.runs;
                        console.detail(&format!("{program}: {ns} ns per run, {runs} runs"));
                    }
                    sum.runs += sampled.runs;
                    sum.ns += sampled.ns;
                }
                (sum, windows)
            }),
            tracer_cpu_s: cpu_s,
            tracer_rss_kb: cost::own_rss_kb(),
            max_overhead: reducing.map(Reducing::limit),
            reduced: reducing.map_or_else(Vec::new, |reducing| reducing.done().to_vec()),
        }
    }
}

/// Returns the release of the kernel and the architecture; `unknown` where uname(2) fails.
fn kernel_and_arch() -> (String, String) {
    match nix::sys::utsname::uname() {
        Ok(names) => (
            names.release().to_string_lossy().into_owned(),
            names.machine().to_string_lossy().into_owned(),
        ),
        Err(_) => ("unknown".to_owned(), "unknown".to_owned()),
    }
}

/// Adds CPUs that came online during the session; CPUs that went offline stay listed.
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
