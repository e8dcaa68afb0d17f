//! A session on a screen: `numatrace top`.
//!
//! The session stays on its own thread and hands over the latest look; the screen has a thread for itself. A slow terminal misses looks, it never
//! holds up the ring.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until},
};

use crate::{
    attach::globals::Switches,
    capture::sys::{buddyinfo, meminfo},
    cli::top::TopArgs,
    console::messages::Console,
    enrich::topology::Topology,
    exit::Exit,
    fold::{
        live::Live,
        stat::pressure::{self, NodeReading, Reading},
    },
    ids::NodeId,
    ingest::Ingest,
    label::frame,
    model::{
        Snapshot,
        frame::{ScreenAbsences, ScreenFrame},
        stat::pressure::NodePressure,
    },
    output::{
        self,
        sink::Sink,
        tui::{self, App, Order, Recording, Screen},
    },
    plan::{self, Verbosity, top::TopPlan},
    session::{
        info,
        interval::SessionInterval,
        open::{scope_entries, switches, told},
        side_recording::SideRecording,
        tracer::{self, Asked, Counted, Extras, Tracer},
        wait::{DRAIN, NEVER, SWEEP, Signals, every},
    },
};

/// Shows a session until somebody or something ends it.
///
/// # Errors
/// A [`crate::exit::Failure`] with its exit code, or whatever broke while running.
pub(super) fn run(args: TopArgs) -> anyhow::Result<ExitCode> {
    let plan = &plan::top::top(args)?;
    let mut log = plan
        .log
        .as_deref()
        .map(|path| Sink::open(Some(path)))
        .transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let exit = runtime.block_on(session(plan, log.as_mut()))?;
    if let Some(log) = log {
        log.finish(&[]).context("cannot write the reports")?;
    }
    Ok(exit.into())
}

async fn session(plan: &TopPlan, log: Option<&mut Sink>) -> anyhow::Result<Exit> {
    let session = &plan.session;
    let mut console = Console::new(session.verbosity, false);
    let signals = Signals::new()?;
    let topology = Topology::read(Path::new("/"))?;
    console.say("attaching ...");
    let switches = Switches {
        // Who watches wants to hear of each as it happens.
        gather_moves: false,
        ..switches(session)
    };
    let mut loaded = tracer::load(&topology, switches, session.verbosity >= Verbosity::Debug)?;
    loaded.wanted = session.hooks.clone();
    let scope = scope_entries(session, None)?;
    let mut interval = SessionInterval::first(true);
    let mut tracer = Tracer::start(loaded, &topology, &scope, Extras::default())?;
    let began_ns = tracer::boot_ns()?;
    told(session, &tracer, &mut console)?;
    tracer.ingest.live = Some(Live::default());

    let period = session.interval.unwrap_or(Duration::from_secs(1));
    let (looks, seen) = watch::channel(None);
    let (recording, recorded) = watch::channel(Recording::Off);
    let (orders, wanted) = mpsc::unbounded_channel();
    let app = App::new(tui::Options {
        color: session.color,
        interval: period,
        scope: info::model_scope(session),
    });
    interval.began = std::time::Instant::now();
    let screen = Screen::open().context("cannot take over the terminal")?;
    let showing = std::thread::Builder::new()
        .name("screen".into())
        .spawn(move || screen.run(app, seen, recorded, &orders))
        .context("cannot start the screen")?;

    let mut watched = Watched {
        plan,
        topology: &topology,
        interval,
        console: Console::new(Verbosity::Quiet, false),
        began_ns,
        log,
        side_recording: None,
        recording,
        written: Vec::new(),
    };
    let ended = watched
        .until_the_end(&mut tracer, signals, wanted, &looks, period)
        .await;
    watched.end_recording();
    // The screen ends when nobody can hand it a look any more, and gives the terminal back before anything is said.
    drop(looks);
    let shown = showing
        .join()
        .map_err(|_| anyhow!("the screen broke down; its message stands above"))?;
    let mut exit = Exit::Done;
    for line in watched.written {
        match line {
            Ok(line) => console.say(&line),
            Err(line) => {
                console.fail(&line);
                exit = Exit::Failed;
            }
        }
    }
    ended?;
    shown.context("cannot draw on the terminal")?;
    Ok(exit)
}

/// A session that is being watched.
struct Watched<'a> {
    plan: &'a TopPlan,
    topology: &'a Topology,
    interval: SessionInterval,
    /// Nothing is said while the screen is up.
    console: Console,
    /// When it began, ns since boot.
    began_ns: u64,
    log: Option<&'a mut Sink>,
    /// The recording beside it.
    side_recording: Option<SideRecording>,
    /// Where the screen learns of it.
    recording: watch::Sender<Recording>,
    /// What is to be said of recordings once the screen is gone.
    written: Vec<Result<String, String>>,
}

