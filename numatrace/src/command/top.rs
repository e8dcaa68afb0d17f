//! `numatrace top`: a session on a full screen.
//!
//! The session runs on this thread and publishes the newest frame; the screen has a thread of its
//! own. A slow terminal misses frames and never delays the drain of the ring buffer.

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context, anyhow};
use tokio::sync::{mpsc, watch};

use crate::{
    capture::sys::{buddyinfo, meminfo},
    cli::top::TopArgs,
    console::messages::Console,
    exit::Exit,
    fold::{
        counted::Counted,
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
    plan::top::{TopPlan, top},
    session::{
        Session,
        side_recording::SideRecording,
        signals::{Signals, continued},
        tracer::{Tracer, boot_ns},
        wait::{Due, Wait, block_on},
    },
};

/// Shows a session until the user, a signal or `-d` ends it.
///
/// # Errors
/// A [`crate::exit::Failure`] with its exit code, or any error that ended the session.
pub(super) fn run(args: TopArgs) -> anyhow::Result<ExitCode> {
    let plan = top(args)?;
    let mut log = plan
        .log
        .as_deref()
        .map(|path| Sink::open(Some(path)))
        .transpose()?;
    let exit = block_on(show(plan, log.as_mut()))?;
    if let Some(log) = log {
        log.finish(&[]).context("cannot write the reports")?;
    }
    Ok(exit.into())
}

async fn show(plan: TopPlan, mut log: Option<&mut Sink>) -> anyhow::Result<Exit> {
    let mut console = Console::new(plan.session.verbosity, false);
    let signals = Signals::new()?;
    console.say("attaching ...");
    let mut session = Session::open(plan.session, &mut console)?;
    let began_ns = boot_ns()?;
    session.tracer.ingest.watch(Live::default());
    if let Some(log) = &mut log {
        log.grow().context("cannot write the reports")?;
    }

    let (frames, shown_frames) = watch::channel(None);
    let (recording, shown_recording) = watch::channel(Recording::Off);
    let (continued, shown_continued) = watch::channel(());
    let (orders, received_orders) = mpsc::unbounded_channel();
    let app = App::new(tui::Options {
        color: plan.color,
        interval: plan.refresh,
        scope: session.plan().report_scope(),
    });
    let screen = Screen::open().context("cannot take over the terminal")?;
    let screen_thread = std::thread::Builder::new()
        .name("screen".into())
        .spawn(move || screen.run(app, shown_frames, shown_recording, shown_continued, &orders))
        .context("cannot start the screen")?;

    let mut wait = Wait::new(&session, signals);
    wait.set_interval(plan.refresh);
    let mut view = View {
        session,
        began_ns,
        log,
        frames,
        side_recording: None,
        recording,
        recording_lines: Vec::new(),
        continued,
    };
    let ended = view.until_the_end(wait, received_orders).await;
    view.end_recording();
    // The screen ends once nothing can send it a frame. It restores the terminal before anything
    // else is written there.
    drop(view.frames);
    let drawn = screen_thread
        .join()
        .map_err(|_| anyhow!("the screen panicked; its message is above"))?;
    let mut exit = Exit::Done;
    for line in view.recording_lines {
        match line {
            Ok(line) => console.say(&line),
            Err(line) => {
                console.fail(&line);
                exit = Exit::Failed;
            }
        }
    }
    if let Some(why) = ended? {
        console.say(why);
    }
    drawn.context("cannot draw on the terminal")?;
    Ok(exit)
}

/// A session behind a screen.
struct View<'a> {
    session: Session,
    /// Start of the session, ns since boot.
    began_ns: u64,
    /// File for the report of each interval.
    log: Option<&'a mut Sink>,
    /// Sends frames to the screen.
    frames: watch::Sender<Option<Arc<ScreenFrame>>>,
    /// The recording of the same processes, while there is one.
    side_recording: Option<SideRecording>,
    /// Sends the state of that recording to the screen.
    recording: watch::Sender<Recording>,
    /// Lines about recordings, to be written once the screen is gone.
    recording_lines: Vec<Result<String, String>>,
    /// Tells the screen that this process goes on after a stop.
    continued: watch::Sender<()>,
}

