//! `numatrace report`: the report of a recording, by the code that makes a session's own.

use std::process::ExitCode;

use anyhow::Context;

use crate::{
    cli::report::ReportArgs,
    console::{
        progress::{Progress, Work},
        rendering::{Rendering, color},
    },
    exit::{Exit, Failure},
    ids::Pid,
    limits::fail_if::{FailIf, ReportNames},
    output::sink::Sink,
    recording::replay::{Replay, Wanted},
};

/// Reads a recording and prints its report.
///
/// # Errors
/// The recording cannot be read, or the report cannot be written: with the exit code and a way out.
pub fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    if args.from.zip(args.to).is_some_and(|(from, to)| from >= to) {
        return Err(Failure::new(
            Exit::Usage,
            "--from lies behind --to",
            "both count from the begin of the session: --from 10 --to 20",
        )
        .into());
    }
    let mut fail_if = FailIf::typed(&args.fail_if, &ReportNames)?;
    let wanted = Wanted {
        from: args.from,
        to: args.to,
        pids: args.pids.iter().copied().map(Pid).collect(),
        children: !args.no_children,
        timeline: args.timeline,
        whole: args.whole,
    };
    let to_file = args.output.is_some();
    let rendering = Rendering::new(
        args.format,
        args.audit_only,
        to_file,
        args.limit,
        color(args.color, to_file),
    );
    let replay = Replay::open(&args.recording, wanted)?;
    let mut sink = Sink::open(args.output.as_deref())?;
    let mut progress = Progress::new(Work::Reading(replay.length), args.quiet);
    // The last one is kept back: a file is put in place with it.
    let mut last: Option<Vec<u8>> = None;
    let mut crossed = Vec::new();
    let outcome = replay.run_showing(
        &mut |_| {},
        &mut |snapshot| {
            crossed.extend(fail_if.check_report(&snapshot));
            let report = rendering.of(&snapshot)?;
            match last.replace(report) {
                Some(before) => sink.write(&before).context("cannot write the report"),
                None => Ok(true),
            }
        },
        &mut |read| progress.show(read),
    )?;
    drop(progress);
    if !args.quiet {
        for remark in &outcome.remarks {
            eprintln!("numatrace: {remark}");
        }
    }
    let last = last.context("the recording holds no report")?;
    sink.finish(&last).context("cannot write the report")?;
    let (exit, unknown) = fail_if.decide(Exit::Done);
    for line in crossed.iter().chain(&unknown) {
        eprintln!("numatrace: {line}");
    }
    Ok(exit.into())
}
