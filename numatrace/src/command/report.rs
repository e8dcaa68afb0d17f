//! `numatrace report`: the report of a recording, made by the code that makes a session's own, or a
//! JSON report as text.

use std::process::ExitCode;

use anyhow::Context;

use crate::{
    cli::report::ReportArgs,
    console::{
        messages::say,
        progress::{Progress, Work},
    },
    exit::{Exit, Failure},
    model::Snapshot,
    output::sink::Sink,
    plan::{
        ReportPlan,
        replay::{ReplayPlan, replay},
    },
    recording::{load, replay::Replay},
};

/// Reads a recording and prints its report, or those of its intervals.
///
/// # Errors
/// A [`crate::exit::Failure`] with its exit code when the recording cannot be read, or the report
/// cannot be written.
pub(super) fn run(args: ReportArgs) -> anyhow::Result<ExitCode> {
    let ReplayPlan {
        recording,
        wanted,
        report,
        quiet,
    } = replay(args)?;
    let ReportPlan {
        rendering,
        output,
        mut fail_if,
    } = report;
    let mut sink = Sink::open(output.as_deref())?;
    sink.must_differ_from(&recording)?;
    // The last report is held back: a file replaces an older one only with its last report.
    let mut last: Option<Vec<u8>> = None;
    let mut crossed = Vec::new();
    let mut print = |snapshot: Snapshot| {
        crossed.extend(fail_if.check_report(&snapshot));
        let report = rendering.of(&snapshot)?;
        match last.replace(report) {
            Some(before) => sink.write(&before).context("cannot write the report"),
            None => Ok(true),
        }
    };
    if let Some(reports) = load::reports(&recording)? {
        if let Some(option) = wanted.option() {
            return Err(Failure::new(
                Exit::Usage,
                format!("{option} needs a recording, and this is a JSON report"),
                "record the session: numatrace record -o FILE",
            )
            .into());
        }
        for snapshot in reports {
            if !print(snapshot)? {
                break;
            }
        }
    } else {
        let replay = Replay::open(&recording, wanted)?;
        let mut progress = Progress::new(Work::Reading(replay.length), quiet);
        let outcome = replay.run_with_progress(&mut |_| {}, &mut print, &mut |read| {
            progress.show(read);
        })?;
        drop(progress);
        if !quiet {
            for remark in &outcome.remarks {
                say(remark);
            }
        }
    }
    let last = last.context("the recording holds no report")?;
    sink.finish(&last).context("cannot write the report")?;
    let (exit, unknown) = fail_if.decide(Exit::Done);
    for line in crossed.iter().chain(&unknown) {
        say(line);
    }
    Ok(exit.into())
}
