//! A session that tells what happens as it happens: `numatrace events`.
//!
//! No report is made, so nothing is kept that would grow with time. Allocations come from the sweeps of the totals, thread by thread and exact to
//! the last one; everything else comes from the ring.

use std::{path::Path, process::ExitCode, time::Instant};

use anyhow::Context;
use jiff::Timestamp;
use tokio::time::sleep_until;

use crate::{
    attach::{catalog::PAGE_FAULT, globals::Switches},
    cli::{Format, events::EventsArgs},
    console::messages::Console,
    enrich::topology::Topology,
    exit::Exit,
    ids::NodeId,
    label::{event::Teller, report},
    model::{
        event::{Kind, Line, Lost, LostKind, LostReason, SCHEMA, Session},
        number,
    },
    output::{self, sink::Sink, stream::Stream},
    plan::{self, Scope, Verbosity, events::EventsPlan},
    session::{
        open::{banner, scope_entries, told},
        tracer::{self, Extras, Tracer},
        wait::{DRAIN, NEVER, SWEEP, Signals, every, targets_gone},
    },
};

/// Streams events until somebody or something ends it.
///
/// # Errors
/// A [`crate::exit::Failure`] with its exit code, or whatever broke while running.
pub(super) fn run(args: EventsArgs) -> anyhow::Result<ExitCode> {
    let plan = &plan::events::events(args)?;
    // Before anything is attached: a stream that cannot be written is not worth a session.
    let sink = Sink::open(plan.session.output.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    Ok(runtime.block_on(session(plan, sink))?.into())
}

async fn session(plan: &EventsPlan, sink: Sink) -> anyhow::Result<Exit> {
    let session = &plan.session;
    let mut console = Console::new(session.verbosity, false);
    let mut signals = Signals::new()?;
    let topology = Topology::read(Path::new("/"))?;
    let mut loaded = tracer::load(
        &topology,
        switches(plan),
        session.verbosity >= Verbosity::Debug,
    )?;
    loaded.wanted = session.hooks.clone();
    let scope = scope_entries(session, None)?;
    let mut tracer = Tracer::start(loaded, &topology, &scope, Extras::default())?;
    told(session, &tracer, &mut console)?;
    tracer.ingest.tell_only();
    console.say(&banner(session));

    let to_stdout = matches!(sink, Sink::Stdout);
    let page_size = topology.page_size();
    let mut stream = match session.format {
        Format::Json => Stream::open(sink, plan.room, output::json::to_line),
        Format::Text => Stream::open(sink, plan.room, move |line| {
            Ok(output::events::text(line, page_size))
        }),
    }
    .context("cannot start the writer")?;
    let first = first_line(&tracer, &topology);
    say_gaps(&first, plan, &mut console);
    stream.send(Line::Session(Box::new(first)));
    let mut teller = Teller::new(
        plan.filter.clone(),
        tracer.reasons.migrate.clone(),
        Timestamp::now(),
        tracer::boot_ns()?,
    );
    let mut telling = Telling {
        stream,
        teller: &mut teller,
        announced: 0,
    };

    let deadline = sleep_until(
        tokio::time::Instant::from_std(Instant::now()) + session.duration.unwrap_or(NEVER),
    );
    tokio::pin!(deadline);
    let (mut drain, mut sweep) = (every(DRAIN), every(SWEEP));
    loop {
        tokio::select! {
            biased;
            () = &mut deadline => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.terminate.recv() => break,
            _ = drain.tick() => {
                tracer.drain()?;
                telling.tell(&mut tracer);
            }
            _ = sweep.tick() => {
                tracer.sweep()?;
                telling.tell(&mut tracer);
                telling.tell_losses(&mut tracer, &mut console)?;
                telling.teller.forget_names();
                tracer.forget()?;
                if telling.stream.is_closed() || (to_stdout && Sink::stdout_is_closed()) {
                    return Ok(Exit::Done);
                }
                if targets_gone(&session.scope) {
                    break;
                }
            }
        }
        if telling.stream.is_closed() {
            break;
        }
    }
    tracer.sweep()?;
    telling.tell(&mut tracer);
    telling.tell_losses(&mut tracer, &mut console)?;
    let untold = telling.stream.finish().context("cannot write the events")?;
    if untold > 0 {
        console.say("the reader did not take the last events");
    }
    Ok(Exit::Done)
}

/// What stands between the session and its stream.
struct Telling<'a> {
    stream: Stream,
    teller: &'a mut Teller,
    /// Lines that found no room and were announced.
    announced: u64,
}

