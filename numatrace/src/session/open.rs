//! Opens a session: loads and attaches the hooks, sets the scope, releases the launched command.

use std::{path::Path, time::Instant};

use anyhow::Context;
use numatrace_common::scope::ScopeEntry;

use super::{
    Session, descriptors,
    interval::SessionInterval,
    launch::{self, HeldCommand},
    scarce, signals,
    tracer::{self, Reducing, Residing, Tracer, Verifying},
};
use crate::{
    attach::{hooks::HookState, preflight::Host, refused::NO_DESCRIPTORS},
    console::messages::{Console, Verbosity},
    enrich::{
        facts::{Facts, ProcFacts},
        topology::Topology,
    },
    exit::{Exit, Failure},
    fold::busy::Busy,
    ids::Pid,
    label::symbol::Symbols,
    output::escape,
    plan::{Scope, SessionPlan},
    reader::Reader,
    recording::{chunks::Opening, recorder::Recorder},
};

impl Session {
    /// Opens a session; when this returns, events are counted.
    ///
    /// A command to launch is forked first, held before its exec, and released last. Its recording
    /// replaces an older file only after that: a command that cannot be run leaves the older file
    /// alone.
    ///
    /// # Errors
    /// A [`Failure`] with its hint when this machine or user does not allow a session, a required
    /// hook does not attach, the recording cannot be written, or the command cannot be run.
    pub(crate) fn open(plan: SessionPlan, console: &mut Console) -> anyhow::Result<Self> {
        // First, because a recording that cannot be written is no reason to attach anything.
        let recording = plan.recording.as_ref();
        let recorder = recording
            .map(|recording| Recorder::open(&recording.path, recording.limit, symbols()))
            .transpose()?;
        let interval = SessionInterval::begin(plan.interval.is_some());
        let topology = Topology::read(Path::new("/"))?;
        descriptors::raise(cpus(&topology));
        let host = Host::read(Path::new("/"));
        if let Some(warning) = scarce::warning(&host) {
            console.say(&warning);
        }
        let debug = plan.verbosity >= Verbosity::Debug;
        let mut loaded = tracer::load(&topology, plan.switches, debug)
            .map_err(|error| scarce::explained(error, "cannot create the eBPF maps", &host))?;
        loaded.wanted = plan.hooks.clone();
        let held =
            match &plan.scope {
                Scope::Command(launch) => {
                    let held = launch::hold(launch);
                    Some(held.map_err(|error| {
                        scarce::explained(error, "cannot start the command", &host)
                    })?)
                }
                _ => None,
            };
        let scope = scope_entries(&plan.scope, held.as_ref())?;
        // Before anything is counted, because it takes a while.
        let verifying = plan.switches.verify_reasons.then(verifying).transpose()?;
        let mut tracer = Tracer::start(loaded, &topology, &scope, recorder)
            .map_err(|error| scarce::explained(error, "cannot start the session", &host))?;
        tracer.ingest.keep_processes = Some(plan.keep_processes);
        tracer.residing = Residing::start(plan.residency, plan.scope.is_limited());
        tracer.ingest.busy = tracer.residing.is_some().then(Busy::default);
        tracer.verifying = verifying;
        check_hooks(&plan, &tracer, console)?;
        tracer.reducing = plan
            .max_overhead
            .map(|limit| Reducing::new(limit, cpus(&topology), captures_stacks(&plan)));
        let mut session = Self {
            plan,
            topology,
            tracer,
            opened: Instant::now(),
            interval,
            child: None,
            sweeps: 0,
            symbols: symbols(),
        };
        session.interval.set_began(session.opened);
        session.child = held.map(HeldCommand::release).transpose()?;
        session.open_recording();
        Ok(session)
    }

    /// Writes the start of the session into the recording, if there is one.
    fn open_recording(&mut self) {
        let info = self.info(self.interval.described(&self.plan, 0.0));
        let began_ns = self.tracer.ingest.began_ns();
        let Tracer {
            recorder, ingest, ..
        } = &mut self.tracer;
        if let Some(recorder) = recorder {
            recorder.opened(Opening { info, began_ns }, ingest);
        }
    }

