//! One session from plan to report: the only file that names every stage and the only one that waits.
//!
//! Everything runs on one thread: the ring is drained and the totals are swept on timers, signals and the child are awaited beside them.

use std::{
    path::Path,
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::Context;
use jiff::Timestamp;
use numatrace_common::scope::ScopeEntry;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    attach::{globals::Switches, hooks::HookState},
    capture::cost,
    cli::Format,
    enrich::{
        facts::{Facts, ProcFacts},
        topology::Topology,
    },
    exit::{Exit, Failure},
    ids::Pid,
    label::report::{CostParts, Parts, host, report},
    launch::{self, Held},
    model::{self, EndedBy, Name, Snapshot},
    output::{self, sink::Sink, text::TextOptions},
    plan::{Plan, Scope, Talk},
    talk::Voice,
    tracer::{self, Counted, Tracer},
};

/// The ring holds over 100 ms of the worst storm measured, so 10 ms is early enough and costs nothing when idle.
const DRAIN: Duration = Duration::from_millis(10);
/// A sweep reads every bucket of the totals once.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a command that was told to end may take.
const GRACE: Duration = Duration::from_secs(5);

/// Runs a session and prints its report.
///
/// # Errors
/// A [`Failure`] with its exit code, or whatever broke while running.
pub fn run(plan: &Plan) -> anyhow::Result<Exit> {
    // Before anything is attached: a report that cannot be written is not worth a session.
    let sink = Sink::open(plan.output.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let (snapshot, exit) = runtime.block_on(session(plan))?;
    let bytes = match plan.format {
        Format::Json => {
            let mut line = Vec::new();
            output::json::write_line(&mut line, &snapshot)?;
            line
        }
        Format::Text => output::text::render(&snapshot, &text_options(plan)).into_bytes(),
    };
    sink.finish(&bytes).context("cannot write the report")?;
    Ok(exit)
}

/// Why the waiting ended.
enum End {
    Duration,
    Signal,
    Child(ExitStatus),
    TargetsGone,
}

async fn session(plan: &Plan) -> anyhow::Result<(Snapshot, Exit)> {
    let mut voice = Voice::new(plan.talk, plan.duration.is_some());
    let mut signals = Signals::new()?;
    let topology = Topology::read(Path::new("/"))?;
    let loaded = tracer::load(&topology, switches(plan), plan.talk >= Talk::Debug)?;
    let held = match &plan.scope {
        Scope::Command(launch) => Some(launch::hold(launch)?),
        _ => None,
    };
    let scope = scope_entries(plan, held.as_ref())?;

    let start = Timestamp::now();
    let mut tracer = Tracer::start(loaded, &topology, &scope)?;
    told(&tracer, &mut voice)?;
    let began = Instant::now();
    let mut child = held.map(Held::release).transpose()?;
    voice.say(&banner(plan));

    let end = wait(plan, &mut tracer, child.as_mut(), &mut signals, &mut voice).await?;
    voice.clear();
    // The end of what is measured; a command that has to be ended is not part of it.
    let duration = began.elapsed();
    tracer.close_cost(Instant::now());
    let counted = tracer.finish()?.context("the session has no counts")?;
    let exit = settle(plan, &end, child).await?;

    let mut session = model::Session::new("trace", start, duration.as_secs_f64());
    session.scope = model_scope(plan);
    session.ended_by = Some(match end {
        End::Duration => EndedBy::Duration,
        End::Signal => EndedBy::Signal,
        End::Child(_) | End::TargetsGone => EndedBy::Exit,
    });
    if let Exit::Command(status) = exit {
        session.exit_status = Some(i32::from(status));
    }
    Ok((snapshot(&mut tracer, &topology, session, &counted), exit))
}

fn switches(plan: &Plan) -> Switches {
    Switches {
        scoped: plan.scope != Scope::System,
        follow_children: plan.follow_children,
        stream_runs: true,
        first_touch: true,
    }
}

/// The first members of the scope: given processes at once, a command from its exec on.
fn scope_entries(plan: &Plan, held: Option<&Held>) -> anyhow::Result<Vec<(Pid, ScopeEntry)>> {
    let entry = |start_ticks, active| ScopeEntry {
        start_ticks,
        active,
        reserved: 0,
    };
    Ok(match (&plan.scope, held) {
        (Scope::Processes(processes), _) => processes
            .iter()
            .map(|(pid, ticks)| (*pid, entry(*ticks, 1)))
            .collect(),
        (Scope::Command(_), Some(held)) => {
            let mut facts = ProcFacts::new(Path::new("/"));
            let identity = facts
                .identity(held.pid)
                .context("the command ended before it could be traced")?;
            vec![(held.pid, entry(identity.start_ticks, 0))]
        }
        _ => Vec::new(),
    })
}

/// Refuses when nothing of use is attached, and says what is not.
fn told(tracer: &Tracer, voice: &mut Voice) -> Result<(), Failure> {
    for hook in &tracer.session().hooks {
        let via = hook.via.as_deref().unwrap_or("nothing");
        let reason = hook
            .reason
            .as_deref()
            .map_or_else(String::new, |why| format!(" ({why})"));
        let state = match hook.state {
            HookState::Attached => "attached",
            HookState::Fallback => "on its fallback",
            HookState::Absent => "absent",
        };
        voice.detail(&format!("{}: {state}: {via}{reason}", hook.row.hook));
    }
    match tracer.session().missing().first() {
        None => Ok(()),
        Some(hook) => Err(Failure::new(
            Exit::Refused,
            format!(
                "cannot attach {}: {}",
                hook.row.hook,
                hook.reason.as_deref().unwrap_or("no reason given")
            ),
            "numatrace doctor says what this machine allows and how to get the rest",
        )),
    }
}

fn banner(plan: &Plan) -> String {
    let what = match &plan.scope {
        Scope::System => "all processes".to_owned(),
        Scope::Processes(processes) => {
            let list: Vec<String> = processes.iter().map(|(pid, _)| pid.to_string()).collect();
            format!("process {}", list.join(", "))
        }
        Scope::Command(launch) => {
            let name = launch
                .argv
                .first()
                .map_or_else(Default::default, |name| name.as_encoded_bytes().to_vec());
            output::escape::text(&name).into_owned()
        }
    };
    match plan.duration {
        Some(duration) => format!(
            "tracing {what} for {} s ... Ctrl-C ends it",
            duration.as_secs_f64()
        ),
        None => format!("tracing {what} ... Ctrl-C ends it"),
    }
}

/// Drains and sweeps until something ends the session.
async fn wait(
    plan: &Plan,
    tracer: &mut Tracer,
    mut child: Option<&mut Child>,
    signals: &mut Signals,
    voice: &mut Voice,
) -> anyhow::Result<End> {
    let began = Instant::now();
    let mut drain = every(DRAIN);
    let mut sweep = every(SWEEP);
    let deadline = sleep(
        plan.duration
            .unwrap_or(Duration::from_secs(u32::MAX.into())),
    );
    tokio::pin!(deadline);
    let mut interrupted = false;
    loop {
        tokio::select! {
            () = &mut deadline, if plan.duration.is_some() => return Ok(End::Duration),
            _ = drain.tick() => {
                tracer.drain()?;
                tracer.measure_cost(Instant::now());
                if let Some(child) = child.as_deref_mut()
                    && let Some(status) = child.try_wait().context("cannot wait for the command")?
                {
                    return Ok(End::Child(status));
                }
            }
            _ = sweep.tick() => {
                tracer.sweep()?;
                if let Some(whole) = plan.duration {
                    voice.progress(began.elapsed(), whole);
                }
                if let Scope::Processes(processes) = &plan.scope
                    && processes.iter().all(|(pid, ticks)| !alive(*pid, *ticks))
                {
                    return Ok(End::TargetsGone);
                }
            }
            _ = signals.interrupt.recv() => {
                if interrupted {
                    return Err(Failure::new(Exit::Command(130), "aborted by a second Ctrl-C", "one is enough: the report follows when the command has ended").into());
                }
                interrupted = true;
                // The terminal has sent it to the command too; the report follows when that has ended.
                if child.is_none() {
                    return Ok(End::Signal);
                }
            }
            _ = signals.terminate.recv() => return Ok(End::Signal),
        }
    }
}

fn alive(pid: Pid, start_ticks: u64) -> bool {
    ProcFacts::new(Path::new("/"))
        .identity(pid)
        .is_some_and(|identity| identity.start_ticks == start_ticks)
}

/// Ends a command that outlived the session, unless it may go on; says how the run ended.
async fn settle(plan: &Plan, end: &End, child: Option<Child>) -> anyhow::Result<Exit> {
    let Some(mut child) = child else {
        return Ok(Exit::Done);
    };
    if let End::Child(status) = end {
        return Ok(launch::passed_on(*status));
    }
    if matches!(&plan.scope, Scope::Command(launch) if launch.keep_running) {
        return Ok(Exit::Done);
    }
    launch::terminate(&child);
    let asked = Instant::now();
    let mut tick = every(DRAIN);
    while child
        .try_wait()
        .context("cannot wait for the command")?
        .is_none()
    {
        if asked.elapsed() >= GRACE {
            child.kill().context("cannot kill the command")?;
            child.wait().context("cannot wait for the command")?;
            break;
        }
        tick.tick().await;
    }
    Ok(Exit::Done)
}

fn snapshot(
    tracer: &mut Tracer,
    topology: &Topology,
    session: model::Session,
    counted: &Counted,
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
    let migrate_reasons = tracer.migrate_reasons.clone();
    let measured = tracer
        .cost
        .measured()
        .map(|(programs, windows)| (programs.clone(), windows));
    let parts = Parts {
        host: host(topology, kernel, arch, balancing),
        session,
        hooks: &hooks,
        window: &counted.window,
        counted: &counted.inside,
        interrupts_unknown: interrupts_unknown.as_deref(),
        migrate_reasons: &migrate_reasons,
        recursion_misses: counted.recursion_misses,
        losses: counted.losses,
        rejected: counted.rejected,
        unsettled: counted.unsettled,
        uncounted: counted.uncounted.as_deref(),
        cost: CostParts {
            measured: measured
                .as_ref()
                .map(|(programs, windows)| (programs, *windows)),
            tracer_cpu_s: cost::own_cpu_seconds(),
            tracer_rss_kb: cost::own_rss_kb(),
        },
    };
    report(parts, &mut tracer.enrich)
}

fn model_scope(plan: &Plan) -> model::report::Scope {
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

fn text_options(plan: &Plan) -> TextOptions {
    TextOptions {
        width: if plan.output.is_none() {
            terminal_width()
        } else {
            None
        },
        rows: Some(plan.limit),
        color: plan.color,
    }
}

/// Columns of the terminal on stdout, `None` when it is none.
fn terminal_width() -> Option<usize> {
    let (terminal_size::Width(columns), _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(columns))
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval(period);
    // After a long sweep one tick is enough.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The signals that end a session.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot handle Ctrl-C")?,
            terminate: signal(SignalKind::terminate()).context("cannot handle SIGTERM")?,
        })
    }
}