impl Telling<'_> {
    /// Sends on what was heard.
    fn tell(&mut self, tracer: &mut Tracer) {
        let ingest = &mut tracer.ingest;
        let Some(live) = &mut ingest.live else { return };
        for (time_ns, event) in live.take_events() {
            if let Some(event) = self.teller.tell(time_ns, &event, &mut ingest.enrich) {
                self.stream.send(Line::Event(Box::new(event)));
            }
        }
    }

    /// Announces what was lost on the way to us, and on the way to the reader.
    fn tell_losses(&mut self, tracer: &mut Tracer, console: &mut Console) -> anyhow::Result<()> {
        let (losses, rejected) = tracer.losses()?;
        let dropped = tracer
            .ingest
            .live
            .as_mut()
            .map_or(0, |live| std::mem::take(&mut live.dropped));
        let by_kind = report::lost_by_kind(&losses);
        let ring = losses.records_lost.iter().sum::<u64>() + dropped;
        for (reason, count, by_kind) in [
            (LostReason::RingFull, ring, by_kind),
            (LostReason::Malformed, rejected, Default::default()),
        ] {
            if count > 0 {
                console.say(&announcement(count, reason));
                self.stream.send(Line::Lost(Lost {
                    time: Timestamp::now(),
                    kind: LostKind::Lost,
                    reason,
                    count,
                    by_kind,
                }));
            }
        }
        let dropped = self.stream.dropped();
        if dropped > self.announced {
            console.say(&announcement(
                dropped - self.announced,
                LostReason::SlowReader,
            ));
            self.announced = dropped;
        }
        Ok(())
    }
}

fn announcement(count: u64, reason: LostReason) -> String {
    format!(
        "{} events lost: {}",
        number::grouped(count),
        reason.in_words()
    )
}

/// What the kernel side is to do: runs by mapping for those who want to see them; allocations are counted in any case.
fn switches(plan: &EventsPlan) -> Switches {
    let wants = |kind| plan.filter.kinds.is_empty() || plan.filter.kinds.contains(&kind);
    let touches = wants(Kind::FirstTouch) || wants(Kind::Incident);
    Switches {
        scoped: plan.session.scope != Scope::System,
        follow_children: plan.session.follow_children,
        gather_moves: false,
        first_touch: touches && plan.session.hooks.has(PAGE_FAULT),
        faults: plan.session.faults,
        mappings: wants(Kind::FirstTouch) || wants(Kind::HintFault),
        reducible: false,
        stack_every: 0,
        kernel_stack_every: 0,
        verify_reasons: false,
    }
}

fn first_line(tracer: &Tracer, topology: &Topology) -> Session {
    let nodes: Vec<NodeId> = topology.node_ids().collect();
    Session {
        schema: SCHEMA.to_owned(),
        time: Timestamp::now(),
        kernel: nix::sys::utsname::uname()
            .map(|names| names.release().to_string_lossy().into_owned())
            .unwrap_or_default(),
        page_size: topology.page_size(),
        nodes,
        hooks: tracer.session().hooks.iter().map(report::hook).collect(),
    }
}

/// Says which of the wanted kinds cannot be told here, or not whole.
fn say_gaps(first: &Session, plan: &EventsPlan, console: &mut Console) {
    for hook in &first.hooks {
        if let Some(lost) = hook.lost.as_deref().filter(|_| plan.concerns(&hook.hook)) {
            let state = match hook.state {
                crate::model::HookState::Fallback => "on its fallback",
                _ => "not attached",
            };
            console.say(&format!("{} is {state}; missing: {lost}", hook.hook));
        }
    }
}