impl View<'_> {
    /// Returns why the screen ended, where the person did not end it.
    async fn until_the_end(
        &mut self,
        mut wait: Wait,
        mut orders: mpsc::UnboundedReceiver<Order>,
    ) -> anyhow::Result<Option<&'static str>> {
        let mut continued = continued().context("cannot handle signals")?;
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Interval(period)) => wait.set_interval(period),
                    Some(Order::Record) => self.begin_or_end_recording(),
                    Some(Order::Quit) | None => return Ok(None),
                },
                _ = continued.recv() => {
                    self.continued.send_replace(());
                }
                due = wait.next(&mut self.session) => match due? {
                    Due::Interval => self.refresh()?,
                    Due::Drained => self.record(SideRecording::drain),
                    Due::Swept => {
                        self.record(SideRecording::sweep);
                        if let Some(side_recording) = &self.side_recording {
                            self.recording.send_replace(side_recording.state());
                        }
                        if self.session.targets_gone() {
                            return Ok(Some("all processes of -p have ended"));
                        }
                    }
                    Due::End(_) => return Ok(None),
                },
            }
        }
    }

    /// Ends an interval, and sends its frame to the screen and its report to the log.
    fn refresh(&mut self) -> anyhow::Result<()> {
        let frame = Arc::new(self.frame()?);
        if let Some(log) = &mut self.log {
            let line = output::json::to_line(&frame.snapshot)?;
            log.write(line.as_bytes())
                .context("cannot write the report")?;
        }
        // A frame that the screen has not drawn yet is replaced.
        self.frames.send_replace(Some(frame));
        Ok(())
    }

    fn begin_or_end_recording(&mut self) {
        if self.side_recording.is_some() {
            return self.end_recording();
        }
        self.recording.send_replace(Recording::Beginning);
        match SideRecording::begin(self.session.plan()) {
            Ok(side_recording) => {
                self.recording.send_replace(side_recording.state());
                self.side_recording = Some(side_recording);
            }
            Err(error) => self.recording_failed(&error),
        }
    }

    /// Ends the recording, if there is one.
    fn end_recording(&mut self) {
        let Some(side_recording) = self.side_recording.take() else {
            return;
        };
        match side_recording.end() {
            Ok((state, line)) => {
                self.recording.send_replace(state);
                self.recording_lines.push(line);
            }
            Err(error) => self.recording_failed(&error),
        }
    }

    /// Runs one step of the recording. An error ends the recording, not the screen.
    fn record(&mut self, step: impl FnOnce(&mut SideRecording) -> anyhow::Result<()>) {
        if let Some(Err(error)) = self.side_recording.as_mut().map(step) {
            self.side_recording = None;
            self.recording_failed(&error);
        }
    }

    fn recording_failed(&mut self, error: &anyhow::Error) {
        let why = format!("{error:#}");
        // The screen shows the first line; the hint follows once the screen is gone.
        let short = why.lines().next().unwrap_or_default();
        self.recording.send_replace(Recording::Failed {
            why: output::escape::text(short.as_bytes()).into_owned(),
        });
        self.recording_lines
            .push(Err(format!("not recorded: {why}")));
    }

    /// Ends an interval and returns its frame.
    fn frame(&mut self) -> anyhow::Result<ScreenFrame> {
        let ended = self.session.end_interval()?;
        let mut console = Console::quiet();
        let mut snapshot = self.session.report(&ended, false, &mut console);
        let nodes: Vec<NodeId> = snapshot.host.nodes.iter().map(|node| node.node).collect();
        let memory = memory(Path::new("/"), &nodes, snapshot.host.page_size / 1024);
        let absences = absences(
            self.began_ns,
            &mut self.session.tracer,
            &ended.counted,
            &mut snapshot,
        );
        self.session.next_interval(&ended);
        self.session.tracer.ingest.forget_absences();
        Ok(ScreenFrame {
            snapshot,
            memory,
            absences,
        })
    }
}

/// Takes the absences of the interval, and gives its processes their homes.
fn absences(
    began_ns: u64,
    tracer: &mut Tracer,
    counted: &Counted,
    snapshot: &mut Snapshot,
) -> ScreenAbsences {
    let Ingest { live, enrich, .. } = &mut tracer.ingest;
    let Some(live) = live else {
        return ScreenAbsences::default();
    };
    frame::homes(snapshot, live, enrich);
    frame::absences(live, enrich, snapshot, began_ns, counted.until_ns)
}

/// Reads memory and free blocks of each node. It leaves out files whose reading folds the kernel's
/// counters: that would begin epochs.
fn memory(root: &Path, nodes: &[NodeId], page_kib: u64) -> Vec<NodePressure> {
    let reading = Reading {
        nodes: nodes
            .iter()
            .map(|node| NodeReading {
                meminfo: meminfo::read_node(root, *node).ok(),
                vmstat: None,
                pools: None,
            })
            .collect(),
        zones: Vec::new(),
        blocks: buddyinfo::read(root).unwrap_or_default(),
        vmstat: None,
    };
    pressure::section(&reading, None, nodes, page_kib).nodes
}
