//! One session from plan to report: the only file that names every stage and the only one that waits.
//!
//! Everything runs on one thread: the ring is drained and the totals are swept on timers, signals and the child are awaited beside them.

mod begin;
pub mod events;
mod parts;
mod stretch;
pub mod top;
mod wait;

use std::{
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::{
    attach::inject::Faults,
    capture::counting::counting,
    cli::Format,
    enrich::topology::Topology,
    exit::{Exit, Failure},
    launch::{self, Held},
    model::{AuditReport, EndedBy, Snapshot},
    output::{self, sink::Sink, text::TextOptions},
    plan::{Plan, Scope, Talk},
    talk::Voice,
    tracer::{self, NOT_COUNTING, Reducing, Tracer},
};
use begin::{banner, scope_entries, switches, told};
use stretch::Stretch;
use wait::{DRAIN, Due, End, Signals, Wait, every};

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
    let (last, exit) = runtime.block_on(session(plan, &mut sink))?;
    sink.finish(&last).context("cannot write the report")?;
    Ok(exit)
}

/// One session; every interval but the last is written as it ends, the last is returned.
async fn session(plan: &Plan, sink: &mut Sink) -> anyhow::Result<(Vec<u8>, Exit)> {
    let mut voice = Voice::new(plan.talk, plan.duration.is_some());
    let signals = Signals::new()?;
    let topology = Topology::read(Path::new("/"))?;
    let mut loaded = tracer::load(&topology, switches(plan), plan.talk >= Talk::Debug)?;
    loaded.wanted = plan.hooks.clone();
    let held = match &plan.scope {
        Scope::Command(launch) => Some(launch::hold(launch)?),
        _ => None,
    };
    let scope = scope_entries(plan, held.as_ref())?;

    let mut stretch = Stretch::first(plan.interval.is_some());
    let mut tracer = Tracer::start(loaded, &topology, &scope)?;
    tracer.residency = plan.residency;
    tracer.reducing = plan
        .max_overhead
        .map(|most| Reducing::new(most, cpus(&topology), plan.stacks + plan.kernel_stacks > 0));
    told(plan, &tracer, &mut voice)?;
    stretch.began = Instant::now();
    let mut child = held.map(Held::release).transpose()?;
    voice.say(&banner(plan));
    if plan.faults != Faults::default() {
        voice.say("counting is broken on purpose (--inject): its numbers are of no use");
    }

    let mut wait = Wait::new(plan, signals, stretch.began);
    let end = loop {
        match wait
            .next(plan, &mut tracer, child.as_mut(), &mut voice)
            .await?
        {
            Due::End(end) => break end,
            Due::Interval => {
                let over = stretch.end(plan);
                let counted = tracer.roll()?.context("the session has no counts")?;
                let snapshot = parts::snapshot(
                    &mut tracer,
                    &topology,
                    over,
                    &counted,
                    &mut voice,
                    plan.timeline,
                );
                tracer.enrich.next_interval(counted.until_ns);
                voice.clear();
                let report = rendered(plan, &snapshot)?;
                if !sink.write(&report).context("cannot write the report")? {
                    // Nobody reads on.
                    break End::Signal;
                }
            }
        }
    };
    voice.clear();
    // The end of what is measured; a command that has to be ended is not part of it.
    let mut over = stretch.end(plan);
    let counted = tracer.finish()?.context("the session has no counts")?;
    let exit = settle(plan, &end, child).await?;
    over.session.ended_by = Some(match end {
        End::Duration => EndedBy::Duration,
        End::Signal => EndedBy::Signal,
        End::Child(_) | End::TargetsGone => EndedBy::Exit,
    });
    if let Exit::Command(status) = exit {
        over.session.exit_status = Some(i32::from(status));
    }
    let snapshot = parts::snapshot(
        &mut tracer,
        &topology,
        over,
        &counted,
        &mut voice,
        plan.timeline,
    );
    Ok((rendered(plan, &snapshot)?, exit))
}

/// CPUs that are there.
fn cpus(topology: &Topology) -> usize {
    topology.nodes().iter().map(|node| node.cpus.len()).sum()
}

/// A report as it is printed.
fn rendered(plan: &Plan, snapshot: &Snapshot) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match (plan.format, plan.audit_only) {
        (Format::Json, false) => output::json::write_line(&mut bytes, snapshot)?,
        (Format::Json, true) => output::json::write_line(&mut bytes, &AuditReport::of(snapshot))?,
        (Format::Text, audit_only) => {
            if snapshot
                .session
                .interval
                .is_some_and(|interval| interval > 0)
            {
                bytes.push(b'\n');
            }
            let options = text_options(plan);
            let text = if audit_only {
                output::text::render_audit(snapshot, &options)
            } else {
                output::text::render(snapshot, &options)
            };
            bytes.extend(text.into_bytes());
        }
    }
    Ok(bytes)
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
