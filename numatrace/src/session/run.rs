//! One session from plan to report: the only file that names every stage and the only one that waits.
//!
//! Everything runs on one thread: the ring is drained and the totals are swept on timers, signals and the child are awaited beside them.

use std::{
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{
    info,
    interval::SessionInterval,
    launch::{self, Held},
    open::{banner, scope_entries, switches, told, verifying},
    tracer::{self, Asked, Extras, Reducing, Tracer},
    wait::{DRAIN, Due, End, Signals, Wait, every},
};
use crate::{
    attach::inject::Faults,
    capture::counting::counting,
    console::{messages::Console, rendering::Rendering},
    enrich::topology::Topology,
    exit::{Exit, Failure},
    ingest::NOT_COUNTING,
    limits::fail_if::FailIf,
    model::{EndedBy, Snapshot},
    output::{self, sink::Sink},
    plan::{Plan, Scope, Verbosity},
    recording::recorder::Recorder,
};

/// How long a command that was told to end may take.
const GRACE: Duration = Duration::from_secs(5);

/// Runs a session and prints its report, or one of each interval.
///
/// # Errors
/// A [`Failure`] with its exit code, or whatever broke while running.
pub fn run(plan: &Plan) -> anyhow::Result<Exit> {
    if plan.audit_only && counting(Path::new("/")) == Some(false) {
        return Err(Failure::new(
            Exit::Refused,
            format!("there is nothing to audit: {NOT_COUNTING}"),
            "sysctl vm.numa_stat=1, or leave out --audit-only: our own counts do not need it",
        )
        .into());
    }
    // Before anything is attached: a report that cannot be written is not worth a session.
    let mut sink = Sink::open(plan.output.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let recorder = recorder(plan)?;
    let (last, exit) = runtime.block_on(session(plan, &mut sink, recorder))?;
    sink.finish(&last).context("cannot write the report")?;
    Ok(exit)
}

/// One session; every interval but the last is written as it ends, the last is returned.
async fn session(
    plan: &Plan,
    sink: &mut Sink,
    recorder: Option<Recorder>,
) -> anyhow::Result<(Vec<u8>, Exit)> {
    let mut console = Console::new(plan.verbosity, plan.duration.is_some());
    let signals = Signals::new()?;
    let topology = Topology::read(Path::new("/"))?;
    let mut loaded = tracer::load(
        &topology,
        switches(plan),
        plan.verbosity >= Verbosity::Debug,
    )?;
    loaded.wanted = plan.hooks.clone();
    let held = match &plan.scope {
        Scope::Command(launch) => Some(launch::hold(launch)?),
        _ => None,
    };
    let scope = scope_entries(plan, held.as_ref())?;
    let verifying = plan.verify_reasons.then(verifying).transpose()?;

    let mut fail_if = plan.fail_if.clone();
    let mut interval = SessionInterval::first(plan.interval.is_some());
    let extras = Extras {
        residency: plan.residency,
        recorder,
        verifying,
        reducing: plan
            .max_overhead
            .map(|most| Reducing::new(most, cpus(&topology), plan.stacks + plan.kernel_stacks > 0)),
    };
    let mut tracer = Tracer::start(loaded, &topology, &scope, extras)?;
    told(plan, &tracer, &mut console)?;
    interval.began = Instant::now();
    if let Some(reducing) = &mut tracer.reducing {
        reducing.begin(interval.began);
    }
    // Before the recording takes its place: of a command that cannot be run there is nothing to keep.
    let mut child = held.map(Held::release).transpose()?;
    if tracer.recorder.is_some() {
        let told = info::told(&tracer, &topology, interval.so_far(plan));
        tracer.open_recording(told);
    }
    let rendering = rendering(plan);
    console.say(&banner(plan));
    if plan.faults != Faults::default() {
        console.say("counting is broken on purpose (--inject): its numbers are of no use");
    }

    let mut wait = Wait::new(plan, signals, interval.began);
    let end = loop {
        match wait
            .next(plan, &mut tracer, child.as_mut(), &mut console)
            .await?
        {
            Due::End(end) => break end,
            Due::Interval => {
                let over = interval.end(plan);
                let counted = tracer.roll()?.context("the session has no counts")?;
                let snapshot = info::snapshot(
                    &mut tracer,
                    &topology,
                    over,
                    &counted,
                    &mut console,
                    asked(plan, true),
                );
                tracer.ingest.next_interval(counted.until_ns);
                console.clear();
                held_to(&mut fail_if, &snapshot, &mut console);
                if !plan.prints() {
                    continue;
                }
                let report = rendering.of(&snapshot)?;
                if !sink.write(&report).context("cannot write the report")? {
                    // Nobody reads on.
                    break End::Signal;
                }
            }
        }
    };
    console.clear();
    // The end of what is measured; a command that has to be ended is not part of it.
    let mut over = interval.end(plan);
    let counted = tracer.finish()?.context("the session has no counts")?;
    let exit = settle(plan, &end, child).await?;
    over.session.ended_by = Some(match end {
        End::Duration => EndedBy::Duration,
        // Where the recording could not go on, we ended it.
        End::Signal | End::NoRecording => EndedBy::Signal,
        End::Child(_) | End::TargetsGone => EndedBy::Exit,
    });
    if let Exit::Command(status) = exit {
        over.session.exit_status = Some(i32::from(status));
    }
    let snapshot = info::snapshot(
        &mut tracer,
        &topology,
        over,
        &counted,
        &mut console,
        asked(plan, false),
    );
    held_to(&mut fail_if, &snapshot, &mut console);
    let (exit, lines) = fail_if.decide(exit);
    lines.iter().for_each(|line| console.insist(line));
    let exit = recorded(plan, &tracer, &mut console, exit);
    let last = if plan.prints() {
        rendering.of(&snapshot)?
    } else {
        Vec::new()
    };
    Ok((last, exit))
}

/// CPUs that are there.
fn cpus(topology: &Topology) -> usize {
    topology.nodes().iter().map(|node| node.cpus.len()).sum()
}

pub(crate) fn asked(plan: &Plan, goes_on: bool) -> Asked {
    Asked {
        timeline: plan.timeline,
        goes_on,
        quiet: plan.verbosity == Verbosity::Quiet,
    }
}

/// Holds a report to the limits and says which it crosses.
fn held_to(fail_if: &mut FailIf, snapshot: &Snapshot, console: &mut Console) {
    for line in fail_if.check_report(snapshot) {
        console.insist(&line);
    }
}

/// The recording, begun beside its path.
pub(crate) fn recorder(plan: &Plan) -> Result<Option<Recorder>, Failure> {
    plan.recording
        .as_ref()
        .map(|recording| Recorder::open(&recording.path, recording.limit))
        .transpose()
}

/// Says what became of the recording. One that could not be finished is a failure, however well the rest went.
fn recorded(plan: &Plan, tracer: &Tracer, console: &mut Console, exit: Exit) -> Exit {
    match written(plan, tracer) {
        None => exit,
        Some(Ok(line)) => {
            console.say(&line);
            exit
        }
        Some(Err(line)) => {
            console.fail(&line);
            Exit::Failed
        }
    }
}

/// What became of the recording, if there is one: where it is and how large, or why it is not whole.
pub(crate) fn written(plan: &Plan, tracer: &Tracer) -> Option<Result<String, String>> {
    let (recording, recorder) = plan.recording.as_ref().zip(tracer.recorder.as_ref())?;
    let path = output::escape::text(recording.path.as_os_str().as_encoded_bytes());
    Some(match recorder.trouble() {
        Some(trouble) => Err(format!(
            "the recording is not whole: {trouble}\n  hint: {path} reads to where that happened; make room, or use --max-size"
        )),
        None => Ok(format!(
            "{} KiB in {path}; to see it: numatrace report {path}",
            recorder.written().div_ceil(1024)
        )),
    })
}

/// How the report of a session looks.
fn rendering(plan: &Plan) -> Rendering {
    Rendering::new(
        plan.format,
        plan.audit_only,
        plan.output.is_some(),
        plan.limit,
        plan.color,
    )
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
