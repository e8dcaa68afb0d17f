//! Runs a session whose report is printed, or one report for each interval: `trace` and `record`.

use std::path::Path;

use anyhow::Context;

use super::{
    Session, launch,
    signals::Signals,
    wait::{Due, End, Wait, block_on},
};
use crate::{
    attach::inject::Faults,
    capture::counting::counting,
    console::messages::Console,
    exit::{Exit, Failure},
    ingest::NOT_COUNTING,
    limits::fail_if::FailIf,
    model::{EndedBy, Snapshot, number},
    output::sink::Sink,
    plan::{Scope, trace::TracePlan},
};

/// Beginning of the error of a report that cannot be written.
const UNWRITABLE: &str = "cannot write the report";

/// Runs a session and prints its reports.
///
/// # Errors
/// A [`Failure`] with its exit code, or any error that ended the session.
pub fn run(plan: &TracePlan) -> anyhow::Result<Exit> {
    if plan.report.rendering.audit_only && counting(Path::new("/")) == Some(false) {
        return Err(Failure::new(
            Exit::Refused,
            format!("there is nothing to audit: {NOT_COUNTING}"),
            "sysctl vm.numa_stat=1, or leave out --audit-only: our own counts do not need it",
        )
        .into());
    }
    // First, because a report that cannot be written is no reason to attach anything.
    let mut sink = Sink::open(plan.report.output.as_deref())?;
    let (last, exit) = block_on(reports(plan, &mut sink))?;
    sink.finish(&last).context(UNWRITABLE)?;
    Ok(exit)
}

/// Runs the session. The report of every interval but the last is written when the interval ends;
/// the last one is returned, because a file replaces an older one only with its last report.
async fn reports(plan: &TracePlan, sink: &mut Sink) -> anyhow::Result<(Vec<u8>, Exit)> {
    let mut console = Console::new(plan.session.verbosity, plan.session.duration.is_some());
    let signals = Signals::new()?;
    let mut session = Session::open(plan.session.clone(), &mut console)?;
    if plan.session.interval.is_some() {
        sink.grow().context(UNWRITABLE)?;
    }
    console.say(&session.banner());
    if plan.session.switches.faults != Faults::default() {
        console.say("counting is broken on purpose (--inject): do not use these numbers");
    }
    let rendering = &plan.report.rendering;
    let mut fail_if = plan.report.fail_if.clone();
    let mut recording_check = RecordingCheck::default();
    let mut wait = Wait::new(&session, signals);
    let end = loop {
        match wait.next(&mut session).await? {
            Due::Drained => {}
            Due::Swept => {
                if let Some(whole) = plan.session.duration {
                    console.progress(session.opened().elapsed(), whole);
                }
                if recording_check.failed(&session, &mut console) && only_records(plan) {
                    break End::NoRecording;
                }
                if session.targets_gone() {
                    break End::TargetsGone;
                }
            }
            Due::Interval => {
                let ended = session.end_interval()?;
                let snapshot = session.report(&ended, plan.timeline, &mut console);
                session.next_interval(&ended);
                console.clear();
                judge(&mut fail_if, &snapshot, &mut console);
                if !plan.prints {
                    continue;
                }
                let report = rendering.of(&snapshot)?;
                match sink.write(&report) {
                    Ok(true) => {}
                    // The reader closed our stdout.
                    Ok(false) => break End::Signal,
                    // As well an end, with the same consequences for the command.
                    Err(error) => break End::Unwritable(error),
                }
            }
            Due::End(end) => break end,
        }
    };
    console.clear();
    // Before the command is ended: its last seconds are not part of the session.
    let mut ended = session.finish()?;
    let exit = end_command(&mut session, &end).await?;
    ended.session.ended_by = Some(ended_by(&end));
    if let Exit::Command(status) = exit {
        ended.session.exit_status = Some(i32::from(status));
    }
    let snapshot = session.report(&ended, plan.timeline, &mut console);
    judge(&mut fail_if, &snapshot, &mut console);
    let (exit, lines) = fail_if.decide(exit);
    lines.iter().for_each(|line| console.insist(line));
    let exit = recorded(&session, &snapshot, &mut console, exit);
    if let End::Unwritable(error) = end {
        return Err(anyhow::Error::from(error).context(UNWRITABLE));
    }
    let last = if plan.prints {
        rendering.of(&snapshot)?
    } else {
        Vec::new()
    };
    Ok((last, exit))
}

/// Messages about a recording that ends before its session; each is written once.
#[derive(Clone, Copy, Debug, Default)]
struct RecordingCheck {
    trouble_reported: bool,
    full_reported: bool,
}

impl RecordingCheck {
    /// Reports a full or failed recording. Returns whether it failed.
    fn failed(&mut self, session: &Session, console: &mut Console) -> bool {
        let Some(recorder) = &session.tracer.recorder else {
            return false;
        };
        if recorder.is_full() && !self.full_reported {
            self.full_reported = true;
            console.say(
                "the recording is full (--max-size, --keep first): the rest of the session is only \
                 in its sums",
            );
        }
        let Some(trouble) = recorder.trouble() else {
            return false;
        };
        if !self.trouble_reported {
            self.trouble_reported = true;
            console.fail(&format!(
                "the recording ends here, after {:.1} s: {trouble}",
                session.opened().elapsed().as_secs_f64()
            ));
        }
        true
    }
}

/// Returns whether the session is of no use without its recording. A command is not killed for it,
/// and a report is still worth waiting for.
fn only_records(plan: &TracePlan) -> bool {
    !plan.prints && !matches!(plan.session.scope, Scope::Command(_))
}

/// Compares a report with the limits and reports those that it crosses.
fn judge(fail_if: &mut FailIf, snapshot: &Snapshot, console: &mut Console) {
    for line in fail_if.check_report(snapshot) {
        console.insist(&line);
    }
}

fn ended_by(end: &End) -> EndedBy {
    match end {
        End::Duration => EndedBy::Duration,
        // numatrace itself ended the session, because it cannot write.
        End::Signal | End::NoRecording | End::Unwritable(_) => EndedBy::Signal,
        End::Child(_) | End::TargetsGone => EndedBy::Exit,
    }
}

/// Ends a command that outlived the session, unless it is to be left running. Returns the exit
/// status of the session.
async fn end_command(session: &mut Session, end: &End) -> anyhow::Result<Exit> {
    let keep_running = matches!(&session.plan.scope, Scope::Command(launch) if launch.keep_running);
    if let (Some(_), End::Child(status)) = (&session.child, end) {
        return Ok(launch::passed_on(*status));
    }
    if !keep_running {
        session.end_command().await?;
    }
    Ok(Exit::Done)
}

/// Reports where the recording is, and the first finding. An incomplete recording makes the run a
/// failure.
fn recorded(session: &Session, snapshot: &Snapshot, console: &mut Console, exit: Exit) -> Exit {
    match session.recording_summary() {
        None => exit,
        Some(Ok(line)) => {
            console.say(&line);
            console.say(&first_finding(snapshot));
            exit
        }
        Some(Err(line)) => {
            console.fail(&line);
            Exit::Failed
        }
    }
}

/// Names the worst finding, and says how many others there are.
fn first_finding(snapshot: &Snapshot) -> String {
    let Some(first) = snapshot.findings.first() else {
        return "no finding".to_owned();
    };
    let others = match snapshot.findings.len() - 1 {
        0 => String::new(),
        more => format!("; {}", number::plural(more, "more finding")),
    };
    format!("{} [{}]{others}", first.title, first.id)
}
