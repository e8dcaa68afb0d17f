//! `numatrace events`: streams events while they happen.
//!
//! No report is made, so nothing is kept that would grow with time. Allocations come from the
//! sweeps of the totals, by thread and exact; everything else comes from the ring buffer.

use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;

use crate::{
    cli::{Format, events::EventsArgs},
    console::messages::Console,
    enrich::topology::Topology,
    exit::Exit,
    ids::NodeId,
    label::{coverage::lost_by_kind, event::EventLines, hooks::hook},
    model::{
        HookState,
        event::{self, Line, Lost, LostKind, LostReason, SCHEMA},
        number,
    },
    output::{self, sink::Sink, stream::Stream},
    plan::events::{EventsPlan, events},
    session::{
        Session,
        signals::Signals,
        tracer::{Tracer, boot_ns},
        wait::{Due, Wait, block_on},
    },
};

/// Streams events until the session or the reader ends.
///
/// # Errors
/// A [`crate::exit::Failure`] with its exit code, or any error that ended the session.
pub(super) fn run(args: EventsArgs) -> anyhow::Result<ExitCode> {
    let plan = events(args)?;
    // First, because a stream that cannot be written is no reason to attach anything.
    let sink = Sink::open(plan.output.as_deref())?;
    Ok(block_on(stream(&plan, sink))?.into())
}

async fn stream(plan: &EventsPlan, mut sink: Sink) -> anyhow::Result<Exit> {
    let mut console = Console::new(plan.session.verbosity, false);
    let signals = Signals::new()?;
    let mut session = Session::open(plan.session.clone(), &mut console)?;
    session.tracer.ingest.stream_only();
    sink.grow().context("cannot write the events")?;
    console.say(&session.banner());

    let to_stdout = matches!(sink, Sink::Stdout);
    let mut writer = Writer::open(plan, sink, &session)?;
    let first = first_line(&session.tracer, session.topology());
    report_gaps(&first, plan, &mut console);
    writer.stream.send(Line::Session(Box::new(first)));

    let mut wait = Wait::new(&session, signals);
    loop {
        match wait.next(&mut session).await? {
            Due::Drained => writer.write_events(&mut session.tracer),
            Due::Swept => {
                writer.write_events(&mut session.tracer);
                writer.write_losses(&mut session.tracer, &mut console)?;
                writer.lines.forget_names();
                session.tracer.forget_ended()?;
                if writer.stream.is_closed() || (to_stdout && Sink::stdout_is_closed()) {
                    return Ok(Exit::Done);
                }
                if session.targets_gone() {
                    break;
                }
            }
            Due::Interval => {}
            Due::End(_) => break,
        }
        if writer.stream.is_closed() {
            break;
        }
    }
    session.sweep()?;
    writer.write_events(&mut session.tracer);
    writer.write_losses(&mut session.tracer, &mut console)?;
    let unread = writer.stream.finish().context("cannot write the events")?;
    if unread > 0 {
        console.say("the last events were not read");
    }
    Ok(Exit::Done)
}

/// Turns live events into lines of the stream.
struct Writer {
    stream: Stream,
    lines: EventLines,
    /// Lines dropped so far that were reported on stderr.
    reported_drops: u64,
}

impl Writer {
    fn open(plan: &EventsPlan, sink: Sink, session: &Session) -> anyhow::Result<Self> {
        let page_size = session.topology().page_size();
        let stream = match plan.format {
            Format::Json => Stream::open(sink, plan.queue_lines, output::json::to_line),
            Format::Text => Stream::open(sink, plan.queue_lines, move |line| {
                Ok(output::events::text(line, page_size))
            }),
        }
        .context("cannot start the writer")?;
        Ok(Self {
            stream,
            lines: EventLines::new(
                plan.filter.clone(),
                session.tracer.reasons.migrate.clone(),
                Timestamp::now(),
                boot_ns()?,
            ),
            reported_drops: 0,
        })
    }

    /// Writes the live events since the last call.
    fn write_events(&mut self, tracer: &mut Tracer) {
        let ingest = &mut tracer.ingest;
        let Some(live) = &mut ingest.live else { return };
        for (time_ns, live_event) in live.take_events() {
            if let Some(event) = self.lines.line(time_ns, &live_event, &mut ingest.enrich) {
                self.stream.send(Line::Event(Box::new(event)));
            }
        }
    }

    /// Writes a line for events lost before they reached us. Reports these and the lines that a
    /// slow reader left no room for on stderr.
    fn write_losses(&mut self, tracer: &mut Tracer, console: &mut Console) -> anyhow::Result<()> {
        let (losses, rejected) = tracer.losses()?;
        let live = tracer.ingest.live.as_mut();
        let not_kept = live.map_or(0, |live| std::mem::take(&mut live.dropped));
        let by_kind = lost_by_kind(&losses);
        let ring = losses.records_lost.iter().sum::<u64>() + not_kept;
        for (reason, count, by_kind) in [
            (LostReason::RingFull, ring, by_kind),
            (LostReason::Malformed, rejected, Default::default()),
        ] {
            if count > 0 {
                console.say(&loss(count, reason));
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
        if dropped > self.reported_drops {
            let new = dropped - self.reported_drops;
            console.say(&loss(new, LostReason::SlowReader));
            self.reported_drops = dropped;
        }
        Ok(())
    }
}

fn loss(count: u64, reason: LostReason) -> String {
    format!(
        "{} {} lost: {}",
        number::grouped(count),
        if count == 1 { "event" } else { "events" },
        reason.in_words()
    )
}

fn first_line(tracer: &Tracer, topology: &Topology) -> event::Session {
    let nodes: Vec<NodeId> = topology.node_ids().collect();
    event::Session {
        schema: SCHEMA.to_owned(),
        time: Timestamp::now(),
        kernel: nix::sys::utsname::uname()
            .map(|names| names.release().to_string_lossy().into_owned())
            .unwrap_or_default(),
        page_size: topology.page_size(),
        nodes,
        hooks: tracer.session().hooks.iter().map(hook).collect(),
    }
}

/// Reports wanted kinds of events that are not traced here, or only in part.
fn report_gaps(first: &event::Session, plan: &EventsPlan, console: &mut Console) {
    for hook in &first.hooks {
        if let Some(lost) = hook.lost.as_deref().filter(|_| plan.concerns(&hook.hook)) {
            let state = match hook.state {
                HookState::Fallback => "uses a reduced hook",
                _ => "is not attached",
            };
            console.say(&format!("{} {state}; missing: {lost}", hook.hook));
        }
    }
}
