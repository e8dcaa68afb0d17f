//! The plan of `numatrace report`.

use std::path::PathBuf;

use super::report::ReportPlan;
use crate::{
    cli::report::ReportArgs,
    console::rendering::{Rendering, color},
    exit::{Exit, Failure},
    ids::Pid,
    limits::fail_if::{FailIf, ReportNames},
    recording::wanted::Wanted,
};

/// A recording whose report is to be printed.
#[derive(Clone, Debug)]
pub struct ReplayPlan {
    /// Path of the recording.
    pub recording: PathBuf,
    /// The part of it that is wanted.
    pub wanted: Wanted,
    /// Its report, or those of its intervals.
    pub report: ReportPlan,
    /// Only errors are written to stderr.
    pub quiet: bool,
}

/// Plans the report of a recording.
///
/// # Errors
/// A limit cannot be parsed, or `--from` is not before `--to`.
pub fn replay(args: ReportArgs) -> Result<ReplayPlan, Failure> {
    if args.from.zip(args.to).is_some_and(|(from, to)| from >= to) {
        return Err(Failure::new(
            Exit::Usage,
            "--from lies behind --to",
            "both count from the start of the session: --from 10 --to 20",
        ));
    }
    let fail_if = FailIf::typed(&args.fail_if, &ReportNames)?;
    let to_file = args.output.is_some();
    let color = color(args.color, to_file);
    Ok(ReplayPlan {
        recording: args.recording,
        wanted: Wanted {
            // The start is where a report begins anyway.
            from: args.from.filter(|from| !from.is_zero()),
            to: args.to,
            pids: args.pids.into_iter().map(Pid).collect(),
            children: !args.no_children,
            timeline: args.timeline,
            whole: args.whole,
        },
        report: ReportPlan {
            rendering: Rendering::new(
                args.format,
                args.audit_only,
                to_file,
                args.sections.wanted(),
                args.limit,
                color,
            ),
            output: args.output,
            fail_if,
        },
        quiet: args.quiet,
    })
}