impl Watched<'_> {
    async fn until_the_end(
        &mut self,
        tracer: &mut Tracer,
        mut signals: Signals,
        mut orders: mpsc::UnboundedReceiver<Order>,
        looks: &watch::Sender<Option<Arc<ScreenFrame>>>,
        period: Duration,
    ) -> anyhow::Result<()> {
        let whole = self.plan.session.duration.unwrap_or(NEVER);
        let deadline = sleep_until(Instant::now() + whole);
        tokio::pin!(deadline);
        let (mut drain, mut sweep) = (every(DRAIN), every(SWEEP));
        let mut refresh = refreshes(period);
        loop {
            tokio::select! {
                biased;
                () = &mut deadline => return Ok(()),
                _ = signals.interrupt.recv() => return Ok(()),
                _ = signals.terminate.recv() => return Ok(()),
                order = orders.recv() => match order {
                    Some(Order::Interval(period)) => refresh = refreshes(period),
                    Some(Order::Record) => self.begin_or_end_recording(),
                    Some(Order::Quit) | None => return Ok(()),
                },
                _ = refresh.tick() => {
                    let look = Arc::new(self.look(tracer)?);
                    if let Some(log) = &mut self.log {
                        let line = output::json::to_line(&look.snapshot)?;
                        log.write(line.as_bytes()).context("cannot write the report")?;
                    }
                    // Whoever has not looked at the last one misses it.
                    looks.send_replace(Some(look));
                }
                _ = drain.tick() => {
                    tracer.drain()?;
                    tracer.measure_cost(std::time::Instant::now())?;
                    self.record(SideRecording::drain);
                }
                _ = sweep.tick() => {
                    tracer.sweep()?;
                    self.record(SideRecording::sweep);
                    if let Some(side_recording) = &self.side_recording {
                        self.recording.send_replace(side_recording.state());
                    }
                }
            }
        }
    }

    fn begin_or_end_recording(&mut self) {
        if self.side_recording.is_some() {
            return self.end_recording();
        }
        self.recording.send_replace(Recording::Beginning);
        match SideRecording::begin(&self.plan.session, self.topology) {
            Ok(side_recording) => {
                self.recording.send_replace(side_recording.state());
                self.side_recording = Some(side_recording);
            }
            Err(error) => self.not_recorded(&error),
        }
    }

    /// Ends the recording, if there is one.
    fn end_recording(&mut self) {
        let Some(side_recording) = self.side_recording.take() else {
            return;
        };
        match side_recording.end(self.topology) {
            Ok((state, line)) => {
                self.recording.send_replace(state);
                self.written.push(line);
            }
            Err(error) => self.not_recorded(&error),
        }
    }

    /// One step of the recording. What breaks it does not break the screen.
    fn record(&mut self, step: impl FnOnce(&mut SideRecording) -> anyhow::Result<()>) {
        if let Some(Err(error)) = self.side_recording.as_mut().map(step) {
            self.side_recording = None;
            self.not_recorded(&error);
        }
    }

    fn not_recorded(&mut self, error: &anyhow::Error) {
        let why = format!("{error:#}");
        // Its first line; the way out stands below once the screen is gone.
        let short = why.lines().next().unwrap_or_default();
        self.recording.send_replace(Recording::Failed {
            why: output::escape::text(short.as_bytes()).into_owned(),
        });
        self.written.push(Err(format!("not recorded: {why}")));
    }

    /// Ends an interval and looks at it.
    fn look(&mut self, tracer: &mut Tracer) -> anyhow::Result<ScreenFrame> {
        let mut over = self.interval.end(&self.plan.session);
        over.session.command = "top".to_owned();
        let counted = tracer.roll()?.context("the session has no counts")?;
        let mut snapshot = info::snapshot(
            tracer,
            self.topology,
            over,
            &counted,
            &mut self.console,
            Asked {
                timeline: false,
                goes_on: true,
                quiet: true,
            },
        );
        let nodes: Vec<NodeId> = snapshot.host.nodes.iter().map(|node| node.node).collect();
        let memory = memory(Path::new("/"), &nodes, snapshot.host.page_size / 1024);
        let absences = self.absences(tracer, &counted, &mut snapshot);
        tracer.ingest.next_interval(counted.until_ns);
        tracer.ingest.forget_absences();
        Ok(ScreenFrame {
            snapshot,
            memory,
            absences,
        })
    }

    /// Takes the absences of the interval, and gives its processes their homes.
    fn absences(
        &self,
        tracer: &mut Tracer,
        counted: &Counted,
        snapshot: &mut Snapshot,
    ) -> ScreenAbsences {
        let Ingest { live, enrich, .. } = &mut tracer.ingest;
        let Some(live) = live else {
            return ScreenAbsences::default();
        };
        frame::homes(snapshot, live, enrich);
        frame::absences(live, enrich, snapshot, self.began_ns, counted.until_ns)
    }
}

/// Ends of intervals. A late one does not make the next one short.
fn refreshes(period: Duration) -> Interval {
    let mut refresh = interval_at(Instant::now() + period, period);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    refresh
}

/// Memory and free blocks of each node. Only files whose reading folds no counters: that would begin epochs.
fn memory(root: &Path, nodes: &[NodeId], page_kib: u64) -> Vec<NodePressure> {
    let reading = Reading {
        nodes: nodes
            .iter()
            .map(|node| NodeReading {
                meminfo: meminfo::read_node(root, *node).ok(),
                vmstat: None,
            })
            .collect(),
        zones: Vec::new(),
        blocks: buddyinfo::read(root).unwrap_or_default(),
        vmstat: None,
    };
    pressure::section(&reading, None, nodes, page_kib).nodes
}
