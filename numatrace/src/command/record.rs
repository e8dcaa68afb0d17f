//! `numatrace record`: one session, written to a recording.

use std::{io, process::ExitCode};

use super::hooks;
use crate::{cli::record::RecordArgs, plan::trace::record, session};

/// Records a session, or lists the hooks with `--hooks list`.
///
/// # Errors
/// A [`crate::exit::Failure`] with its exit code, or any error that ended the session.
pub(super) fn run(args: RecordArgs) -> anyhow::Result<ExitCode> {
    if args.trace.lists_hooks() {
        return hooks::run(args.trace.format, &mut io::stdout().lock());
    }
    let exit = session::run::run(&record(args)?)?;
    Ok(exit.into())
}