    /// Returns the line that says what is traced and for how long.
    pub(crate) fn banner(&self) -> String {
        let what = match &self.plan.scope {
            Scope::System => "all processes".to_owned(),
            Scope::Processes(processes) => {
                let list: Vec<String> = processes.iter().map(|(pid, _)| pid.to_string()).collect();
                format!("process {}", list.join(", "))
            }
            Scope::Command(launch) => {
                let name = launch.argv.first().map(|name| name.as_encoded_bytes());
                escape::text(name.unwrap_or_default()).into_owned()
            }
        };
        match self.plan.duration {
            Some(duration) => format!(
                "tracing {what} for {} s ... Ctrl-C ends it",
                duration.as_secs_f64()
            ),
            None => format!("tracing {what} ... Ctrl-C ends it"),
        }
    }
}

/// Returns names of code, which signals that end a session keep from being read.
fn symbols() -> Symbols {
    let mut reader = Reader::default();
    reader.stop_at(signals::count());
    Symbols::new(reader)
}

/// Returns the first members of the scope: given processes at once, a command from its exec on.
fn scope_entries(
    scope: &Scope,
    held: Option<&HeldCommand>,
) -> anyhow::Result<Vec<(Pid, ScopeEntry)>> {
    let entry = |start_ticks, active| ScopeEntry {
        start_ticks,
        active,
        reserved: 0,
    };
    Ok(match (scope, held) {
        (Scope::Processes(processes), _) => processes
            .iter()
            .map(|(pid, ticks)| (*pid, entry(*ticks, 1)))
            .collect(),
        (Scope::Command(_), Some(held)) => {
            let identity = ProcFacts::new(Path::new("/"))
                .identity(held.pid)
                .context("the command ended before it could be traced")?;
            vec![(held.pid, entry(identity.start_ticks, 0))]
        }
        _ => Vec::new(),
    })
}

/// Reads the kernel's functions, which `--verify-reasons` names.
fn verifying() -> Result<Verifying, Failure> {
    Verifying::begin().map_err(|gap| {
        Failure::new(
            Exit::Refused,
            format!("--verify-reasons cannot name the kernel's functions: {gap}"),
            "run as root with kernel.kptr_restrict below 2, or leave out --verify-reasons",
        )
    })
}

/// Reports the state of each hook. Refuses a session without a required hook.
fn check_hooks(plan: &SessionPlan, tracer: &Tracer, console: &mut Console) -> Result<(), Failure> {
    for remark in &plan.hooks.remarks {
        console.say(remark);
    }
    for hook in &tracer.session().hooks {
        let via = hook.via.as_deref().unwrap_or("nothing");
        let reason = hook
            .reason
            .as_deref()
            .map_or_else(String::new, |why| format!(" ({why})"));
        let state = match hook.state {
            HookState::Attached => "attached",
            HookState::Fallback => "uses a reduced hook",
            HookState::Absent => "not attached",
            HookState::LeftOut => "left out",
        };
        console.detail(&format!("{}: {state}: {via}{reason}", hook.row.hook));
    }
    match tracer.session().missing().first() {
        None => Ok(()),
        Some(hook)
            if hook
                .reason
                .as_deref()
                .is_some_and(|why| why.contains(NO_DESCRIPTORS)) =>
        {
            let what = format!("cannot attach {}", hook.row.hook);
            Err(scarce::no_descriptors(&what))
        }
        Some(hook) => Err(Failure::new(
            Exit::Refused,
            format!(
                "cannot attach {}: {}",
                hook.row.hook,
                hook.reason.as_deref().unwrap_or("no reason given")
            ),
            "numatrace doctor shows what this machine allows and how to get the rest",
        )),
    }
}

/// Returns the number of CPUs that are online.
fn cpus(topology: &Topology) -> usize {
    topology.nodes().iter().map(|node| node.cpus.len()).sum()
}

fn captures_stacks(plan: &SessionPlan) -> bool {
    plan.switches.stack_every > 0 || plan.switches.kernel_stack_every > 0
}
