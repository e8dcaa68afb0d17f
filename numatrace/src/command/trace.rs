//! `numatrace trace`: one session, then its report.

use std::{io, process::ExitCode};

use super::hooks;
use crate::{cli::trace::TraceArgs, plan::trace::trace, session};

/// Traces and prints the report, or lists the hooks with `--hooks list`.
///
/// # Errors
/// A [`crate::exit::Failure`] with its exit code, or any error that ended the session.
pub(super) fn run(args: TraceArgs) -> anyhow::Result<ExitCode> {
    if args.lists_hooks() {
        return hooks::run(args.format, &mut io::stdout().lock());
    }
    let exit = session::run::run(&trace(args)?)?;
    Ok(exit.into())
}
